"""A voice that is learnt in seconds: three letters, each hummed with formants of its own."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from understudy.data.manifest import Clip, json_lines, write_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.data.pronounce import Pronouncer
from understudy.data.twin_vocoder import WEIGHTS
from understudy.models.tts.mel_judge import MelJudge
from understudy.models.vocoder import Vocoder
from understudy.train.tts_fastspeech import FastSpeechTraining

RATE = 22050
FORMANTS = {"a": (700, 1200), "b": (300, 900), "c": (400, 2200)}
LETTER, EDGE = 0.2, 0.1  # seconds
NETWORK: dict[str, Any] = {
    "channels": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "heads": 2,
    "ffn_channels": 16,
    "ffn_kernel_sizes": [3, 1],
}
VOCODER: dict[str, Any] = {
    "sample_rate": RATE,
    "n_mels": 80,
    "hop_length": 256,
    "upsample_initial_channel": 8,
    "upsample_factors": [8],
    "upsample_kernel_sizes": [16],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3, 5]],
    "istft": True,
}


def hum(text: str, rng: np.random.Generator) -> np.ndarray:
    """(samples,) at 22.05 kHz: 0.2 s for every letter, between moments of silence."""
    time = np.arange(round(LETTER * RATE)) / RATE
    hertz = rng.uniform(110, 150)
    numbers = np.arange(1, 30)
    harmonics = hertz * numbers
    sounds = []
    for letter in text.split():
        resonances = [np.exp(-(((harmonics - formant) / 150) ** 2)) for formant in FORMANTS[letter]]
        loudness = 0.5 / numbers + sum(resonances)
        tone = loudness @ np.sin(2 * np.pi * harmonics[:, None] * time)
        sounds.append(tone * np.hanning(len(time)) ** 0.3)
    sound = np.pad(0.1 * np.concatenate(sounds), round(EDGE * RATE))
    return (sound + rng.normal(scale=0.001, size=len(sound))).astype(np.float32)


def write_hums(workspace: Path, clips: int) -> Path:
    """A workspace of confirmed clips hum_0, hum_1, ... at two rates, with the times of their words."""
    rng = np.random.default_rng(0)
    found, edits = [], []
    for name in (f"hum_{k}" for k in range(clips)):
        letters = list(rng.choice([*FORMANTS], 3))
        sound = hum(" ".join(letters), rng)
        folder = workspace / "decode" / name
        folder.mkdir(parents=True)
        soundfile.write(folder / "full.wav", sound, RATE)
        soundfile.write(
            folder / "audio.wav", librosa.resample(sound, orig_sr=RATE, target_sr=SAMPLE_RATE), SAMPLE_RATE
        )
        fields = {
            "audio": f"decode/{name}/audio.wav",
            "audio_full": f"decode/{name}/full.wav",
            "text": " ".join(letters),
            "words": [
                [EDGE + k * LETTER, EDGE + (k + 1) * LETTER, letter, 0.9] for k, letter in enumerate(letters)
            ],
        }
        found.append(Clip(name, name, 0.0, len(sound) / RATE, fields))
        edits.append({"id": f"edit_{name}", "clip": name, "set": {"reviewed": True}})
    write_manifest(workspace / "manifests" / "transcribe.jsonl", found)
    (workspace / "edits.jsonl").write_text(json_lines(edits))
    return workspace


def subject_of(workspace: Path) -> list[str]:
    return ["subject=folder", "subject.name=hummer", "subject.sources=[]", f"workspace={workspace}"]


def settings_for(workspace: Path, run: str) -> list[str]:
    """Twelve steps of four epochs on a voice that is as small as can be."""
    return [
        "model=tts",
        *subject_of(workspace),
        "trainer=cpu",
        f"run={run}",
        "threads=1",
        "trainer.max_steps=12",
        "trainer.precision=32-true",
        "trainer.check_val_every_n_epoch=2",
        "trainer.log_every_n_steps=1",
        "trainer.enable_progress_bar=false",
        "+model.pronouncer.characters=abc",
        *(f"model.network.{name}={value}" for name, value in NETWORK.items()),
        "model.optimizer.lr=1e-2",
        "model.warmup_steps=2",
        "model.binary_starts=4",
        "model.adversarial_from=2",
        "model.judge.channels=2",
        "data.batch_size=4",
        "data.batches_per_epoch=3",
        "callbacks.samples.clips=1",
    ]


def write_voice(folder: Path, *, characters: str = "abcdefghijklmnopqrstuvwxyz") -> Path:
    """An exported voice that has learnt nothing, with some frames for every letter."""
    torch.manual_seed(0)
    module = FastSpeechTraining(
        pronouncer=Pronouncer(characters=characters),
        network=NETWORK,
        optimizer=partial(torch.optim.AdamW, lr=1e-3),
        judge=MelJudge(channels=2),
        judge_optimizer=partial(torch.optim.AdamW, lr=1e-3),
    )
    module.configure_model()
    with torch.no_grad():
        module.network.net.durPred.linear.w.bias.fill_(2.0)
    folder.mkdir(parents=True)
    module.save(folder)
    return folder


def write_vocoder(folder: Path, **changes: Any) -> Path:
    """An exported vocoder that has learnt nothing."""
    torch.manual_seed(0)
    config = VOCODER | changes
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(Vocoder(**config).fold_weight_norm().state_dict(), folder / WEIGHTS)
    return folder
