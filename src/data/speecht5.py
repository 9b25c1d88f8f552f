"""SpeechT5 from folders, or by name from the hub, and the speaker vectors that it wants."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from understudy.data.embedding import ECAPA, GE2E, SpeakerEncoder
from understudy.data.hub import load_pretrained
from understudy.data.media import SAMPLE_RATE, Seconds, read_audio
from understudy.data.twin_vocoder import read_weights
from understudy.errors import UserError
from understudy.models.tts import LogMel
from understudy.models.tts.speecht5 import SpeechT5, SpeechT5Mel

FAMILY = "speecht5"
SPEAKER = "speaker.safetensors"
MIN_REFERENCE: Seconds = 1.0
MAX_REFERENCE: Seconds = 60.0  # more says no more
XVECTORS = "speechbrain/spkrec-xvect-voxceleb"  # what the published SpeechT5 knows voices by
INSTEAD = "give its folder, or model.pretrained=null to train a small one from nothing"


def load_speecht5(folder: Path) -> tuple[SpeechT5, LogMel]:
    """The voice in `TWIN/tts/`, ready to speak, and what its mels are."""
    network, _ = load_network(str(folder))
    mel = own_mel(network.config)
    voice = SpeechT5(network, frame=mel.frame)
    voice.set_voice(read_weights(folder / SPEAKER)["speaker"])
    return voice.eval(), mel


def load_network(pretrained: str) -> tuple[Any, Any]:
    """The network of a hub's name or a folder, and the processor that belongs to it."""
    from transformers import SpeechT5ForTextToSpeech, SpeechT5Processor

    # a layer that is skipped by chance has no attention, of which the loss is made
    return load_pretrained(
        SpeechT5ForTextToSpeech,
        SpeechT5Processor,
        pretrained,
        instead=INSTEAD,
        encoder_layerdrop=0.0,
        decoder_layerdrop=0.0,
    )


def network_from_nothing(settings: Mapping[str, Any], alphabet_size: int) -> Any:
    """A network with random weights; `settings` are those of a `SpeechT5Config`."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import SpeechT5Config, SpeechT5ForTextToSpeech

    if unknown := settings.keys() - vars(SpeechT5Config()).keys():
        raise UserError(f"model.network: SpeechT5 has no setting {', '.join(sorted(unknown))}")
    own = {"vocab_size": alphabet_size, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}
    try:
        return SpeechT5ForTextToSpeech(SpeechT5Config(**{**settings, **own}))
    except (ValueError, TypeError, RuntimeError, AssertionError, StrictDataclassError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"model.network: makes no SpeechT5 ({reason})") from None


def processor_of(tokenizer: Any) -> Any:
    """What `save_speecht5` and `load_network` keep a tokenizer in."""
    from transformers import SpeechT5FeatureExtractor, SpeechT5Processor

    return SpeechT5Processor(SpeechT5FeatureExtractor(), tokenizer)


def save_speecht5(voice: SpeechT5, processor: Any, mel: LogMel, folder: Path, *, language: str) -> None:
    """What `load_speecht5` reads; `from_pretrained` of transformers reads it too."""
    voice.network.config.update(
        {
            "family": FAMILY,
            "language": language,
            "own_mel": isinstance(mel, SpeechT5Mel),
            "sample_rate": mel.sample_rate,
            "hop_length": mel.hop_length,
        }
    )
    voice.network.save_pretrained(folder)
    processor.save_pretrained(folder)
    save_file({"speaker": voice.speaker}, folder / SPEAKER)


def own_mel(config: Any) -> LogMel:
    """The mels that a network says; published ones know their own alone."""
    return SpeechT5Mel() if getattr(config, "own_mel", True) else LogMel(n_mels=config.num_mel_bins)


def encoder_for(size: int) -> SpeakerEncoder:
    """Of the encoders that there are the one whose vectors have so many numbers."""
    if size == 512:
        return ECAPA(source=XVECTORS, device="cpu")  # the same recipe with another network
    encoders = {256: GE2E, 192: ECAPA}
    if size not in encoders:
        raise UserError(
            f"speaker_embedding_dim={size}: no encoder makes such vectors; GE2E's have 256 numbers, "
            "ECAPA's 192, x-vectors 512; give one of these, or model.encoder"
        )
    return encoders[size]()


def voice_of(reference: str, encoder: SpeakerEncoder) -> np.ndarray:
    """(dim,) of a recording of some seconds of the voice alone. Raises `UserError` for less."""
    return encoder(read_reference(reference))


def read_reference(reference: str) -> np.ndarray:
    """(samples,) at 16 kHz. Raises `UserError` for what cannot tell a voice."""
    path = Path(reference).expanduser()
    if not path.is_file():
        raise UserError(f"reference={reference}: there is no such file")
    samples = read_audio(path, end=MAX_REFERENCE)
    if len(samples) < MIN_REFERENCE * SAMPLE_RATE:
        raise UserError(
            f"reference={reference}: lasts {len(samples) / SAMPLE_RATE:.1f} s; give some seconds of the voice"
        )
    return samples
