"""The other people in a person's chats, where they are named."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from understudy.data.personal_data import Finding
from understudy.data.senders import plain_name

# parts of names that are no names
PARTICLES = {
    "al", "bin", "binti", "da", "das", "de", "del", "della", "der", "des", "di", "do", "dos", "du", "el",
    "ibn", "la", "le", "les", "und", "van", "vom", "von", "zu",
}  # fmt: skip
# first names that are words as well: only with a capital letter are they taken for names
WORDS = {
    "amber", "april", "art", "august", "autumn", "bill", "bob", "carol", "chance", "chase", "chip", "chuck",
    "clay", "cliff", "crystal", "daisy", "dawn", "dean", "dot", "drew", "faith", "flora", "frank", "gene",
    "ginger", "grace", "grant", "guy", "hazel", "holly", "hope", "hunter", "iris", "ivy", "jack", "jade",
    "jean", "jewel", "joy", "june", "lance", "lily", "lucky", "mark", "mason", "max", "may", "melody",
    "mercy", "mike", "miles", "nick", "olive", "pat", "patience", "pearl", "penny", "ray", "reed", "rich",
    "rob", "robin", "rocky", "rose", "ruby", "rusty", "sandy", "sky", "star", "storm", "sue", "summer",
    "sunny", "violet", "wade", "will", "wren",
}  # fmt: skip
# no spaces between words, or endings that stick to names
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class _Name:
    """Who is meant, and whether "anna" counts as well as "Anna"."""

    label: str
    in_any_case: bool


class ThirdParties:
    """Everybody who writes and is not the subject; each has one placeholder everywhere.

    Found are whole names and their first part in any case ("anna"), their other parts, and names that are
    words as well, with a capital letter. Not found: nicknames, names of people who do not write, and the
    forms that names take in inflected languages.
    """

    def __init__(self, senders: Mapping[str, int], subject: Container[str | None]) -> None:
        by_count = sorted((s for s in senders if s not in subject), key=lambda s: (-senders[s], s))
        people = list(dict.fromkeys(map(plain_name, by_count)))
        self._label = {person: f"[name {k}]" for k, person in enumerate(people, start=1)}
        own = {part for sender in senders if sender in subject for part in _parts(sender)}
        names: dict[str, _Name] = {}
        for person, label in self._label.items():  # a name that two people share goes to who writes more
            if any(c.isalpha() for c in person):
                names.setdefault(person, _Name(label, in_any_case=len(person) > 2 and person not in WORDS))
        for person, label in self._label.items():
            for place, part in enumerate(_parts(person)):
                first = place == 0 and len(part) > 2 and part not in WORDS
                if part not in own:
                    names.setdefault(part, _Name(label, in_any_case=first))
        names = {
            name: names[name] for name in sorted(names, key=len, reverse=True)
        }  # the longest is tried first
        spaced = {name: found for name, found in names.items() if not _UNSPACED.search(name)}
        unspaced = {name: found for name, found in names.items() if name not in spaced}
        self._searches = [
            (_any_of(spaced, r"(?<!\w)(?:{})(?=s?(?!\w))"), list(spaced.values())),  # "Annas" holds a name
            (_any_of(unspaced, "{}"), list(unspaced.values())),
        ]

    def label(self, sender: str) -> str:
        """The placeholder of somebody who writes."""
        return self._label[plain_name(sender)]

    def find(self, text: str) -> Iterator[Finding]:
        for pattern, names in self._searches:
            for match in pattern.finditer(text) if names else ():
                assert match.lastindex
                name = names[match.lastindex - 1]
                if name.in_any_case or not match[0][0].islower():
                    yield Finding("names", *match.span(), name.label)


def _parts(sender: str) -> list[str]:
    """The names in a sender's name, in small letters: no particles, initials, emoji or numbers."""
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", plain_name(sender))
    return [word for word in words if word not in PARTICLES and (len(word) > 1 or _UNSPACED.search(word))]


def _any_of(names: dict[str, _Name], frame: str) -> re.Pattern[str]:
    """One group for each name, in their order."""
    literals = [re.escape(name).replace(r"\ ", r"\s") for name in names]
    return re.compile(frame.format("|".join(f"({literal})" for literal in literals)), re.IGNORECASE)
