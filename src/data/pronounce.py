"""Text as the sounds that a voice is to make: its phones in English, its letters in other languages."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from understudy.data.arpabet import from_arpabet, possessive
from understudy.data.clauses import ends_sentence
from understudy.data.lexicon import read_lexicon
from understudy.errors import UserError

# hibari's dictionary and the network for other words load in half a second: only who speaks English pays

PADDING, SILENCE = "", "_"
PAUSES = tuple(",.;:!?—…")
# American and British together, in hibari's symbols, so that a voice can be fine-tuned from one to the other
_CONSONANTS = tuple("bdfhjklmnpstvwzðŋɡɹʃʒʤʧθT")
_VOWELS = (*"AIOQWYaiuæɑɒɔəɛɜɪʊʌ", *("iː", "uː", "ɑː", "ɔː", "ɛː", "ɜː", "əː"))
_REDUCED = tuple("ɐᵊᵻ")  # never stressed
_PHONES = (*_CONSONANTS, *_REDUCED, *(stress + vowel for vowel in _VOWELS for stress in ("", "ˈ", "ˌ")))
_NEAREST = {"ɾ": "T", "ʔ": "t", "ʀ": "ɹ", "y": "u"}
_SYMBOL = re.compile(rf"[ˈˌ]|[{''.join(v[0] for v in _VOWELS if len(v) > 1)}]ː|\S")

_LONGEST_NUMBER = 15  # digits; a longer one is said digit by digit
_REACH = 4  # words: how far apart two may stand that are read together, as in "the 3rd of May"


@dataclass(frozen=True)
class Spoken:
    """A text as symbols of an alphabet, with silence at both ends."""

    tokens: tuple[str, ...]
    ids: np.ndarray = field(compare=False)  # (tokens,) int64, places in the alphabet
    words: tuple[str, ...]  # as they stand in the text between its spaces
    word_of: tuple[int, ...]  # (tokens,) number of the word; -1 for silence and pauses
    unknown: tuple[str, ...]  # words that were guessed, or left out in whole or part


class UnsayableError(UserError):
    """A text that cannot be said; `reason` tells why without numbers, so that texts can be counted by it."""

    def __init__(self, text: str, reason: str, instead: str) -> None:
        super().__init__(f"{text!r}: {reason}; {instead}")
        self.reason = reason

    @classmethod
    def nothing_in(cls, text: str) -> "UnsayableError":
        return cls(text, "there is nothing in it to say", "give words in letters that the voice knows")


class FrontEnd(Protocol):
    """Says what sounds or letters a text is made of."""

    language: str
    alphabet: tuple[str, ...]

    def tokens(self, text: str) -> Spoken:
        """Raises UnsayableError where nothing in the text can be said."""


class Pronouncer:
    """How the text of a language is said.

    English ("en"; "en-gb" for British) is said in phones by hibari's dictionary, its tagger for words like
    "read" and its network for unknown words; numbers, dates and abbreviations are spelt out. Other languages
    are said in `characters`, small letters; a text for them should have its numbers spelt out.
    `lexicon` is a `lexicon.tsv`: of its single words `phones` (ARPAbet, English alone) count before `spoken`.
    """

    def __init__(
        self, *, language: str = "en", lexicon: str | None = None, characters: str | None = None
    ) -> None:
        self.language = language.lower().replace("_", "-")
        phones = characters is None and self.language.split("-")[0] == "en"
        self.characters = None if phones else characters or european_letters()
        # a character given twice, or one that is a pause anyway, is one symbol
        self.alphabet = tuple(dict.fromkeys((PADDING, SILENCE, *PAUSES, *(self.characters or _PHONES))))
        self._ids = {symbol: number for number, symbol in enumerate(self.alphabet)}
        self._british = self.language == "en-gb"
        # what hibari's British dictionary has for "z" is American
        self._lexicon = {"z": ("zed", "")} if self._british else {}
        self._lexicon |= self._read(Path(lexicon)) if lexicon else {}

    def settings(self) -> dict[str, str | None]:
        """What makes the same alphabet again, as `Pronouncer(**settings)`; the lexicon is the workspace's."""
        return {"language": self.language, "characters": self.characters}

    def tokens(self, text: str) -> Spoken:
        """Raises UnsayableError where nothing in the text can be said."""
        words = tuple(text.split())
        said, unknown = (
            self._phones(words) if self.characters is None else self._letters(words, self.characters)
        )
        if not any(said):
            raise UnsayableError.nothing_in(text)
        tokens, word_of = [SILENCE], [-1]
        for number, (word, following) in enumerate(zip(words, [*words[1:], ""], strict=True)):
            before, after = _pauses(word, following)
            for symbol in (*before, *said[number], *after):
                if symbol not in PAUSES or symbol != tokens[-1]:
                    tokens.append(symbol)
                    word_of.append(-1 if symbol in PAUSES else number)
        tokens, word_of = [*tokens, SILENCE], [*word_of, -1]
        ids = np.array([self._ids[token] for token in tokens], dtype=np.int64)
        return Spoken(tuple(tokens), ids, words, tuple(word_of), tuple(words[number] for number in unknown))

    def _read(self, path: Path) -> dict[str, tuple[str, str]]:
        """Of each word of the lexicon its spoken form and its phones; the first way to say it counts."""
        found: dict[str, tuple[str, str]] = {}
        for entry in read_lexicon(path):
            try:
                phones = from_arpabet(entry.phones, british=self._british) if not self.characters else ""
            except ValueError as error:
                raise UserError(
                    f"{path}: {entry.word!r} has the phone {str(error)!r}, which ARPAbet lacks; "
                    "write phones as in 'G R IH1 D'"
                ) from None
            if entry.spoken or phones:
                found.setdefault(_name(entry.word), (entry.spoken, phones))
        return found

    def _look_up(self, word: str) -> tuple[str, str]:
        """The word as it is to be read, and its phones if the lexicon has them."""
        name = _name(word)
        owner = name.removesuffix("'s")
        spoken, phones = self._lexicon.get(name) or self._lexicon.get(owner) or ("", "")
        if name not in self._lexicon and owner != name:
            spoken = spoken and spoken + "'s"
            phones = phones and possessive(phones, british=self._british)
        return word.replace(_core(word) or word, spoken) if spoken else word, phones

    def _letters(self, words: Sequence[str], characters: str) -> tuple[list[list[str]], list[int]]:
        said: list[list[str]] = []
        unknown = []
        for number, word in enumerate(words):
            found, complete = [], True
            for letter in unicodedata.normalize("NFC", self._look_up(word)[0].lower()):
                plain = letter if letter in characters else unicodedata.normalize("NFKD", letter)
                known = [part for part in plain if part in characters or part in "—…"]
                found += known
                complete = complete and (bool(known) or unicodedata.category(letter)[0] in "PMCZ")
            said.append(_without_outer_pauses(found))
            unknown += [] if complete else [number]
        return said, unknown

    def _phones(self, words: Sequence[str]) -> tuple[list[list[str]], list[int]]:
        looked_up = [self._look_up(word) for word in words]
        following = [*words[1:], ""]
        texts = [_readable(word, following[number]) for number, (word, _) in enumerate(looked_up)]
        said: list[list[str]] = [[] for _ in words]
        g2p = _g2p(self._british)
        unknown = {number for number, text in enumerate(texts) if _unread(text, g2p)}
        normal, owners = _normalized(texts)
        tokens = g2p.phonemize_tokens(g2p.tokenize(" ".join(normal)))
        place = 0
        for token in tokens:
            symbols, complete = _symbols(token.phonemes or "")
            said[owners[place]] += symbols
            guessed = token.rating == 2 and any(letter.isalpha() for letter in token.text)
            if guessed or not complete:
                unknown.add(owners[place])
            place += bool(token.whitespace)
        for number, (_, phones) in enumerate(looked_up):
            said[number] = _symbols(phones)[0] if phones else _without_outer_pauses(said[number])
            if phones:
                unknown.discard(number)
            elif not said[number] and any(unicodedata.category(c)[0] in "LNS" for c in words[number]):
                unknown.add(number)
        return said, sorted(unknown)


