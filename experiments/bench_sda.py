"""What the talking face costs: per frame when it runs, per step when it trains.

    python experiments/bench_sda.py [--steps 8] [--repeats 3] [--out FILE.json]

Every figure is the median of several turns; runtimes and loops take turns, so that their ratios hold
on a machine whose speed drifts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import pytorch_lightning as pl
import soundfile
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.flop_counter import FlopCounterMode

from understudy.data.faces_datamodule import FaceDataModule
from understudy.data.manifest import Clip, write_manifest
from understudy.data.media import FPS, SAMPLE_RATE
from understudy.models.sda import Generator
from understudy.models.sda.audio import MELS_PER_FRAME
from understudy.tables import print_table, write_json
from understudy.train.export_sda import export_onnx
from understudy.train.sda import SDA

CHUNKS = (1, 5, 25)  # frames
# The authors' architecture on two CPU cores of the same kind, one thread: ms a frame by chunk.
ORIGINAL_MS_PER_FRAME = {1: "102", 5: "32; 16 with the identity's part cached"}


def make_workspace(folder: Path) -> None:
    """Noise in the shape of prepared clips: the cost of a step does not depend on what is seen."""
    random = np.random.default_rng(0)
    clips = []
    for number in range(3):
        source = folder / "faces" / str(number)
        source.mkdir(parents=True)
        np.save(source / "frames.npy", random.integers(0, 255, (100, 128, 96, 3), np.uint8))
        landmarks = random.normal((48, 90), 10, (100, 68, 2))
        np.save(source / "landmarks.npy", landmarks.astype(np.float32))
        soundfile.write(source / "audio.wav", random.normal(0, 0.1, 4 * SAMPLE_RATE), SAMPLE_RATE)
        fields = {"faces": f"faces/{number}", "audio": f"faces/{number}/audio.wav"}
        clips.append(Clip(f"clip{number}", f"source{number}", 0.0, 100 / FPS, fields))
    write_manifest(folder / "manifests" / "faces.jsonl", clips)


def drawers(generator: Generator, folder: Path, threads: int) -> dict[str, Callable[[int], Any]]:
    """For each runtime a function that computes one chunk of so many frames."""
    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    sessions = {
        chunk: onnxruntime.InferenceSession(folder / str(chunk) / "frames.onnx", options) for chunk in CHUNKS
    }
    names = [i.name for i in sessions[1].get_inputs()]
    with torch.inference_mode():
        identity = generator.identity_encoder(torch.rand(1, 3, generator.height, generator.width))
    state = generator.initial_state(1)
    carried = [state.noise, *state.audio]

    def inputs(frames: int) -> tuple[torch.Tensor, torch.Tensor]:
        mel = torch.randn(1, generator.log_mel.n_mels, frames * MELS_PER_FRAME)
        return mel, generator.noise(1, frames)

    @torch.inference_mode()
    def pytorch(frames: int) -> None:
        mel, noise = inputs(frames)
        audio, _ = generator.audio_encoder(mel, state.audio)
        generator.decode(identity, audio, generator.noise_generator(noise, state.noise)[0])

    def onnx(frames: int) -> None:
        values = [identity.still, identity.code, *identity.skips, *inputs(frames), *carried]
        sessions[frames].run(None, {n: v.numpy() for n, v in zip(names, values, strict=True)})

    return {"PyTorch": pytorch, "ONNX Runtime": onnx}


def seconds(work: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


def time_frames(generator: Generator, folder: Path, repeats: int) -> dict[str, float]:
    """Milliseconds a frame for every runtime, number of threads and chunk."""
    result = {}
    for threads in (1, 2):
        runtimes = drawers(generator, folder, threads)
        for chunk in CHUNKS:
            taken: dict[str, list[float]] = {name: [] for name in runtimes}
            for turn in range(repeats + 1):
                for name, draw in runtimes.items():
                    spent = seconds(lambda draw=draw, chunk=chunk: draw(chunk), max(50 // chunk, 3))
                    if turn:  # the first warms up
                        taken[name].append(spent / chunk * 1e3)
            for name, values in taken.items():
                result[f"{name}, {threads} thread{'s'[: threads > 1]}, chunk {chunk}"] = median(values)
    return result


def bare_loop(module: SDA, data: FaceDataModule, steps: int, precision: str) -> Iterator[None]:
    """The same step without Lightning's loop around it."""
    (discriminators, generator), _ = module.configure_optimizers()
    loader = iter(data.train_dataloader())
    for _ in range(steps):
        batch = next(loader)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            still, real, mel = module.unpack(batch)
            fake = module.generator(still, module.heard_by_generator(mel, real.shape[1]))
            loss = module.discriminators_loss(still, real, fake.detach(), mel)
        discriminators.zero_grad()
        loss.backward()
        discriminators.step()
        module.freeze_discriminators(True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = module.generator_loss(still, real, fake, mel, batch["mouth"])
        generator.zero_grad()
        loss.backward()
        generator.step()
        module.freeze_discriminators(False)
        yield


class StepTimes(pl.Callback):
    """When each batch ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: object) -> None:
        self.ends.append(time.perf_counter())


def time_steps(config: DictConfig, steps: int, repeats: int, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds a step, by Lightning's loop and by a bare one, at both precisions."""
    result = {}
    for precision in ("32-true", "bf16-mixed"):
        lightning, bare = [], []
        for _ in range(repeats):
            module, data, watch = instantiate(config.model), instantiate(config.data), StepTimes()
            trainer = instantiate(
                config.trainer,
                accelerator="cpu",
                precision=precision,
                max_steps=steps + 1,
                limit_val_batches=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
                logger=TensorBoardLogger(folder / "runs"),
                callbacks=[watch],
            )
            trainer.fit(module, datamodule=data)
            lightning += np.diff(watch.ends).tolist()
            module = instantiate(config.model)
            ends = [time.perf_counter() for _ in bare_loop(module, data, steps + 1, precision)]
            bare += np.diff(ends).tolist()
        a, b = median(lightning), median(bare)
        result[precision] = {"lightning": a, "bare": b, "ratio": a / b}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=8, help="training steps a turn")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_workspace(folder)
        with initialize_config_module("understudy.conf", version_base="1.3"):
            config = compose("train", ["model=sda", "subject=demo", f"workspace={folder}", "trainer=cpu"])
        generator: Generator = instantiate(config.model.generator).eval()
        parities = []
        for chunk in CHUNKS:
            (folder / str(chunk)).mkdir()
            parities.append(export_onnx(generator, folder / str(chunk), chunk=chunk))
        draw = drawers(generator, folder, threads=1)["PyTorch"]
        with FlopCounterMode(display=False) as counter:
            draw(25)
        figures: dict[str, Any] = {
            "parameters": sum(p.numel() for p in generator.parameters()),
            "gflop_per_frame": counter.get_total_flops() / 25 / 1e9,
            "onnx_parity": max(parities),
            "ms_per_frame": time_frames(generator, folder, arguments.repeats),
        }
        torch.set_num_threads(2)
        figures["seconds_per_step"] = time_steps(config, arguments.steps, arguments.repeats, folder)
    rows: list[list[Any]] = [
        ["parameters", f"{figures['parameters'] / 1e6:.1f} M", "55 M"],
        ["GFLOP a frame", f"{figures['gflop_per_frame']:.2f}", "2.7"],
    ]
    rows += [
        [
            f"ms a frame: {name}",
            f"{ms:.2f}",
            ORIGINAL_MS_PER_FRAME.get(int(name.split()[-1]), "") if "1 thread," in name else "",
        ]
        for name, ms in figures["ms_per_frame"].items()
    ]
    for precision, loops in figures["seconds_per_step"].items():
        rows.append([f"s a step: {precision}, Lightning", f"{loops['lightning']:.3f}", "7.7"])
        rows.append([f"s a step: {precision}, bare loop", f"{loops['bare']:.3f}", ""])
        rows.append([f"Lightning over bare: {precision}", f"{loops['ratio']:.3f}", ""])
    print_table(["figure", "ours", "original"], rows)
    if arguments.out:
        write_json(arguments.out, figures)


if __name__ == "__main__":
    main()
