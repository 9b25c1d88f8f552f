"""A year of chats of Pip, the demo's puppet, with friends: all of it drawn by chance, nobody is real.

Pip's answers follow a style (small letters, no full stops, "honestly", "proper", a few emoji, several short
messages in a row) and facts that stay, with slots filled anew each time: what is learnt from the early months
helps in the later ones, and verbatim memory does not.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from understudy.data.chats.message import Message
from understudy.data.demo import persona_script as script
from understudy.data.demo.chat_exports import whatsapp_lines
from understudy.data.manifest import write_atomically

PERSONA = "Pip"
GROUP = "Allotment crew"
BEGINS = datetime(2023, 1, 2)
STAMP = "%d/%m/%Y, %H:%M - "
EMOJI = {"hen": " 🐔", "egg": " 🥚", "plum": " 💜", "haha": " 😄", "walk": " 🚲", "!!": " 🎉"}
"""What Pip puts behind a message that holds the word."""


def _proper(text: str, rng: random.Random) -> str:
    """Anna writes as in a letter."""
    return text


def _short(text: str, rng: random.Random) -> str:
    """Ben saves letters."""
    text = text.lower().rstrip(".").replace("you", "u").replace("are ", "r ").replace("please", "pls")
    return text + rng.choice(("", "", " lol", " mate"))


def _loud(text: str, rng: random.Random) -> str:
    """Cleo is excited."""
    return text.rstrip(".!?") + ("?!" if text.endswith("?") else rng.choice(("!", "!!", "!!! 💃")))


FRIENDS: dict[str, Callable[[str, random.Random], str]] = {"Anna": _proper, "Ben": _short, "Cleo": _loud}


def write_persona(out: Path, *, seed: int = 0, months: int = 12, sessions_per_month: int = 24) -> list[Path]:
    """Write WhatsApp exports of Pip's chats into `out`; gives their paths.

    About nine messages a session, so some 2,600 with the defaults. Files that hold the same already stay.
    """
    rng = random.Random(seed)
    chats: dict[str, list[Message]] = {name: [] for name in (*FRIENDS, GROUP)}
    for month in range(months):
        starts = sorted(rng.sample(range(56), sessions_per_month))  # mornings and evenings of 28 days
        for start in starts:
            day, evening = divmod(start, 2)
            minute = rng.randrange(150) + (17 * 60 if evening else 7 * 60)
            at = BEGINS + timedelta(days=int(30.4 * month) + day, minutes=minute)
            chat = rng.choices(list(chats), (3, 3, 2, 2))[0]
            friends = list(FRIENDS) if chat == GROUP else [chat]
            chats[chat] += _Session(rng, chat, friends, at).messages()
    paths = []
    for chat, messages in chats.items():
        path = out / f"WhatsApp Chat with {chat}.txt"
        text = "".join(_lines(chat, messages))
        if not path.exists() or path.read_text("utf-8") != text:
            write_atomically(path, text)
        paths.append(path)
    return paths


@dataclass
class _Session:
    """One sitting: a greeting, a few exchanges, a farewell."""

    rng: random.Random
    chat: str
    friends: list[str]
    now: datetime

    def messages(self) -> Iterator[Message]:
        rng = self.rng
        friend = rng.choice(self.friends)
        if rng.random() < 0.6 and (greeting := rng.choice(script.GREETINGS)):
            yield self._friend(friend, greeting)
            if rng.random() < 0.6:
                yield from self._pip(rng.choice(script.REPLIES))
        month = self.now.month
        fitting = [exchange for exchange in script.EXCHANGES if month in exchange.months]
        weights = [exchange.weight for exchange in fitting]
        for exchange in dict.fromkeys(rng.choices(fitting, weights, k=rng.randint(1, 5))):
            friend = rng.choice(self.friends)
            slots = {name: rng.choice(words) for name, words in script.SLOTS.items()}
            yield self._friend(friend, rng.choice(exchange.asks).format(**slots))
            answer = rng.choice(exchange.answers)
            if rng.random() < 0.5:
                answer += f"|{rng.choice(script.AFTERTHOUGHTS)}"
            if rng.random() < 0.1:
                answer = f"hmm.. {answer}"
            yield from self._pip(answer.format(**slots))
            if rng.random() < 0.5:
                yield self._friend(rng.choice(self.friends), rng.choice(exchange.reactions).format(**slots))
        if rng.random() < 0.08:
            yield from self._personal(friend)
        if rng.random() < 0.06:
            yield self._message(rng.choice([PERSONA, friend]), "", media=True)
        if rng.random() < 0.15:
            yield self._friend(friend, f"Must go, {rng.choice(script.ASIDES)}.")
        if rng.random() < 0.5:
            yield self._friend(friend, rng.choice(script.FAREWELLS))
            yield from self._pip(rng.choice(script.LAST_WORDS))

    def _personal(self, friend: str) -> Iterator[Message]:
        ask, answer = self.rng.choice(script.PERSONAL)
        slots = {
            "friend": self.rng.choice([name for name in FRIENDS if name != friend]),
            "number": f"{self.rng.randrange(1000):03}",
            "hour": self.rng.choice(script.SLOTS["hour"]),
        }
        yield self._message(friend, ask.format(**slots))
        yield from self._pip(answer.format(**slots | {"friend": slots["friend"].lower()}))

    def _friend(self, name: str, text: str) -> Message:
        text = text[0].upper() + text[1:]
        return self._message(name, FRIENDS[name](text, self.rng))

    def _pip(self, answer: str) -> Iterator[Message]:
        for text in answer.split("|"):
            emoji = next((mark for word, mark in EMOJI.items() if word in text), "")
            yield self._message(PERSONA, text + (emoji if self.rng.random() < 0.6 else ""))

    def _message(self, sender: str, text: str, *, media: bool = False) -> Message:
        self.now += timedelta(seconds=self.rng.randint(8, 150))
        return Message(self.chat, sender, self.now, text, "media" if media else "text", "", 0)


def _lines(chat: str, messages: list[Message]) -> Iterator[str]:
    """An export as Android writes it in English."""
    begins = messages[0].sent.strftime(STAMP) if messages else ""
    if messages:
        yield (
            f"{begins}Messages and calls are end-to-end encrypted. No one outside of this chat, not even "
            "WhatsApp, can read or listen to them. Tap to learn more.\n"
        )
    if messages and chat == GROUP:
        yield f'{begins}Anna created group "{GROUP}"\n'
    yield from whatsapp_lines(messages, stamp=STAMP)
