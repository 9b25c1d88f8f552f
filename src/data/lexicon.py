"""`lexicon.tsv`: words that a general dictionary lacks, and how this person says them.

A table with tabs and a heading; columns after the first may be empty or left out:

    word    spoken    phones    weight    source
    GRID    grid      G R IH D  1         review
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from understudy.data.manifest import write_atomically
from understudy.data.text import spoken
from understudy.errors import UserError

LEXICON = "lexicon.tsv"
COLUMNS = ("word", "spoken", "phones", "weight", "source")


@dataclass(frozen=True)
class Entry:
    """One way to say one word; a word that is said in several ways has several."""

    word: str
    spoken: str = ""  # how it is said, in ordinary spelling
    phones: str = ""  # separated by spaces
    weight: float = 1.0
    source: str = ""  # who put it there

    def __post_init__(self) -> None:
        texts = (self.word, self.spoken, self.phones, self.source)
        if not self.word.strip():
            raise UserError("a word is missing")
        if any(set(text) & set("\t\n\r") for text in texts):
            raise UserError(f"{self.word!r}: tabs and line ends cannot stand in a lexicon")
        if not (self.weight > 0 and math.isfinite(self.weight)):
            raise UserError(f"{self.word!r}: weight {self.weight} is no positive number")

    def to_line(self) -> str:
        return "\t".join((self.word, self.spoken, self.phones, f"{self.weight:g}", self.source)) + "\n"


def read_lexicon(path: Path) -> list[Entry]:
    """The entries in their order; none where there is no file. Errors name file and line."""
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from None
    entries = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.rstrip("\r").split("\t")]
        heading = number == 1 and tuple(cells) == COLUMNS[: len(cells)]
        if any(cells) and not heading:
            try:
                entries.append(_entry(cells))
            except UserError as error:
                raise UserError(f"{path}:{number}: {error}; mend or remove the line") from None
    return entries


def add_to_lexicon(path: Path, entries: Iterable[Entry]) -> list[Entry]:
    """Add what is not there yet; what stands there stays as it is. Returns what was added.

    The file is whole at every moment, and two who write at once lose nothing of each other's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        known = {(entry.word, entry.spoken, entry.phones) for entry in read_lexicon(path)}
        wanted = {(e.word, e.spoken, e.phones): e for e in entries}
        added = [entry for name, entry in wanted.items() if name not in known]
        if added:
            text = path.read_text(encoding="utf-8-sig") if path.exists() else "\t".join(COLUMNS) + "\n"
            text += "" if text.endswith("\n") or not text else "\n"
            write_atomically(path, text + "".join(entry.to_line() for entry in added))
    return added


def import_word_list(lexicon: Path, words: Path) -> list[Entry]:
    """Add a person's own list, a word a line or with more of the lexicon's columns; returns what is new."""
    if not words.is_file():
        raise UserError(f"{words}: there is no such file; give a text file with a word a line")
    entries = [replace(entry, source=entry.source or words.name) for entry in read_lexicon(words)]
    return add_to_lexicon(lexicon, entries)


def spoken_forms(entries: Iterable[Entry], language: str) -> dict[str, list[str]]:
    """Of each single word, as texts have it, the words that are said for it; the first way counts."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        written, said = spoken(entry.word, language), spoken(entry.spoken, language)
        if len(written) == 1 and said:
            found.setdefault(written[0], said)
    return found


def written_forms(entries: Iterable[Entry], language: str) -> dict[str, str]:
    """The other way round: of a word as it is said the one that is written, in small letters."""
    said = spoken_forms(entries, language).items()
    return {words[0]: word for word, words in said if len(words) == 1}


def _entry(cells: list[str]) -> Entry:
    if len(cells) > len(COLUMNS):
        raise UserError(f"{len(cells)} columns where {len(COLUMNS)} are known: {', '.join(COLUMNS)}")
    word, spoken, phones, weight, source = cells + [""] * (len(COLUMNS) - len(cells))
    try:
        number = float(weight or 1)
    except ValueError:
        raise UserError(f"weight {weight!r} is no number") from None
    return Entry(word, spoken, phones, number, source)
