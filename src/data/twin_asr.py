"""The subject's own recogniser, as it was trained and exported, whichever kind it is."""

import json
from collections.abc import Sequence
from pathlib import Path

from understudy.data.ctc import CtcRecognizer
from understudy.data.training_notes import learnt_in
from understudy.data.whisper import WhisperRecognizer
from understudy.errors import UserError


def pretrained_recognizer(
    *,
    pretrained: str,
    language: str | None = None,
    lexicon: str | None = None,
    texts: str | Sequence[str] = (),
    device: str = "auto",
) -> WhisperRecognizer | CtcRecognizer:
    """Of the model in the folder `pretrained`, by its config.json. Raises `UserError` where there is none.

    Without a `language` it is that in which the model was trained; `texts` are for CTC.
    """
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
    language = language or learnt_in(Path(pretrained))
    if kind == "whisper":
        return WhisperRecognizer(pretrained=pretrained, language=language, lexicon=lexicon, device=device)
    return CtcRecognizer(
        pretrained=pretrained, language=language or "en", lexicon=lexicon, texts=texts, device=device
    )
