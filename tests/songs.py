"""Speech that a tiny recogniser learns in seconds: three letters, each whistled at a pitch of its own."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import soundfile

from understudy.data.manifest import Clip, json_lines, write_manifest
from understudy.data.media import SAMPLE_RATE

PITCH = {"a": 500, "b": 1200, "c": 2600}
OTHER = dict(zip("abc", "bca", strict=True))


def whistle(text: str, rng: np.random.Generator) -> np.ndarray:
    """(samples,) a tone of 0.2 s for every letter."""
    time = np.arange(SAMPLE_RATE // 5) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * PITCH[word] * time) * np.hanning(len(time)) for word in text.split()]
    sound = np.concatenate([np.pad(0.4 * tone, SAMPLE_RATE // 40) for tone in tones])
    return (sound + rng.normal(scale=0.003, size=len(sound))).astype(np.float32)


def write_songs(workspace: Path, clips: int, *, wrong: Collection[str] = ()) -> Path:
    """A workspace of confirmed clips song_0, song_1, ...; the text of `wrong` ones is not what they hold."""
    rng = np.random.default_rng(0)
    found, edits = [], []
    for name in (f"song_{k}" for k in range(clips)):
        said = list(rng.choice([*PITCH], 3))
        sound = whistle(" ".join(said), rng)
        audio = workspace / "decode" / name / "audio.wav"
        audio.parent.mkdir(parents=True)
        soundfile.write(audio, sound, SAMPLE_RATE)
        text = " ".join(OTHER[letter] if name in wrong else letter for letter in said)
        fields = {"audio": f"decode/{name}/audio.wav", "text": text, "heard": text, "confidence": 0.9}
        found.append(Clip(name, name, 0.0, len(sound) / SAMPLE_RATE, fields))
        edits.append({"id": f"edit_{name}", "clip": name, "set": {"text": text, "reviewed": True}})
    write_manifest(workspace / "manifests" / "transcribe.jsonl", found)
    (workspace / "edits.jsonl").write_text(json_lines(edits))
    return workspace


def settings_for(workspace: Path) -> list[str]:
    """A model that is as small as can be, on the songs of a workspace."""
    network = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_depthwise_kernel_size": 3,
        "position_embeddings_type": "null",
        "hidden_dropout": 0,
        "attention_dropout": 0,
        "feat_proj_dropout": 0,
        "final_dropout": 0,
        "conformer_conv_dropout": 0,
        "mask_time_prob": 0,
        "mask_feature_prob": 0,
    }
    return [
        "model=asr_ctc",
        "subject=folder",
        "subject.name=whistler",
        "subject.sources=[]",
        "trainer=cpu",
        f"workspace={workspace}",
        "threads=1",
        "trainer.max_steps=200",
        "trainer.precision=32-true",
        "trainer.enable_progress_bar=false",
        "data.augment=null",
        "data.batch_size=6",
        "model.alphabet=abc",
        "model.optimizer.lr=1e-2",
        "model.warmup_steps=10",
        *(f"model.network.{name}={value}" for name, value in network.items()),
    ]