@cache
def european_letters() -> str:
    """The small letters of the languages that are written in Latin, Greek or Cyrillic script in Europe."""
    ranges = ((0x61, 0x7B), (0xDF, 0x180), (0x218, 0x21C), (0x3AC, 0x3CF), (0x430, 0x460), (0x490, 0x492))
    letters = (chr(code) for first, last in ranges for code in range(first, last))
    return "".join(
        c for c in letters if unicodedata.category(c) == "Ll" and unicodedata.normalize("NFKC", c) == c
    )


@cache
def _g2p(british: bool) -> Any:
    from hibari.g2p import G2P

    return G2P(british=british)


def _core(word: str) -> str:
    """From the first letter or digit to the last."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", word)


def _name(word: str) -> str:
    """The word as the lexicon's words are compared."""
    return (_core(word) or word).casefold().replace("’", "'")


def _pauses(word: str, following: str) -> tuple[list[str], list[str]]:
    """The pauses before and after the word, as its punctuation has them."""
    marks = re.sub(r"\.\.+", "…", re.sub("^-$|--+|[―–]", "—", word))
    core = _core(marks)
    if not core:
        return [], [mark for mark in marks if mark in PAUSES]
    before, _, after = marks.partition(core)
    if "." in after and not ends_sentence(word, following):
        after = after.replace(".", "")
    return [mark for mark in before if mark in "—…"], [mark for mark in after if mark in PAUSES]


