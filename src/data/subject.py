"""Whose recordings these are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from understudy.errors import UserError


@dataclass(frozen=True)
class Subject:
    """A person who agreed to be learnt from; `sources` are URLs, files, folders and glob patterns.

    `reference` is a recording of a few seconds of their voice alone, by which they are found among others.
    """

    name: str
    sources: Sequence[str] | str = field(default_factory=list)
    reference: str | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in str(self.name):
            raise UserError(f"subject.name={self.name!r}: give a plain name, subject.name=NAME")

    def recordings(self) -> list[str]:
        """Where the recordings are."""
        if not self.sources:
            raise UserError(
                "subject.sources is empty: say where the recordings are, "
                '\'subject.sources=[FOLDER, FILE, "GLOB*.mp4", "URL"]\''
            )
        if self.reference and not Path(self.reference).expanduser().is_file():
            raise UserError(f"subject.reference={self.reference}: there is no such file; give a recording")
        return [self.sources] if isinstance(self.sources, str) else list(self.sources)


@dataclass(frozen=True)
class DemoSubject(Subject):
    """Nobody real: a drawn puppet with a synthetic voice, rendered into `folder` on first use."""

    folder: str = ""
    seed: int = 0

    def recordings(self) -> list[str]:
        from understudy.data.demo import render_demo

        return [str(path) for path in render_demo(self.folder, seed=self.seed)]
