"""Vocoders from files: the twin's own, and published weights under whichever names."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from understudy.data.hub import fetched, local_folder, model_name, pick_device
from understudy.errors import UserError, one_line
from understudy.models.tts import LogMel
from understudy.models.tts.speecht5 import SpeechT5Vocoder
from understudy.models.vocoder import Vocoder
from understudy.models.vocoder.griffin_lim import GriffinLim

WEIGHTS = "generator.safetensors"
GRIFFIN_LIM = "griffin_lim"  # the name of what needs no training
TRAIN_ONE = "train one (understudy train model=vocoder) and export it (understudy export ckpt=CHECKPOINT)"


@dataclass(kw_only=True)
class TwinVocoder:
    """An exported `twin/vocoder`, or one that came with SpeechT5: settings that become a model in `setup`."""

    pretrained: str
    device: str = "auto"

    @cached_property
    def model_id(self) -> str:  # reads all of a folder: once
        check_vocoder(self.pretrained)
        return f"vocoder {model_name(self.pretrained)}"

    def __getstate__(self) -> dict[str, Any]:  # loaded models do not travel
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def setup(self) -> None:
        """Load the model. Raises `UserError` where there is none."""
        self._device = pick_device(self.device)
        self._vocoder = vocoder_of(self.pretrained).to(self._device)

    @property
    def sample_rate(self) -> int:
        return int(self._vocoder.sample_rate)  # type: ignore[arg-type]

    @torch.inference_mode()
    def __call__(self, mel: np.ndarray) -> np.ndarray:
        """(n_mels, frames) -> (frames * hop_length,)."""
        sound: np.ndarray = self._vocoder(torch.from_numpy(mel).to(self._device)[None])[0].cpu().numpy()
        return sound


def check_vocoder(pretrained: str) -> None:
    """Raises `UserError` for what is neither a folder with a vocoder nor a hub's name."""
    try:
        folder = local_folder(pretrained)
    except UserError:
        folder = Path(pretrained)
    if folder:
        read_config(folder)


def vocoder_of(pretrained: str) -> nn.Module:
    """The vocoder of a folder or a hub's name: one that was trained here, or one that came with SpeechT5."""
    check_vocoder(pretrained)
    folder = fetched(pretrained, instead=f"give the folder of a vocoder, or {TRAIN_ONE}")
    if read_config(folder).get("model_type") == "speecht5_hifigan":
        return load_speecht5_vocoder(folder)
    return load_vocoder(folder)


def vocoder_for(pretrained: str, log_mel: LogMel) -> nn.Module:
    """The same; "griffin_lim" makes sound of these mels without having learnt anything."""
    return GriffinLim(log_mel).eval() if pretrained == GRIFFIN_LIM else vocoder_of(pretrained)


def load_speecht5_vocoder(folder: Path) -> SpeechT5Vocoder:
    from transformers import SpeechT5HifiGan

    vocoder_class: Any = SpeechT5HifiGan
    network, report = vocoder_class.from_pretrained(folder, output_loading_info=True)
    if wrong := sorted(report["missing_keys"]):
        raise UserError(f"{folder}: its weights do not fit its config.json: {', '.join(wrong[:3])}")
    return SpeechT5Vocoder(network).eval()


def read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}: there is no vocoder yet; {TRAIN_ONE}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)}); export the vocoder again") from None
    return config


def load_vocoder(folder: Path) -> Vocoder:
    """The vocoder in `TWIN/vocoder/`, ready to speak. Raises `UserError` where there is none."""
    config = folder / "config.json"
    try:
        vocoder = Vocoder(**read_config(folder))
    except (ValueError, TypeError) as error:
        raise UserError(f"{config}: is not as it was written ({error}); export the vocoder again") from None
    weights = read_weights(folder / WEIGHTS)
    vocoder.fold_weight_norm()
    try:
        vocoder.load_state_dict(weights)
    except RuntimeError:
        raise UserError(f"{folder}: {WEIGHTS} does not fit config.json; export the vocoder again") from None
    return vocoder


def read_weights(pretrained: str | Path) -> dict[str, Tensor]:
    """From a .safetensors file, a folder that holds one, or a checkpoint as HiFi-GAN's authors published it.

    Raises `UserError` where there are none.
    """
    path = Path(pretrained).expanduser()
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise UserError(f"{path}: one .safetensors file is wanted, there is {names}; give the file")
        (path,) = found
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
        found_weights: dict[str, Tensor] = weights.get("generator", weights)
        return found_weights
    except Exception as error:  # torch raises whatever pickle and zip raise
        raise UserError(
            f"{path}: not weights that can be read ({one_line(error)[:120]}); give a .safetensors file, or "
            "a generator of HiFi-GAN's authors"
        ) from None


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
