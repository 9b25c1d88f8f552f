"""The exported twin, loaded from plain files."""

import json
from pathlib import Path

from safetensors.torch import load_file

from understudy.errors import UserError
from understudy.models.sda import Generator


def load_generator(twin: str | Path) -> Generator:
    """The talking face of a twin folder, ready to generate."""
    folder = Path(twin) / "sda"
    files = [folder / "config.json", folder / "generator.safetensors"]
    for file in files:
        if not file.exists():
            raise UserError(
                f"twin={twin}: has no {file.relative_to(twin)}; "
                "`understudy export ckpt=...` makes one from a checkpoint"
            )
    generator = Generator(**json.loads(files[0].read_text("utf-8")))
    generator.load_state_dict(load_file(files[1]))
    return generator.eval()
