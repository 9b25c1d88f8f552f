"""`training.json` beside an exported model: what it was made from."""

import json
from pathlib import Path
from typing import Any

from understudy.errors import UserError

TRAINING = "training.json"


def write_training(folder: Path, *, base: str, language: str | None, clips: dict[str, list[str]]) -> None:
    """`clips` are the names of those in each split."""
    notes = {"base": base, "language": language, "clips": clips}
    (folder / TRAINING).write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")


def learnt_from(model: Path) -> set[str]:
    """The clips that a model was trained on; none where its folder does not say."""
    return set(_read(model)["clips"]["train"]) if (model / TRAINING).exists() else set()


def learnt_in(model: Path) -> str | None:
    """The language that a recogniser was trained in, where its folder says so."""
    return str(_read(model)["language"]) if (model / TRAINING).exists() else None


def _read(model: Path) -> dict[str, Any]:
    path = model / TRAINING
    try:
        notes: dict[str, Any] = json.loads(path.read_text("utf-8"))
        assert isinstance(notes["clips"]["train"], list)
        assert isinstance(notes["language"], str | None)  # a vocoder has none
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise UserError(f"{path}: is not as it was written ({error!r}); export the model again") from None
    return notes
