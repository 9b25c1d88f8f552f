"""What a synthetic voice is worth, beside the recordings of the person it learnt from.

    python experiments/tts_grid.py WORKSPACE --out FOLDER --tts ours=FOLDER \\
        --vocoder universal=generator_universal.safetensors tuned=FOLDER [--ecapa FOLDER] [--other WORKSPACE]

WORKSPACE is of a speaker of GRID with true texts, as asr_grid.py prepares it. Of the clips that are held out
to test on (nothing here may have learnt from them) these are measured, one row each:

    real                the recordings
    copy, VOCODER       the recording's own mels through each vocoder: what the vocoder alone does
    copy, Griffin-Lim   the same through an algorithm that has learnt nothing
    TTS, VOCODER        the text, spoken by each acoustic model (--tts) and each vocoder
    another speaker     recordings of somebody else (--other), who has to be less alike than all others

FOLDER gets metrics.json (also what the recogniser heard), table.md, mels.png and all the sound as WAV.

    WER        of the recogniser that was tuned on the speaker, all clips together
    MCD        mel-cepstral distortion from the recording, dB, after dynamic time warping
    F0, cents  root mean square error of the pitch where both are voiced; V/UV: share of frames where one is
    duration   error as a share of the recording's
    E          mean cosine of the encoder E's vectors to those of the other recordings; /real: as a share of
               what the recordings have among each other
    DNSMOS     quality as listeners would rate it, 1 to 5
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile
import torch
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from understudy.data.embedding import ECAPA, GE2E, SpeakerEncoder
from understudy.data.manifest import Clip, read_manifest, write_atomically
from understudy.data.sound import voice_sound
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.twin_asr import pretrained_recognizer
from understudy.data.twin_tts import TwinVoice
from understudy.data.twin_vocoder import WEIGHTS, load_generator_weights, load_vocoder, read_weights
from understudy.models.tts.mel import LogMel
from understudy.models.vocoder import Vocoder
from understudy.models.vocoder.griffin_lim import GriffinLim
from understudy.tables import print_table, write_json
from understudy.train.voice_metrics import REAL, VoiceMetrics
from understudy.train.voice_samples import draw_mel

VAL_SHARE, TEST_SHARE = 0.1, 0.15  # of the recordings, as in training
STRIPS = 3  # clips in the picture

Speak = Callable[[Clip], np.ndarray]  # (frames * hop_length,)


def held_out(workspace: Path, number: int | None) -> list[Clip]:
    """The test split, or its first clips."""
    data = SpeechDataModule(workspace=str(workspace), val_share=VAL_SHARE, test_share=TEST_SHARE)
    data.setup()
    return data.split["test"][:number]


class Studio:
    """Everybody who can speak the clips of a workspace."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.log_mel = LogMel()

    def real(self, clip: Clip) -> np.ndarray:
        return voice_sound(clip, self.workspace, self.log_mel.sample_rate, self.log_mel.hop_length)

    def mel(self, sound: np.ndarray) -> np.ndarray:
        """(samples,) -> (n_mels, frames)"""
        found: np.ndarray = self.log_mel(torch.from_numpy(sound)[None])[0].numpy()
        return found

    def copying(self, vocoder: nn.Module) -> Speak:
        """Each recording's mel through a vocoder."""

        @torch.inference_mode()
        def speak(clip: Clip) -> np.ndarray:
            sound: np.ndarray = vocoder(torch.from_numpy(self.mel(self.real(clip)))[None])[0].numpy()
            return sound

        return speak

    def reading(self, tts: Path, vocoder: nn.Module) -> Speak:
        """Each clip's text by an exported voice, with its own silence at both ends."""
        voice = TwinVoice(pretrained=str(tts), device="cpu")
        voice.setup()

        @torch.inference_mode()
        def speak(clip: Clip) -> np.ndarray:
            said: np.ndarray = vocoder(voice.say(clip["text"]).speech.mel[None])[0].numpy()
            return said

        return speak


def measure(
    name: str,
    speak: Speak,
    clips: Sequence[Clip],
    metrics: VoiceMetrics,
    out: Path,
    *,
    real: Speak | None = None,
) -> None:
    """One row: all clips, against the `real` ones if there are any of the same words."""
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for clip in tqdm(clips, desc=name):
        sound = speak(clip)
        soundfile.write(folder / f"{clip.id}.wav", sound, metrics.log_mel.sample_rate)
        metrics.listen(name, clip.id, sound, clip["text"])
        if real:
            metrics.compare(name, sound, real(clip))


