"""Pretrained models in Hugging Face's format: from a folder, or by name from the hub.

Nothing about the user is sent, a hub that cannot be reached is told within seconds, and weights
that do not belong to the class that was asked for are an error and not a guess.
"""

import hashlib
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import UserError, one_line

if TYPE_CHECKING:
    import torch

_TIMEOUT = 5.0  # seconds in which the hub answers, or does not
_DECIDING = {".json", ".safetensors", ".bin", ".txt"}  # files that decide what a model answers


def model_name(pretrained: str) -> str:
    """A name that changes with the model: of a folder, its own and a hash of what lies in it.

    A hub's model stands for itself. Raises `UserError` for a path that is no folder.
    """
    folder = local_folder(pretrained)
    if folder is None:
        return pretrained
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in _DECIDING):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"{folder.resolve().name}@{digest.hexdigest()[:12]}"


def load_pretrained(
    model_class: Any, processor_class: Any, pretrained: str, *, instead: str, **options: Any
) -> tuple[Any, Any]:
    """A model in evaluation mode and its processor; `options` go to the model's `from_pretrained`.

    `instead` is what the error tells a person to write who has no such model.
    """
    from huggingface_hub import snapshot_download

    def load(where: Path | str) -> tuple[Any, Any]:
        try:
            return _load(model_class, processor_class, where, options)
        except _UnfitError as error:
            name = model_class.__name__
            raise UserError(f"{pretrained}: cannot be loaded as {name} ({error}); {instead}") from error

    if folder := local_folder(pretrained):
        return load(folder)
    try:  # fetched before: no network is needed, and none is asked
        return load(snapshot_download(pretrained, local_files_only=True))
    except (OSError, UserError):  # not fetched, or not all of it
        if reason := hub_is_out_of_reach():
            raise UserError(
                f"{pretrained}: no such folder, not fetched before, and {reason}; {instead} "
                f"(config.json and model.safetensors of {pretrained} would have been loaded)"
            ) from None
    return load(pretrained)


def pick_device(device: str) -> "torch.device":
    """`auto` is a GPU where there is one. Raises `UserError` for one that there is not."""
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device={device}: cannot be used ({reason}); take device=auto") from None
    return torch.device(device)


class _UnfitError(Exception):
    """What lies there is not the model that was asked for."""


def _load(
    model_class: Any, processor_class: Any, where: Path | str, options: dict[str, Any]
) -> tuple[Any, Any]:
    from huggingface_hub.utils import enable_progress_bars
    from safetensors import SafetensorError
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()  # what is wrong is told below, in one line
    logging.disable_progress_bar()  # of reading files
    enable_progress_bars()  # of fetching them
    try:
        found = AutoConfig.from_pretrained(where).model_type
        config_class = getattr(model_class, "config_class", None)  # automatic classes take any
        if config_class and config_class.model_type != found:
            raise _UnfitError(f"it is a {found} model, not {config_class.model_type}")
        model, report = model_class.from_pretrained(
            where, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
        processor = processor_class.from_pretrained(where)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _UnfitError(str(error).strip().splitlines()[0].rstrip(".")) from error
    # what masks its input while it is trained is all that may lack
    lacking = {key for key in report["missing_keys"] if "masked_spec_embed" not in key}
    if wrong := sorted(lacking | {key for key, *_ in report["mismatched_keys"]}):
        more = ", ..." if len(wrong) > 3 else ""
        raise _UnfitError(f"its weights do not fit its config.json: {', '.join(wrong[:3])}{more}")
    tokenizer = getattr(processor, "tokenizer", processor)
    if len(tokenizer.get_vocab()) < model.config.vocab_size / 2:  # made up where there is none
        raise _UnfitError("it has no tokenizer.json")
    return model.eval(), processor


def local_folder(pretrained: str) -> Path | None:
    """The folder that is meant, or None where it is a hub's name: NAME or OWNER/NAME."""
    folder = Path(pretrained).expanduser()
    if pretrained and folder.is_dir():
        return folder
    if re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", pretrained):
        return None
    raise UserError(f"{pretrained!r}: there is no such folder; give one that holds a model, or a hub's name")


def fetched(pretrained: str, *, instead: str) -> Path:
    """The folder that is meant, or that of the hub's cache which holds the model; fetched if need be."""
    from huggingface_hub import snapshot_download

    if folder := local_folder(pretrained):
        return folder
    try:
        return Path(snapshot_download(pretrained, local_files_only=True))
    except OSError:
        reason = hub_is_out_of_reach()
    try:
        if not reason:
            return Path(snapshot_download(pretrained))
    except OSError as error:
        reason = one_line(error)[:120]
    raise UserError(f"{pretrained}: no such folder, not fetched before, and {reason}; {instead}")


def hub_is_out_of_reach() -> str:
    """Why, or nothing. One request: the library itself would try for minutes."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        urllib.request.urlopen(
            urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=_TIMEOUT
        ).close()
    except urllib.error.HTTPError:
        return ""  # it answers
    except OSError as error:
        return f"{constants.ENDPOINT} cannot be reached ({getattr(error, 'reason', error)})"
    return ""