def _without_outer_pauses(symbols: list[str]) -> list[str]:
    phones = [place for place, symbol in enumerate(symbols) if symbol not in PAUSES]
    return symbols[phones[0] : phones[-1] + 1] if phones else []


def _symbols(phonemes: str) -> tuple[list[str], bool]:
    """Hibari's string in symbols of the alphabet, and whether that is all of it."""
    found, stress, complete = [], "", True
    # where the network takes a word for foreign it writes "(fr)"; quotes and brackets have no sound
    for symbol in _SYMBOL.findall(re.sub(r"\(\w*\)|[\"“”()]", "", phonemes)):
        symbol = _NEAREST.get(symbol, symbol)
        if symbol in "ˈˌ":
            stress = symbol
        elif symbol in _VOWELS:
            found.append(stress + symbol)
            stress = ""
        elif symbol in _PHONES or symbol in PAUSES:
            found.append(symbol)
        elif symbol != "ː":  # which other vowels have from the network now and then
            complete = False
    return found, complete


def _readable(word: str, following: str) -> str:
    """The word without what hibari stumbles over."""
    word = "".join(
        c for c in unicodedata.normalize("NFC", word) if unicodedata.category(c) not in ("Cf", "Cc")
    )
    # "well”" would be no word of its dictionary, and [word](/phones/) an order
    word = re.sub(r"[\"“”„«»()\[\]{}]", " ", word)
    if not following[:1].isdigit():
        # it reads every "no." as "number"; its other abbreviations are seldom words
        word = re.sub(r"(?i)(?<![\w.])(nos?|figs?|ch|ed|est)\.+(?!\w)", r"\1!", word)
    return re.sub(rf"\d(?:,?\d){{{_LONGEST_NUMBER},}}", lambda m: " ".join(m[0].replace(",", "")), word)


def _unread(text: str, g2p: Any) -> bool:
    """Whether a letter or sign of the word is none that hibari reads."""
    from hibari.g2p import CURRENCIES, SYMBOL_PHONEMES
    from hibari.g2p.normalize import CURRENCY_WORDS, SYMBOLS

    odd = {c for c in text if not c.isascii() and unicodedata.category(c)[0] in "LNS" and not c.isdigit()}
    return bool(odd) and not odd <= {
        *g2p.oov.cin,
        *CURRENCIES,
        *SYMBOL_PHONEMES,
        *CURRENCY_WORDS,
        *SYMBOLS,
    }


def _normalized(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """The words that hibari reads for `texts` together, and of each the number of the text it comes from."""
    from hibari.g2p import normalize

    alone = [normalize(text).split() for text in texts]
    whole = normalize(" ".join(texts)).split()
    if whole == [word for words in alone for word in words]:
        return whole, [number for number, words in enumerate(alone) for _ in words]
    # what is read together lies between places where both sides may as well be read apart
    cuts = [0, len(texts)]
    for place in range(1, len(texts)):
        left, right = " ".join(texts[max(0, place - _REACH) : place]), " ".join(texts[place : place + _REACH])
        if normalize(f"{left} {right}").split() == [*normalize(left).split(), *normalize(right).split()]:
            cuts.append(place)
    owners = []
    for first, last in pairwise(sorted(cuts)):
        together = normalize(" ".join(texts[first:last])).split()
        owners += [first + part for part in _share(together, alone[first:last])]
    if len(owners) != len(whole):  # readings that hang together over longer stretches than that
        owners = [number * len(texts) // len(whole) for number in range(len(whole))]
    return whole, owners


def _share(words: Sequence[str], alone: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """For each of `words` the number of the part it comes from, in order.

    `alone` has the parts as they are read by themselves: equal words belong together, and every part with a
    letter or digit gets a word where there are enough.
    """
    names = [{_core(word).casefold() for word in part} for part in alone]
    needs = [any(map(_core, part)) for part in alone]
    best: dict[int, tuple[int, tuple[int, ...]]] = {-1: (0, ())}
    for word in words:
        best = {
            number: max(
                (
                    score - 9 * sum(needs[last + 1 : number]) + (_core(word).casefold() in names[number]),
                    (*path, number),
                )
                for last, (score, path) in best.items()
                if last <= number
            )
            for number in range(len(alone))
        }
    return max((score - 9 * sum(needs[last + 1 :]), path) for last, (score, path) in best.items())[1]
