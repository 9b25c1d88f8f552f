"""The subject's own recogniser, as it was trained and exported, whichever kind it is."""

import json
from pathlib import Path

from understudy.data.ctc import CtcRecognizer
from understudy.data.whisper import WhisperRecognizer
from understudy.errors import UserError


def pretrained_recognizer(
    *, pretrained: str, language: str | None = None, lexicon: str | None = None, device: str = "auto"
) -> WhisperRecognizer | CtcRecognizer:
    """Of the model in the folder `pretrained`, by its config.json. Raises `UserError` where there is none."""
    config = Path(pretrained) / "config.json"
    try:
        kind = json.loads(config.read_text(encoding="utf-8"))["model_type"]
    except FileNotFoundError:
        raise UserError(
            f"{pretrained}: there is no recogniser of the subject's own yet; train one (understudy train "
            "model=asr_whisper) and export it (understudy export ckpt=CHECKPOINT), or take asr=whisper"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{config}: does not say its model_type ({error!r}); export the model again"
        ) from None
    if kind == "whisper":
        return WhisperRecognizer(pretrained=pretrained, language=language, lexicon=lexicon, device=device)
    return CtcRecognizer(pretrained=pretrained, language=language or "en", lexicon=lexicon, device=device)
