"""The verb `clone`: a voice from some seconds of it, untrained."""

from pathlib import Path

import torch

from understudy.data.embedding import SpeakerEncoder
from understudy.data.media import SAMPLE_RATE
from understudy.data.replace_folder import replaced
from understudy.data.speecht5 import encoder_for, load_network, own_mel, read_reference, save_speecht5
from understudy.errors import UserError
from understudy.models.tts.speecht5 import SpeechT5

CARD = """# Voice

Says any text as mel spectrograms in a voice that is like that of a recording of {seconds:.1f} s; it was not
trained on it. `understudy speak` makes them sound with the vocoder of SpeechT5. Give it only to who has that
person's consent; what it says must be marked as generated.

| | |
|---|---|
| model | {model} |
| begun with | {pretrained} |
| sounds | {sounds} letters, language {language} |
| parameters | {parameters:,} |
| steps trained | 0 |

`speaker.safetensors` holds the vector of the voice, the other files are those that transformers reads.
"""


def clone(
    *,
    pretrained: str,
    reference: str | None,
    folder: str,
    language: str | None = None,
    encoder: SpeakerEncoder | None = None,
) -> int:
    """Write `folder` anew: the voice of `reference`, a recording of some seconds of it alone.

    `pretrained` is a SpeechT5, a hub's name or a folder; `language` that of the texts it learnt from, by
    default what it says itself, or English.
    """
    if not reference:
        raise UserError("reference: whose voice? give reference=FILE with some seconds of it alone")
    samples = read_reference(reference)
    network, processor = load_network(pretrained)
    voice = SpeechT5(network)
    language = str(language or getattr(network.config, "language", "en"))
    encode = encoder or encoder_for(len(voice.speaker))
    voice.set_voice(torch.from_numpy(encode(samples)))
    with replaced(Path(folder)) as partial:
        save_speecht5(voice, processor, own_mel(network.config), partial, language=language)
        card = CARD.format(
            seconds=len(samples) / SAMPLE_RATE,
            model=type(network).__name__,
            pretrained=pretrained,
            sounds=len(processor.tokenizer),
            language=language,
            parameters=sum(p.numel() for p in network.parameters()),
        )
        (partial / "README.md").write_text(card, encoding="utf-8")
    print(f"voice  {folder}")
    return 0
