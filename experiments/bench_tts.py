"""How soon and how fast a voice speaks, stage by stage.

    python experiments/bench_tts.py TTS --vocoder FOLDER [FOLDER ...] [--rounds N]

TTS is an exported voice (twin/tts), a FOLDER an exported vocoder. Texts of about 1, 5 and 20 seconds are
spoken with 1 and 2 threads, by PyTorch and, where there are files for it, by ONNX Runtime. Prints a table in
Markdown. Times are medians of the rounds, on this machine:

    first sound   from the whole text to the first piece of sound, as `understudy speak` gives it
    text          from spelling to phones, seconds for a second of speech
    acoustic      from phones to mels, likewise
    vocoder       from mels to sound, likewise
    real time     all three, likewise: below 1 is faster than speech
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor
from tqdm import tqdm

from understudy.data.clauses import clauses
from understudy.data.twin_tts import TwinVoice
from understudy.models.tts.fastspeech import token_of_frame, whole_frames
from understudy.models.vocoder import Vocoder, whole
from understudy.stream.voice import Sound, Voice

SENTENCES = (
    "Put the red one here now.",
    "She had meant to write to him long before, but the days went by and nothing happened.",
    "When the ship came into the harbour at last, half of the town was standing on the pier, in the rain.",
    "Nobody knew who had told them, for there had been no news since the beginning of the winter.",
    "An old man took off his hat and began to count the people on deck, slowly, one after the other.",
)
TEXTS = (SENTENCES[0], SENTENCES[1], " ".join(SENTENCES[1:]))

Speak = Callable[[Tensor], Tensor]  # (tokens,) -> (n_mels, frames)
Vocode = Callable[[Tensor], object]  # of (n_mels, frames)


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ways_to_speak(folder: Path, voice: TwinVoice) -> dict[str, Speak]:
    ways: dict[str, Speak] = {"PyTorch": lambda ids: voice.network.synthesize(ids).mel}
    if (folder / "encoder.onnx").exists():
        encoder, decoder = session_of(folder / "encoder.onnx"), session_of(folder / "decoder.onnx")

        def speak(ids: Tensor) -> Tensor:
            hidden, log_durations, pitch, energy = encoder.run(None, {"ids": ids[None].numpy()})
            frames, _ = token_of_frame(whole_frames(torch.from_numpy(log_durations).expm1()))
            given = {"hidden": hidden, "pitch": pitch, "energy": energy, "frames": frames.numpy()}
            return torch.from_numpy(decoder.run(None, given)[0][0])

        ways["ONNX Runtime"] = speak
    return ways


def ways_to_sound(folder: Path, vocoder: Vocoder) -> dict[str, Vocode]:
    ways: dict[str, Vocode] = {"PyTorch": lambda mel: whole(vocoder, mel)}
    if (folder / "vocoder.onnx").exists():
        session = session_of(folder / "vocoder.onnx")
        ways["ONNX Runtime"] = lambda mel: session.run(None, {"mel": mel[None].numpy()})
    return ways


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median time of a call, after one that is not counted."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def each(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [work(item) for item in items]


def first_sound(voice: Voice, text: str) -> Sound:
    return next(voice.stream([text]))


def measure(tts: Path, vocoder: Path, threads: int, rounds: int) -> list[list[object]]:
    torch.set_num_threads(threads)
    voice = Voice(tts, vocoder, device="cpu")
    speaking, sounding = ways_to_speak(tts, voice.voice), ways_to_sound(vocoder, voice.vocoder)
    pronounce = voice.voice.pronouncer.tokens
    rows: list[list[object]] = []
    for text in tqdm(TEXTS, f"{vocoder.name}, {threads} threads", leave=False):
        parts = clauses(text)
        ids = [torch.from_numpy(said.ids) for said in each(pronounce, parts)]
        reading = seconds(partial(each, pronounce, parts), rounds)
        first = seconds(partial(first_sound, voice, text), rounds)
        for way in (way for way in speaking if way in sounding):
            mels = each(speaking[way], ids)
            duration = sum(mel.shape[1] for mel in mels) * voice.voice.log_mel.frame
            acoustic = seconds(partial(each, speaking[way], ids), rounds)
            vocoding = seconds(partial(each, sounding[way], mels), rounds)
            stages = [took / duration for took in (reading, acoustic, vocoding)]
            soon = first if way == "PyTorch" else ""
            rows.append([vocoder.name, way, threads, duration, soon, *stages, sum(stages)])
    return rows


def print_markdown(rows: Sequence[Sequence[object]]) -> None:
    print("| vocoder | by | threads | speech, s | first sound, s | text | acoustic | vocoder | real time |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in row)
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tts", type=Path)
    parser.add_argument("--vocoder", type=Path, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    pairs = [(vocoder, threads) for vocoder in arguments.vocoder for threads in (1, 2)]
    print_markdown([row for pair in pairs for row in measure(arguments.tts, *pair, arguments.rounds)])


if __name__ == "__main__":
    main()
