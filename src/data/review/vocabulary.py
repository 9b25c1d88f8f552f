"""Which words of a text are in no word list, and which of those the lexicon should be offered."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from understudy.data.lexicon import LEXICON, Entry, add_to_lexicon, read_lexicon
from understudy.errors import UserError

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


class Vocabulary:
    """The known words: a list of the language's, and the subject's lexicon.

    `word_list` is a file with a word at the beginning of each line (a pronouncing dictionary will
    do). Without one, the English list that comes with pocketsphinx is used where that is installed;
    where there is none at all, no word is called unknown.
    """

    def __init__(self, workspace: Path, word_list: str | None = None) -> None:
        self.lexicon = workspace / LEXICON
        self.declined_file = workspace / "review" / "declined_words.txt"
        path = Path(word_list) if word_list else _english()
        self.words = read_words(path) if path else frozenset()
        self.own: set[str] = set()
        self.declined: set[str] = set()
        self._stamps: list[tuple[int, int]] = []
        self.look()

    def look(self) -> bool:
        """Take in what has changed in the lexicon; says whether anything has."""
        files = [path.stat() for path in (self.lexicon, self.declined_file) if path.exists()]
        stamps = [(state.st_size, state.st_mtime_ns) for state in files]
        if stamps == self._stamps:
            return False
        self.own = {entry.word.casefold() for entry in read_lexicon(self.lexicon)}
        declined = self.declined_file.read_text("utf-8") if self.declined_file.exists() else ""
        self.declined = {word.casefold() for word in declined.split("\n") if word}
        self._stamps = stamps
        return True

    def unknown(self, text: str, confirmed: Mapping[str, int] | None = None) -> list[str]:
        """Words of `text` in no list, as they are written; `confirmed` counts words seen elsewhere."""
        if not self.words:
            return []
        written = {word.casefold(): word for word in words_of(text)}
        return [word for key, word in written.items() if not (self._knows(key) or (confirmed or {}).get(key))]

    def offers(self, texts: Iterable[str]) -> list[tuple[str, int]]:
        """Words in no list, in texts that a person has seen, with how often they are said; most first."""
        if not self.words:
            return []
        counts: Counter[str] = Counter()
        written: dict[str, str] = {}
        for text in texts:
            for word in words_of(text):
                counts[word.casefold()] += 1
                written.setdefault(word.casefold(), word)
        return [
            (written[key], count)
            for key, count in counts.most_common()
            if key not in self.declined and not self._knows(key)
        ]

    def accept(self, word: str, spoken: str) -> None:
        """Put a word into the lexicon."""
        add_to_lexicon(self.lexicon, [Entry(word, spoken, source="review")])

    def decline(self, word: str) -> None:
        """Offer a word no more."""
        word = Entry(word).word
        self.declined_file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.declined_file}.lock"), self.declined_file.open("a", encoding="utf-8") as file:
            file.write(word + "\n")

    def _knows(self, word: str) -> bool:
        word = word.replace("’", "'")
        forms = (word, word.removesuffix("'s"), word.removesuffix("'"))
        if any(form in self.words or form in self.own for form in forms):
            return True
        return "-" in word and all(self._knows(part) for part in word.split("-"))


@lru_cache(maxsize=100_000)
def words_of(text: str) -> tuple[str, ...]:
    """What is written in letters; numbers and signs are no words for a lexicon."""
    return tuple(WORD.findall(text))


def read_words(path: Path) -> frozenset[str]:
    """The word at the beginning of each line; `word(2)` is another way to say the same."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"word_list={path}: cannot be read ({error}); give a text file with a word a line"
        ) from None
    first = (line.split(maxsplit=1)[0] for line in text.splitlines() if line.strip())
    return frozenset(word.split("(")[0].casefold() for word in first)


def _english() -> Path | None:
    package = find_spec("pocketsphinx")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "model" / "en-us" / "cmudict-en-us.dict"
    return path if path.exists() else None
