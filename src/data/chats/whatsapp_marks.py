"""What WhatsApp itself writes into an export: marks of media, of messages taken back, notices.

The phrases, in the languages of its users, are in `whatsapp_phrases.txt`. They are told apart without
case, marks of direction and the full stop behind them.
"""

import re
from functools import cache, lru_cache

from understudy.data.chats.phrases import phrases
from understudy.data.chats.stamps import DIRECTION_MARKS

_MARK = f"[{DIRECTION_MARKS}]"
_BLANK = f"[\\s{DIRECTION_MARKS}]*"
_STOP = "[.。।!]?"
# iOS: <attached: 00000012-PHOTO-2024-03-05-15-15-30.jpg>, in whatever language
_ATTACHED = rf"<{_BLANK}[^<>:\n]{{2,25}}:{_BLANK}\d{{6,8}}-[^<>\n]+>"
_OWN_NAME = r"(?:IMG|VID|AUD|PTT|STK|DOC|GIF|STICKER|PHOTO|VIDEO|AUDIO)-\d{8}-WA\d+\.\w{0,5}"
# Android repeats the name of a document in the line below
_DOCUMENT = re.compile(rf"[^\n]{{1,200}}\.\w{{2,5}}(?: • {_BLANK}\d+ [^\n]{{1,15}})?$")
_PLACE = re.compile(rf"{_BLANK}[^\n:]{{1,30}}: https://maps\.google\.com/\?q=[-\d.,]+{_BLANK}$")
# a message without any of these holds no media, or is but a phrase
_MAYBE_MEDIA = re.compile(rf"[<({DIRECTION_MARKS}]|-WA\d|://maps\.|\.\w{{2,5}} ")
_AROUND = re.compile(rf"^[\s<{DIRECTION_MARKS}]+|[\s>{DIRECTION_MARKS}]+$")
_HEAD = 6  # letters that tell most texts from a notice
_LONGEST = 600
_OPEN_QUOTE = re.compile(r"“[^”]*$|„[^“”]*$|«[^»]*$|「[^」]*$|^[^\"]*\"(?:[^\"]*\"[^\"]*\")*[^\"]*$")


def is_gone(text: str) -> bool:
    """A message that was taken back or could be seen but once: nothing of it is left."""
    return _AROUND.sub("", text) in ("", "null") or _key(text) in _keys("deleted")


def is_notice(text: str) -> bool:
    """Of encryption, a call, a group: written by the app, though a name stands before it."""
    key = _key(text)
    if key in _keys("missed call") or (key[:_HEAD] in _heads("notice") and _pattern("{notice}").match(key)):
        return True
    if key[-1:].isalnum() and _pattern(r"{call}[,.]? ?{blank}\d[^\n]{0,30}$").match(key):
        return True
    marked = text[:1] in ("\u200e", "\u200f") and "\n" not in text
    return marked and bool(_pattern("{blank}(?:{missed call}|{call})|{event}").search(text))


@lru_cache(4096)
def is_event(name: str) -> bool:
    """Whether what stands before a colon is no name but half a sentence: Anna changed the subject to."""
    return bool(_pattern("{event}").search(name) or _OPEN_QUOTE.search(name))


def without_edited(text: str) -> str:
    if not text.rstrip().endswith(">"):
        return text
    return _pattern("[ \n]*{mark}*<{blank}{edited}{stop}{blank}>{blank}$").sub("", text)


def caption(text: str) -> str | None:
    """What was written under a picture, a recording or a file; None where there is none of these."""
    if not _MAYBE_MEDIA.search(text) and _key(text) not in _keys("kind omitted"):
        return None
    if _PLACE.match(text) or _key(text) in _keys("omitted") | _keys("kind omitted"):
        return ""
    angled = "<{blank}(?:{omitted}|{kind omitted}){stop}{blank}>"
    own = rf"{_OWN_NAME}(?: ?\([^()\n]{{2,40}}\))?"
    file = r"[^\n]{1,200}?{blank}\({file attached}\)"
    if first := _pattern(f"{{blank}}(?:{angled}|{_ATTACHED}|{file}|{own}){{blank}}(?:\n|$)").match(text):
        rest = text[first.end() :].strip()
        attached = first[0].rsplit("(", 1)[0].strip()
        return "" if rest and (attached.startswith(rest) or _DOCUMENT.match(rest)) else rest
    kind = "{mark}{blank}<?{kind omitted}{stop}>?"
    if last := _pattern(rf"(?:^|\s|{{mark}})(?:{_ATTACHED}|{angled}|{kind}){{blank}}$").search(text):
        rest = text[: last.start()].strip()
        return "" if _DOCUMENT.match(rest) else rest
    if _pattern(r"[^\n]{1,200}\.\w{2,5}\b[^\n]{0,25} {blank}{kind omitted}$").match(text):
        return ""
    return None


def _key(text: str) -> str:
    """As phrases are compared."""
    return _AROUND.sub("", text).rstrip(".。।!").casefold() if len(text) < _LONGEST else "long"


@cache
def _keys(section: str) -> frozenset[str]:
    return frozenset(map(_key, phrases("whatsapp_phrases.txt", between=" | ")[section]))


@cache
def _heads(section: str) -> frozenset[str]:
    return frozenset(key[:_HEAD] for key in _keys(section))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """`{section}` stands for any phrase of that section."""
    parts = {"mark": _MARK, "blank": _BLANK, "stop": _STOP} | _sections()
    names = re.compile("{(" + "|".join(parts) + ")}")
    return re.compile(names.sub(lambda name: parts[name[1]], template), re.IGNORECASE)


@cache
def _sections() -> dict[str, str]:
    return {
        section: "(?:" + "|".join(map(_phrase, sorted(found, key=len, reverse=True))) + ")"
        for section, found in phrases("whatsapp_phrases.txt", between=" | ").items()
    }


def _phrase(phrase: str) -> str:
    """From the beginning of a word, in scripts that leave spaces between them."""
    spaced = ord(phrase[0]) < 0x590 and phrase[0].isalpha()
    return r"\b" * spaced + re.escape(phrase)
