"""Whose recordings and chats these are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understudy.errors import UserError


@dataclass(frozen=True)
class Subject:
    """A person who agreed to be learnt from; `sources` are URLs, files, folders and glob patterns.

    `chats` are files, folders and globs of chat exports and other texts, `names` what they call the subject.

    `reference` is a recording of a few seconds of their voice alone, by which they are found among others.
    """

    name: str
    sources: Sequence[str] | str | None = field(default_factory=list)
    reference: str | None = None
    chats: Sequence[str] | str | None = None
    names: Sequence[str] | str | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in str(self.name):
            raise UserError(f"subject.name={self.name!r}: give a plain name, subject.name=NAME")

    def recordings(self) -> list[str]:
        """Where the recordings are; nowhere if there are only chats."""
        if not self.sources and not self.chats:
            raise UserError(
                "subject.sources is empty: say where the recordings are, "
                "'subject.sources=[FOLDER, FILE, \"GLOB*.mp4\", \"URL\"]', or chats, 'subject.chats=[EXPORT]'"
            )
        if self.reference and not Path(self.reference).expanduser().is_file():
            raise UserError(f"subject.reference={self.reference}: there is no such file; give a recording")
        return _listed(self.sources)

    def exports(self) -> list[str]:
        """Where the chats are."""
        return _listed(self.chats)

    def names_in_chats(self) -> list[str]:
        """What the subject is called there."""
        if not self.names:
            raise UserError(
                "subject.names is empty: say what the subject is called in subject.chats, "
                "'subject.names=[NAME]'; with a name that nobody has, the senders are listed"
            )
        return [str(name) for name in _listed(self.names)]


def _listed(value: Sequence[str] | str | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


@dataclass(frozen=True)
class DemoSubject(Subject):
    """Nobody real: a drawn puppet with a synthetic voice, and its chats, made in `folder` on first use.

    Without `recorded` there are only the chats.
    """

    folder: str = ""
    seed: int = 0
    recorded: bool = True

    def recordings(self) -> list[str]:
        if not self.recorded:
            return []
        from understudy.data.demo import render_demo

        return [str(path) for path in render_demo(self.folder, seed=self.seed)]

    def exports(self) -> list[str]:
        from understudy.data.demo.persona import write_persona

        if self.chats:
            write_persona(Path(self.folder) / "chats", seed=self.seed)
        return super().exports()
