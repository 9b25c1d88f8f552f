"""`held_out.jsonl`: what a model that had not seen a clip thinks of the clip's text; a line a clip.

It judges one text and one stretch of sound. A clip that has become another since has not been judged.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from understudy.data.manifest import Clip, json_lines, read_json_lines, write_atomically
from understudy.data.media import Seconds
from understudy.errors import UserError

HELD_OUT = "held_out.jsonl"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Of one clip, by one model."""

    clip: str
    start: Seconds
    end: Seconds
    text: str  # that was judged
    heard: str  # by the model
    error: float  # character error rate of `heard` against `text`
    loss: float  # mean negative log likelihood of a token of `text`
    model: str = ""

    def holds(self, clip: Clip) -> bool:
        """Whether `clip` is still what was judged."""
        return (clip.start, clip.end, clip.fields.get("text")) == (self.start, self.end, self.text)

    def over(self, clip: Clip) -> Clip:
        """`clip` with what the model thinks of it."""
        return clip.add(held_out_error=self.error, held_out_loss=self.loss, held_out_heard=self.heard)


def read_held_out(path: Path) -> dict[str, Judgement]:
    """By clip; nothing where there is no file. Raises `UserError` that names file and line."""
    found = {}
    names = {field.name for field in fields(Judgement)}
    for number, row in enumerate(read_json_lines(path) if path.exists() else (), start=1):
        try:
            judgement = Judgement(**{name: value for name, value in row.items() if name in names})
        except TypeError:
            raise UserError(
                f"{path}: line {number} lacks something; `understudy crossfit` writes it anew"
            ) from None
        found[judgement.clip] = judgement
    return found


def write_held_out(path: Path, judgements: Iterable[Judgement]) -> None:
    write_atomically(path, json_lines(map(asdict, judgements)))
