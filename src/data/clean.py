"""Step 2: one clock and one sound format for every recording, in pieces of bounded length."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile

from understudy.data.manifest import Clip, Drop
from understudy.data.media import FPS, SAMPLE_RATE, Seconds, probe, stream_audio
from understudy.data.scrape import source_path
from understudy.data.stage import Stage

FRAME = 1 / FPS


@dataclass
class Clean(Stage):
    """Writes 16 kHz mono sound and cuts long recordings at their quietest moments.

    Cuts fall on the 25 fps grid. Pieces last `min_duration` to `max_duration` seconds.
    """

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 2

    min_duration: Seconds = 1.0
    max_duration: Seconds = 12.0

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        path = source_path(workspace, clip.source)
        info = probe(path)
        if not info.has_audio:
            yield Drop(clip.id, clip.start, clip.end, "no sound")
            return
        if not info.has_video:
            yield Drop(clip.id, clip.start, clip.end, "no pictures")
            return
        energy = []  # (video frames,)
        peak = 0.0
        samples_per_frame = round(SAMPLE_RATE * FRAME)
        with soundfile.SoundFile(folder / "audio.wav", "w", SAMPLE_RATE, 1, "PCM_16") as file:
            for block in stream_audio(path, block=SAMPLE_RATE):  # a whole number of frames
                file.write(block.clip(-1, 1))
                peak = max(peak, float(np.abs(block).max()))
                whole = block[: len(block) // samples_per_frame * samples_per_frame]
                energy.append(np.square(whole.reshape(-1, samples_per_frame)).mean(axis=1))
        if peak == 0.0:
            yield Drop(clip.id, clip.start, clip.end, "silent throughout")
            return
        audio = self.path_in(folder, "audio.wav")
        for start, end in self.cuts(np.concatenate(energy), clip.end):
            if end - start < self.min_duration:
                yield Drop(clip.id, start, end, f"shorter than {self.min_duration:g} s")
            else:
                yield clip.part(start, end).add(audio=audio)

    def cuts(self, energy: np.ndarray, duration: Seconds) -> Iterable[tuple[Seconds, Seconds]]:
        """Start and end of each piece, from the sound's energy per video frame (frames,)."""
        smooth = np.convolve(energy, np.ones(5) / 5, mode="same")  # a pause, not a stop's closure
        longest, shortest = round(self.max_duration * FPS), round(self.min_duration * FPS)
        start = 0
        end = round(duration * FPS)
        while end - start > longest:
            first = start + max(longest // 2, shortest)
            last = min(start + longest, end - shortest)
            cut = first + int(np.argmin(smooth[first:last])) if first < min(last, len(smooth)) else last
            yield start * FRAME, cut * FRAME
            start = cut
        yield start * FRAME, end * FRAME
