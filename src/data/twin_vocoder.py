"""Vocoders from files: the twin's own, and published weights under whichever names."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import safetensors
from safetensors.torch import load_file
from torch import Tensor

from understudy.errors import UserError
from understudy.models.vocoder import Vocoder

WEIGHTS = "generator.safetensors"


def load_vocoder(folder: Path) -> Vocoder:
    """The vocoder in `TWIN/vocoder/`, ready to speak. Raises `UserError` where there is none."""
    config = folder / "config.json"
    try:
        vocoder = Vocoder(**json.loads(config.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(
            f"{folder}: there is no vocoder of the subject's own yet; train one (understudy train "
            "model=vocoder) and export it (understudy export ckpt=CHECKPOINT)"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{config}: is not as it was written ({error}); export the vocoder again") from None
    weights = read_weights(folder / WEIGHTS)
    vocoder.fold_weight_norm()
    try:
        vocoder.load_state_dict(weights)
    except RuntimeError:
        raise UserError(f"{folder}: {WEIGHTS} does not fit config.json; export the vocoder again") from None
    return vocoder


def read_weights(pretrained: str | Path) -> dict[str, Tensor]:
    """From a .safetensors file, or from a folder that holds one. Raises `UserError` where there is none."""
    path = Path(pretrained).expanduser()
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise UserError(f"{path}: one .safetensors file is wanted, there is {names}; give the file")
        (path,) = found
    try:
        return load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: not weights that can be read ({error}); give a .safetensors file") from None


def load_generator_weights(vocoder: Vocoder, weights: Mapping[str, Tensor], source: str) -> int:
    """Puts weights into a vocoder; gives the number of its tensors that were found.

    They may be named as in the original HiFi-GAN or as in SpeechBrain, with weight norm or without. A vocoder
    that ends in an inverse Fourier transform takes the stages that it has in common with a whole HiFi-GAN.
    Raises `UserError` that names what does not fit.
    """
    given = dict(_renamed(weights))
    wanted = vocoder.state_dict()
    post = {name for name in wanted if name.startswith("conv_post.")}
    if vocoder.istft and any(name in given and given[name].shape != wanted[name].shape for name in post):
        given = {name: tensor for name, tensor in given.items() if name in wanted and name not in post}
        missing = wanted.keys() - given.keys() - post
    else:
        missing = wanted.keys() ^ given.keys()
    different = [
        f"{name} is {tuple(given[name].shape)} there and {tuple(wanted[name].shape)} here"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    different += [
        f"{name} is only {'here' if name in wanted else 'there'}"
        for name in (*wanted, *given)
        if name in missing
    ]
    if different:
        more = f", and {len(different) - 3} more" if len(different) > 3 else ""
        raise UserError(
            f"{source}: does not fit model.generator: {', '.join(different[:3])}{more}; give the settings "
            "that it was trained with, or model.pretrained=null"
        )
    vocoder.load_state_dict(given, strict=False)
    return len(given)


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As SpeechBrain names them under weight norm, which splits weights into length and direction."""
    found = {}
    for name, tensor in weights.items():
        layer, kind = re.sub(r"\.conv(?=\.)", "", name).rsplit(".", 1)
        layer = layer.removesuffix(".parametrizations.weight")
        length, direction = (f"{layer}.conv.parametrizations.weight.original{k}" for k in (0, 1))
        if kind == "bias":
            found[f"{layer}.conv.bias"] = tensor
        elif kind in ("weight_g", "original0"):
            found[length] = tensor
        elif kind in ("weight_v", "original1"):
            found[direction] = tensor
        else:
            found[length] = tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.ndim - 1))
            found[direction] = tensor
    return found