def table(values: dict[str, dict[str, float]], encoders: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    columns = {
        "WER": ("wer", "{:.1%}"),
        "MCD": ("mcd", "{:.2f}"),
        "F0, Hz": ("pitch_hertz", "{:.1f}"),
        "F0, cents": ("pitch_cents", "{:.0f}"),
        "V/UV": ("voicing", "{:.1%}"),
        "duration": ("duration", "{:.1%}"),
    }
    for name in encoders:
        columns[name.upper()] = (f"similarity_{name}", "{:.3f}")
        columns[f"{name.upper()}/real"] = (f"likeness_{name}", "{:.3f}")
    columns["DNSMOS"] = ("dnsmos", "{:.2f}")
    rows = [
        [who, *(form.format(found[key]) if key in found else "" for key, form in columns.values())]
        for who, found in values.items()
    ]
    return ["voice", *columns], rows


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def strips(clips: Sequence[Clip], names: Sequence[str], studio: Studio, out: Path) -> None:
    """The mels of some clips, a column each, of every voice, a row each."""
    figure, axes = plt.subplots(
        len(names), len(clips), figsize=(4 * len(clips), 1.7 * len(names)), squeeze=False, sharex="col"
    )
    seconds_a_frame = studio.log_mel.hop_length / studio.log_mel.sample_rate
    for row, name in zip(axes, names, strict=True):
        row[0].set_ylabel(name, fontsize=8)
        for place, clip in zip(row, clips, strict=True):
            sound, _ = soundfile.read(out / name / f"{clip.id}.wav", dtype="float32")
            draw_mel(place, studio.mel(sound), seconds_a_frame)
            place.set_yticks([])
    for place, clip in zip(axes[0], clips, strict=True):
        place.set_title(clip["text"], fontsize=9)
    for place in axes[-1]:
        place.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(out / "mels.png", dpi=110)


def vocoder_folder(weights: Path, folder: Path) -> Path:
    """Where an exported vocoder is; published weights of HiFi-GAN's V1 are put into `folder` as one."""
    if weights.is_dir():
        return weights
    vocoder = Vocoder()
    load_generator_weights(vocoder, read_weights(weights), str(weights))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(vocoder.fold_weight_norm().state_dict(), folder / WEIGHTS)
    write_json(folder / "config.json", {})
    return folder


def named_path(argument: str) -> tuple[str, Path]:
    name, separator, path = argument.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"{argument}: give NAME=FOLDER or NAME=FILE")
    return name, Path(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workspace", type=Path, help="of a speaker, with transcripts that are set right")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures, pictures and sound")
    parser.add_argument(
        "--tts",
        nargs="*",
        type=named_path,
        default=[],
        metavar="NAME=FOLDER",
        help="exported acoustic models; without one only recordings are copied",
    )
    parser.add_argument(
        "--vocoder",
        nargs="*",
        type=named_path,
        default=[],
        metavar="NAME=PATH",
        help="exported folders, or published weights of HiFi-GAN V1 (.safetensors)",
    )
    parser.add_argument("--asr", help="folder of the recogniser (default: WORKSPACE/twin/asr)")
    parser.add_argument("--ecapa", help="folder of speechbrain/spkrec-ecapa-voxceleb, to compare by it too")
    parser.add_argument("--other", type=Path, help="workspace of another speaker")
    parser.add_argument("--dnsmos", choices=["p808", "p835", "none"], default="p808")
    parser.add_argument("--clips", type=int, help="only so many held-out clips")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    studio = Studio(arguments.workspace)
    clips = held_out(arguments.workspace, arguments.clips)
    encoders: dict[str, SpeakerEncoder] = {"ge2e": GE2E()}
    if arguments.ecapa:
        encoders["ecapa"] = ECAPA(source=arguments.ecapa)
    recogniser = pretrained_recognizer(pretrained=arguments.asr or str(arguments.workspace / "twin" / "asr"))
    metrics = VoiceMetrics(recognizer=recogniser, encoders=encoders, dnsmos=arguments.dnsmos)

    voices: dict[str, Speak] = {REAL: studio.real}
    vocoders = {
        name: load_vocoder(vocoder_folder(path, arguments.out / "vocoders" / name))
        for name, path in arguments.vocoder
    }
    for name, vocoder in vocoders.items():
        voices[f"copy, {name}"] = studio.copying(vocoder)
    voices["copy, Griffin-Lim"] = studio.copying(GriffinLim(studio.log_mel))
    for voice, folder in arguments.tts:
        for name, vocoder in vocoders.items():
            voices[f"{voice}, {name}"] = studio.reading(folder, vocoder)
    for name, speak in voices.items():
        real = None if name == REAL else studio.real
        measure(name, speak, clips, metrics, arguments.out, real=real)
    strips(clips[:STRIPS], list(voices), studio, arguments.out)
    if arguments.other:
        others = read_manifest(arguments.other / "manifests" / "transcribe.jsonl")[: len(clips)]
        measure("another speaker", Studio(arguments.other).real, others, metrics, arguments.out)

    values = metrics.summary()
    header, rows = table(values, list(encoders))
    write_json(
        arguments.out / "metrics.json",
        {"clips": [clip.id for clip in clips], "voices": values, "heard": metrics.heard},
    )
    write_atomically(arguments.out / "table.md", markdown(header, rows))
    print_table(header, rows)
    print(f"{len(clips)} clips that are held out; sound, pictures and figures  {arguments.out}")


if __name__ == "__main__":
    main()
