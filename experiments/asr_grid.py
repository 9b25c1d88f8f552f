"""What corrected transcripts are worth: recognisers before and after training, on speakers of GRID.

    python experiments/asr_grid.py CORPUS --whisper FOLDER --work FOLDER [--only whisper ctc]

CORPUS holds `grid` (a folder a speaker, sentences named after their words). Speaker s1 is prepared and
all transcripts are set right, as a person would in `review`; Whisper is fine-tuned on 50, 200 and all
clips of the training split, a CTC model is trained on all from nothing; all of them transcribe the clips
of s1 that are held out to test on, and two other speakers. Everything is kept in the work folder: what is
done is not done again.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from bench_transcribe import GRID
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tqdm import tqdm

from understudy.data.ctc import CtcRecognizer
from understudy.data.edits import EDITS
from understudy.data.manifest import Clip, read_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.data.recognizers import Recognizer
from understudy.data.review.edit_log import EditLog
from understudy.data.sound import clip_audio
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.text import character_error_rate, word_error_rate
from understudy.data.whisper import WhisperRecognizer
from understudy.tables import print_table, write_json

HERE = Path(__file__).parent
SUBJECT, OTHERS = "s1", ("s26", "s31")
SIZES = (50, 200, None)  # training clips; None is all of them


def understudy(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "understudy", *arguments], check=True)


def truth(clip: Clip) -> str:
    """The words of a GRID sentence, from the name of its recording."""
    return " ".join(table[letter] for table, letter in zip(GRID, clip.source.split("-")[0], strict=True))


def prepare(corpus: Path, work: Path, speaker: str) -> Path:
    """A workspace with every transcript set right and confirmed."""
    workspace = work / speaker
    sources = f"subject.sources=[{corpus / 'grid' / speaker}/*.mp4]"
    settings = [
        "subject=folder",
        f"subject.name={speaker}",
        sources,
        f"workspace={workspace}",
        "until=transcribe",
    ]
    if not (workspace / EDITS).exists():
        understudy("prepare", *settings)
        log = EditLog(workspace / EDITS)
        clips = read_manifest(workspace / "manifests" / "transcribe.jsonl")
        with log.turn():
            log.append({"clip": c.id, "set": {"text": truth(c), "reviewed": True}} for c in clips)
        understudy("prepare", *settings)
    return workspace


def train(workspace: Path, run: str, *settings: str) -> Path:
    """The exported recogniser of a run."""
    twin, folder = workspace / "twins" / run, workspace / "runs" / "asr" / run
    if not (twin / "asr").exists():
        common = [f"subject.name={SUBJECT}", "subject.sources=[]", f"workspace={workspace}"]
        understudy("train", *settings, *common, f"run={run}", "resume=true")
        best = folder / "checkpoints" / "best.ckpt"
        understudy("export", *common, "subject=folder", f"ckpt={best}", f"twin={twin}")
    return twin / "asr"


def minutes(run: Path) -> float:
    """From the first to the last step that TensorBoard knows of, validations in between included."""
    events = EventAccumulator(str(run))
    events.Reload()
    steps = events.Scalars("loss/train")
    return (steps[-1].wall_time - steps[0].wall_time) / 60


def test_clips(workspace: Path) -> list[Clip]:
    """Those that no model has seen: the test split of the experiments' config."""
    settings: Any = OmegaConf.load(HERE / "asr_grid_ctc.yaml").data
    data = SpeechDataModule(
        workspace=str(workspace), val_share=settings.val_share, test_share=settings.test_share
    )
    data.setup()
    return data.split["test"]


def measure(recognizer: Recognizer, clips: Sequence[Clip], workspace: Path) -> dict[str, Any]:
    """Word and character error rate, and seconds of computing on one thread for a second of sound."""
    sounds = [clip_audio(clip, workspace) for clip in clips]
    began = time.process_time()
    found = [recognizer.recognize([sound])[0].text for sound in tqdm(sounds, leave=False)]
    cost = (time.process_time() - began) / sum(len(sound) / SAMPLE_RATE for sound in sounds)
    texts = [truth(clip) for clip in clips]
    return {
        "clips": len(clips),
        "wer": word_error_rate(texts, found),
        "cer": character_error_rate(texts, found),
        "cost": cost,
        "heard": found,
    }


