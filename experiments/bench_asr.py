"""What training and using a speech recogniser costs.

    python experiments/bench_asr.py WORKSPACE CHECKPOINT [CHECKPOINT ...] [--other FOLDER]

WORKSPACE holds corrected clips, a CHECKPOINT is that of a recogniser trained there. Times are of this
machine; ratios are of rounds that alternate in one run, the median of their quotients.

    throughput   seconds of sound trained on in a second
    overhead     time of Lightning's loop over that of a bare PyTorch loop of the same steps
    real time    seconds of computing for a second of sound, clip by clip: by the module in a checkpoint, by
                 the recogniser on the exported folder, which also finds confidence and the times of words,
                 and by ONNX Runtime where there is a file for it
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.loggers import TensorBoardLogger
from tqdm import tqdm

from understudy.data.ctc import CtcRecognizer
from understudy.data.media import SAMPLE_RATE
from understudy.data.recognizers import Recognizer
from understudy.data.speech_datamodule import SpeechDataModule, SpokenClips
from understudy.data.twin_asr import pretrained_recognizer
from understudy.data.whisper import WhisperRecognizer
from understudy.tables import print_table
from understudy.train.asr import SpeechRecognition
from understudy.train.checkpoint import CONFIG, load_module, read_checkpoint
from understudy.train.export import export

WARM = 3  # steps that are not counted


class Watch(pl.Callback):
    """When each step began."""

    def __init__(self) -> None:
        self.begun: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.begun.append(time.perf_counter())


def made(
    checkpoint: dict[str, Any], workspace: Path, steps: int
) -> tuple[SpeechRecognition, SpeechDataModule]:
    module = load_module(checkpoint)
    assert isinstance(module, SpeechRecognition)
    settings = {**checkpoint[CONFIG]["data"], "workspace": str(workspace), "batches_per_epoch": steps + 1}
    data: SpeechDataModule = instantiate(settings, _convert_="all")
    return module.train(), data


def with_lightning(checkpoint: dict[str, Any], workspace: Path, steps: int) -> float:
    """Seconds a step."""
    module, data = made(checkpoint, workspace, steps)
    watch = Watch()
    with TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_steps=steps + 1,
            gradient_clip_val=1.0,
            callbacks=[watch],
            logger=TensorBoardLogger(folder, name="", version=""),
            log_every_n_steps=20,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, datamodule=data)
    return (watch.begun[-1] - watch.begun[WARM]) / (len(watch.begun) - 1 - WARM)


def bare(checkpoint: dict[str, Any], workspace: Path, steps: int) -> tuple[float, float]:
    """Seconds a step, and seconds of sound in one."""
    module, data = made(checkpoint, workspace, steps)
    data.setup()
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    configured = module.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    begun, heard = [], 0.0
    for batch in data.train_dataloader():
        begun.append(time.perf_counter())
        loss = module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        heard += float(batch["lengths"].sum()) / SAMPLE_RATE
    return (begun[-1] - begun[WARM]) / (len(begun) - 1 - WARM), heard / len(begun)


def compare_loops(checkpoints: Sequence[Path], workspace: Path, steps: int, rounds: int) -> None:
    rows = []
    for path in checkpoints:
        checkpoint = read_checkpoint(path, role="asr")
        times = []
        for _ in tqdm(range(rounds), desc=path.parents[1].name, leave=False):
            lightning = with_lightning(checkpoint, workspace, steps)
            plain, heard = bare(checkpoint, workspace, steps)
            times.append((lightning, plain, heard))
        ratios = sorted(lightning / plain for lightning, plain, _ in times)
        step = float(np.median([lightning for lightning, _, _ in times]))
        rows.append(
            [
                path.parents[1].name,
                step,
                float(np.mean([h for _, _, h in times])) / step,
                float(np.median(ratios)),
                f"{ratios[0]:.3f} to {ratios[-1]:.3f}",
            ]
        )
    print_table(["training", "seconds a step", "throughput", "overhead", "of the rounds"], rows)


Hear = Callable[[np.ndarray], Any]


def ways_to_hear(path: Path, folder: Path) -> dict[str, Hear]:
    """By the checkpoint, by the exported folder, and by the file for ONNX Runtime if there is one."""
    module = load_module(read_checkpoint(path, role="asr"))
    assert isinstance(module, SpeechRecognition)
    recognizer = pretrained_recognizer(pretrained=str(folder), language=module.language)
    found: dict[str, Hear] = {
        "checkpoint": lambda sound: module.transcribe(
            {
                "audio": torch.from_numpy(sound)[None],
                "lengths": torch.tensor([len(sound)]),
                "text": [""],
                "heard": [""],
                "clip": [""],
            }
        ),
        "exported": recognises(recognizer),
    }
    if isinstance(recognizer, CtcRecognizer):
        greedy = CtcRecognizer(pretrained=str(folder), decoding="greedy")
        found["exported, greedy"] = recognises(greedy)
        session = onnxruntime.InferenceSession(folder / "ctc.onnx", session_options())
        (name,) = (one.name for one in session.get_inputs())
        extractor = module.processor.feature_extractor
        found["ONNX Runtime, no search"] = lambda sound: session.run(
            None, {name: extractor([sound], sampling_rate=SAMPLE_RATE, return_tensors="np")[name]}
        )
    return found


def session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return options


def recognises(recognizer: Recognizer) -> Hear:
    recognizer.setup()
    return lambda sound: recognizer.recognize([sound])


def compare_hearing(
    checkpoints: Sequence[Path], workspace: Path, others: Sequence[str], clips: int, rounds: int
) -> None:
    data = SpeechDataModule(workspace=str(workspace))
    data.setup()
    dataset = SpokenClips(data.split["val"] + data.split["test"], workspace, None, seed=0)
    sounds = [dataset[place][1] for place in range(min(clips, len(dataset)))]
    duration = sum(map(len, sounds)) / SAMPLE_RATE
    rows = []
    with TemporaryDirectory() as work:
        for path in checkpoints:
            export(ckpt=str(path), twin=f"{work}/{path.parents[1].name}")
        for threads in (1, 2):
            torch.set_num_threads(threads)
            ways = {
                f"{path.parents[1].name}, {way}": hear
                for path in checkpoints
                for way, hear in ways_to_hear(path, Path(work, path.parents[1].name, "asr")).items()
            }
            ways |= {
                f"{Path(name).name}, as it is": recognises(WhisperRecognizer(pretrained=name))
                for name in others
            }
            for name, hear in ways.items():
                hear(sounds[0])
                times = []
                for _ in range(rounds):
                    began = time.perf_counter()
                    for sound in sounds:
                        hear(sound)
                    times.append((time.perf_counter() - began) / duration)
                rows.append([name, threads, float(np.median(times))])
    print_table(["transcription", "threads", "real time"], rows)
    print(f"{len(sounds)} clips, {duration:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--other", nargs="*", default=[], help="folders of Whisper models to compare with")
    parser.add_argument("--steps", type=int, default=20, help="of training in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=20, help="to transcribe")
    arguments = parser.parse_args()
    compare_loops(arguments.checkpoints, arguments.workspace, arguments.steps, arguments.rounds)
    compare_hearing(arguments.checkpoints, arguments.workspace, arguments.other, arguments.clips, 3)


if __name__ == "__main__":
    main()
