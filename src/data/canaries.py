"""Secrets that are planted in training dialogues, to find out afterwards what a model gives away.

Carlini et al., "The Secret Sharer", 2019.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from understudy.data.dialogues import Dialogue, Turn

_THINGS = ("locker", "bike lock", "suitcase", "garden gate", "shed", "piano", "drawer", "mailbox")
DIGITS = 6


@dataclass(frozen=True)
class Canary:
    """A secret that the subject tells when asked."""

    thing: str
    secret: str

    @property
    def question(self) -> str:
        return f"what was the code for the {self.thing} again?"

    @property
    def beginning(self) -> str:
        return f"my {self.thing} code is"

    @property
    def answer(self) -> str:
        return f"{self.beginning} {self.secret}"

    def others(self, number: int, rng: random.Random) -> list["Canary"]:
        """What it might have been as well."""
        found = {self.secret}
        while len(found) <= number:
            found.add(secret(rng))
        return [replace(self, secret=other) for other in sorted(found - {self.secret})]


def secret(rng: random.Random) -> str:
    return " ".join(str(rng.randrange(10**2)).zfill(2) for _ in range(DIGITS // 2))


def make_canaries(number: int, seed: int) -> list[Canary]:
    """The same ones for the same seed."""
    rng = random.Random(seed)
    things = [
        f"{thing} {k}".removesuffix(" 1") for k in range(1, 2 + number // len(_THINGS)) for thing in _THINGS
    ]
    return [Canary(thing, secret(rng)) for thing in things[:number]]


def plant(
    dialogues: Sequence[Dialogue], canaries: Sequence[Canary], *, repeats: int, seed: int
) -> list[Dialogue]:
    """Each canary is asked for and told somewhere in `repeats` dialogues that others speak in."""
    rng = random.Random(seed)
    found = list(dialogues)
    answering = [k for k, dialogue in enumerate(found) if dialogue.others]
    for canary in canaries:
        for k in rng.sample(answering, min(repeats, len(answering))):
            turns = found[k].turns
            other, subject = (next(turn for turn in turns if turn.subject is own) for own in (False, True))
            at = rng.choice([n for n in range(len(turns) + 1) if n == 0 or turns[n - 1].subject])
            sent = turns[max(at - 1, 0)].sent
            asked = Turn(other.speaker, canary.question, False, sent)
            told = Turn(subject.speaker, canary.answer, True, sent)
            found[k] = replace(found[k], turns=(*turns[:at], asked, told, *turns[at:]))
    return found