def plot(results: dict[str, dict[str, Any]], rows: dict[str, int], path: Path) -> None:
    """Word error rate over the number of corrected clips."""
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for speaker, label in ((SUBJECT, "the subject (s1)"), *((o, f"{o}, never heard") for o in OTHERS)):
        axes.plot(rows.values(), [100 * results[name][speaker]["wer"] for name in rows], "o-", label=label)
    axes.axhline(2, color="gray", linewidth=0.8, linestyle=":")
    axes.set(xlabel="corrected clips trained on", ylabel="word error rate, %", ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--whisper", required=True, help="folder or name of a Whisper model")
    parser.add_argument("--work", type=Path, required=True, help="folder for workspaces and runs")
    parser.add_argument("--only", nargs="*", default=["whisper", "ctc"], choices=["whisper", "ctc"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spaces = {name: prepare(arguments.corpus, arguments.work, name) for name in (SUBJECT, *OTHERS)}
    clips = {name: read_manifest(space / "manifests" / "transcribe.jsonl") for name, space in spaces.items()}
    clips[SUBJECT] = test_clips(spaces[SUBJECT])

    recognizers: dict[str, Recognizer] = {}
    sizes: dict[str, int] = {}
    runs: dict[str, str] = {}
    if "whisper" in arguments.only:
        name = f"{Path(arguments.whisper).name}, as it is"
        recognizers[name] = WhisperRecognizer(pretrained=arguments.whisper)
        sizes[name] = 0
        for size in SIZES:
            settings = ["experiment=asr_grid_whisper", f"model.pretrained={arguments.whisper}"]
            settings += [f"data.train_clips={size}"] if size else []
            folder = train(spaces[SUBJECT], f"whisper_{size or 'all'}", *settings)
            trained_on = len(json.loads((folder / "training.json").read_text())["clips"]["train"])
            name = f"fine-tuned on {trained_on} clips"
            recognizers[name] = WhisperRecognizer(pretrained=str(folder))
            sizes[name] = trained_on
            runs[name] = f"whisper_{size or 'all'}"
    if "ctc" in arguments.only:
        letters = str(HERE / "grid_letters.tsv")
        folder = train(spaces[SUBJECT], "ctc", "experiment=asr_grid_ctc", f"model.lexicon={letters}")
        ctc = CtcRecognizer(pretrained=str(folder), lexicon=letters)
        recognizers["CTC from nothing, letter by letter"] = replace(ctc, decoding="greedy")
        recognizers["CTC, words of the lexicon in any order"] = replace(ctc, language_model_weight=0.0)
        recognizers["CTC, lexicon and n-gram"] = ctc
        runs["CTC from nothing, letter by letter"] = "ctc"

    path = arguments.work / "asr_grid.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name, recognizer in recognizers.items():
        if name not in results:
            recognizer.setup()
            results[name] = {s: measure(recognizer, clips[s], spaces[s]) for s in spaces}
            write_json(path, results)
    columns = [f"{measure} {speaker}" for measure in ("WER", "CER") for speaker in spaces]
    print_table(
        ["recogniser", *columns, "cost s1", "minutes of training"],
        [
            [
                name,
                *(f"{100 * results[name][s][m]:.1f} %" for m in ("wer", "cer") for s in spaces),
                results[name][SUBJECT]["cost"],
                f"{minutes(spaces[SUBJECT] / 'runs' / 'asr' / runs[name]):.1f}" if name in runs else "",
            ]
            for name in recognizers
        ],
    )
    print(", ".join(f"{len(clips[s])} clips of {s}" for s in spaces))
    if sizes:
        plot(results, sizes, HERE / "asr_grid.png")


if __name__ == "__main__":
    main()
