"""Whether animating an hour takes more memory than a minute.

    python experiments/bench_animate.py --twin workspace/demo/twin --image PORTRAIT --audio SPEECH

Repeats the speech to each length, runs `understudy animate` on it in a process of its own, and prints
that process's peak memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.tables import print_table


def repeated(speech: np.ndarray, minutes: float, path: Path) -> None:
    """`speech` (samples,) over and over until `minutes` are full, as a 16 kHz WAV."""
    left = round(minutes * 60 * SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        while left > 0:
            file.write(speech[:left])
            left -= len(speech)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--twin", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--audio", required=True)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 60])
    arguments = parser.parse_args()
    speech = read_audio(arguments.audio)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in sorted(arguments.minutes):  # the peak is over all children so far
            audio, out = Path(folder) / "speech.wav", Path(folder) / "out.mp4"
            repeated(speech, minutes, audio)
            began = time.monotonic()
            settings = {"twin": arguments.twin, "image": arguments.image, "audio": audio, "out": out}
            command = [sys.executable, "-m", "understudy", "animate"]
            subprocess.run([*command, *(f"{k}={v}" for k, v in settings.items())], check=True)
            wall = time.monotonic() - began
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            rows.append([minutes, f"{peak:.0f}", f"{wall:.0f}", f"{minutes * 60 / wall:.1f}"])
    print_table(["minutes", "peak MiB", "seconds", "times real time"], rows)


if __name__ == "__main__":
    main()
