"""Whose messages are the subject's, however an export writes the name."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from understudy.errors import UserError, one_line


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A name as it is compared: small letters, one kind of space, no invisible marks.

    WhatsApp puts "~" before the name of somebody who is in no address book.
    """
    text = unicodedata.normalize("NFKC", name)
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(visible.casefold().split()).removeprefix("~").strip()


class SubjectNames:
    """The names under which the subject writes: `sender in names`."""

    def __init__(self, names: Sequence[str]) -> None:
        self.given = list(names)
        self._plain = {plain_name(name) for name in self.given}

    def __contains__(self, sender: object) -> bool:
        return isinstance(sender, str) and plain_name(sender) in self._plain

    def check(self, senders: Mapping[str, int]) -> None:
        """Raises `UserError` where, by messages of each sender, there is no dialogue of the subject."""
        by_count = sorted(senders.items(), key=lambda item: -item[1])
        found = ", ".join(f"{one_line(name)} ({n})" for name, n in by_count[:10])
        if len(by_count) > 10:
            found += f" and {len(by_count) - 10} more"
        given = one_line(", ".join(self.given))
        if not senders:
            raise UserError(
                "subject.chats: not one message is in them; give exports that hold some, "
                "or subject.chats=null to go without"
            )
        if not any(sender in self for sender in senders):
            raise UserError(
                f"subject.names=[{given}]: no message is theirs; the senders are {found}: "
                "name the subject as the chats do"
            )
        if all(sender in self for sender in senders):
            raise UserError(
                f"subject.names=[{given}]: all messages are theirs ({found}); an answer needs somebody who "
                "asks: give chats with other people, and no names of theirs"
            )
