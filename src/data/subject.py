"""Whose recordings these are."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from understudy.errors import UserError


@dataclass(frozen=True)
class Subject:
    """A person who agreed to be learnt from; `sources` are files, folders and glob patterns."""

    name: str
    sources: Sequence[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.name or "/" in str(self.name):
            raise UserError(f"subject.name={self.name!r}: give a plain name, subject.name=NAME")

    def recordings(self) -> list[str]:
        """Where the recordings are."""
        if not self.sources:
            raise UserError(
                "subject.sources is empty: say where the recordings are, "
                "'subject.sources=[FOLDER, FILE, \"GLOB*.mp4\"]'"
            )
        return list(self.sources)


@dataclass(frozen=True)
class DemoSubject(Subject):
    """Nobody real: a drawn puppet with a synthetic voice, rendered into `folder` on first use."""

    folder: str = ""
    seed: int = 0

    def recordings(self) -> list[str]:
        from understudy.data.demo import render_demo

        made = render_demo(self.folder, seed=self.seed)
        # the interview has a second person in it: it waits for speakers to be told apart
        return [str(path) for path in made if path.name.startswith("monologue_")]
