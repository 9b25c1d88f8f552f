"""Step 2, second part: cut recordings into stretches of speech, at pauses and at scene changes.

All times are whole video frames (25 a second), so that sound and pictures of a clip end together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import soundfile

from understudy.data.manifest import Clip, Drop
from understudy.data.media import FPS, SAMPLES_PER_FRAME, Seconds
from understudy.data.stage import Stage
from understudy.data.voice_activity import VoiceActivity
from understudy.errors import UserError

Span = tuple[int, int]  # first frame and the one after the last


@dataclass
class Cut(Stage):
    """Clips of `min_duration` to `max_duration`, never cut inside a word.

    Adds `scenes`, a file (scenes,) of the recording's frames with which another scene begins. Where the
    picture changes while the voice goes on (a cutaway, a damaged picture) the clip stays whole for its
    sound; `faces` parts it there.
    """

    name: ClassVar[str] = "cut"
    reads: ClassVar[tuple[str, ...]] = ("audio", "speech", "changes")

    min_duration: Seconds = 1.0
    max_duration: Seconds = 12.0
    speech_starts: float = 0.5  # probability from which on it is speech
    speech_ends: float = 0.35  # below it speech is over
    min_speech: Seconds = 0.2  # shorter bursts are coughs and clicks
    min_pause: Seconds = 0.4  # shorter ones belong to the sentence
    max_join_pause: Seconds = 1.0  # up to here a clip that is too short is joined to its neighbour
    padding_before: Seconds = 0.3  # consonants begin before the detector hears a voice
    padding_after: Seconds = 0.2
    scene_ratio: float = 3.0  # of a picture's change to that of its neighbours
    min_scene_change: float = 1.5  # mean change of 0..255
    quiet_below: float = 20.0  # dB under the voice: a scene change there falls between words

    def __post_init__(self) -> None:
        if self.max_duration - self.padding_before - self.padding_after < max(self.min_duration, 1.0):
            raise UserError(
                f"stages.cut.max_duration={self.max_duration:g}: leaves no room for min_duration, or a "
                "second, between padding_before and padding_after; make it longer"
            )

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        level = frame_levels(workspace / clip["audio"])
        hops = np.load(workspace / clip["speech"]).astype(np.float32)
        speech = per_frame(hops, len(level))
        scenes: list[int] = []
        fields = {}
        if "changes" in clip.fields:
            changes = np.load(workspace / clip["changes"]).astype(np.float32)
            scenes = scene_changes(changes, ratio=self.scene_ratio, min_change=self.min_scene_change)
            np.save(folder / "scenes.npy", np.array(scenes, np.int64))
            fields["scenes"] = self.path_in(folder, "scenes.npy")
        voiced = close_gaps(self._voiced(speech), self._frames(self.min_pause))
        voiced = [(a, b) for a, b in voiced if b - a >= self._frames(self.min_speech)]
        parted = [part for span in voiced for part in self._part_at_scenes(span, scenes, level)]
        bounded = [part for span in parted for part in self._part_at_pauses(span, speech, level)]
        spans = self._join_short(self._pad(bounded, scenes, len(level)), scenes)
        if not len(level):
            yield Drop(clip.id, clip.start, clip.end, f"shorter than {self.min_duration:g} s")
        for result in self._tell(clip, spans, len(level)):
            yield result.add(**fields) if isinstance(result, Clip) else result

    def _frames(self, seconds: Seconds) -> int:
        return round(seconds * FPS)

    def _voiced(self, speech: np.ndarray) -> list[Span]:
        """Runs that reach `speech_starts`, for as long as they stay above `speech_ends`."""
        return [
            (a, b) for a, b in runs(speech >= self.speech_ends) if speech[a:b].max() >= self.speech_starts
        ]

    def _part_at_scenes(self, span: Span, scenes: Sequence[int], level: np.ndarray) -> list[Span]:
        """Scene changes part speech where it is quiet; elsewhere they would part a word."""
        start, end = span
        voice = np.percentile(level[start:end], 90)
        edges = [start]
        for cut in scenes:
            if start < cut < end and level[max(cut - 2, start) : cut + 1].min() < voice - self.quiet_below:
                edges.append(cut)
        edges.append(end)
        return list(pairwise(edges))

    def _part_at_pauses(self, span: Span, speech: np.ndarray, level: np.ndarray) -> list[Span]:
        """What is too long is cut where it sounds least like speech, then where it is quietest."""
        start, end = span
        room = self._frames(self.padding_before) + self._frames(self.padding_after)
        longest = self._frames(self.max_duration) - room
        shortest = self._frames(self.min_duration)
        parts = []
        while end - start > longest:
            first, last = start + max(longest // 2, shortest), min(start + longest, end - shortest)
            if first >= last:
                first, last = start + longest - 1, start + longest
            smooth = np.convolve(level, np.ones(3) / 3, mode="same")[first:last]  # not a stop's closure
            cut = first + int(np.argmin(smooth + 20 * speech[first:last]))  # dB; a sure voice weighs 20
            parts.append((start, cut))
            start = cut
        return [*parts, (start, end)]

    def _pad(self, spans: Sequence[Span], scenes: Sequence[int], length: int) -> list[Span]:
        """Room before and after, up to half a pause and clear of scene changes, where codecs blend."""
        before, after = self._frames(self.padding_before), self._frames(self.padding_after)
        padded = []
        for k, (start, end) in enumerate(spans):
            middle_before = (spans[k - 1][1] + start + 1) // 2 if k else 0
            middle_after = (end + spans[k + 1][0]) // 2 if k + 1 < len(spans) else length
            scene_before = max((c + 2 for c in scenes if c <= start), default=0)
            scene_after = min((c - 2 for c in scenes if c >= end), default=length)
            padded.append(
                (
                    min(max(start - before, middle_before, scene_before), start),
                    max(min(end + after, middle_after, scene_after), end),
                )
            )
        return padded

    def _join_short(self, spans: Sequence[Span], scenes: Sequence[int]) -> list[Span]:
        """Too short a clip takes in its neighbour, if a short pause and no scene change parts them."""
        shortest, longest = self._frames(self.min_duration), self._frames(self.max_duration)
        joined: list[Span] = []
        for start, end in spans:
            if joined:
                before = joined[-1]
                short = min(before[1] - before[0], end - start) < shortest
                near = start - before[1] <= self._frames(self.max_join_pause)
                same_scene = not any(before[1] <= cut <= start for cut in scenes)
                if short and near and same_scene and end - before[0] <= longest:
                    joined[-1] = (before[0], end)
                    continue
            joined.append((start, end))
        return joined

    def _tell(self, clip: Clip, spans: Sequence[Span], length: int) -> Iterable[Clip | Drop]:
        """Clips, and all that lies between them with its reason."""
        done = 0
        for start, end in spans:
            if start > done:
                yield Drop(clip.id, done / FPS, start / FPS, "no speech")
            if end - start < self._frames(self.min_duration):
                yield Drop(clip.id, start / FPS, end / FPS, f"shorter than {self.min_duration:g} s")
            else:
                yield clip.part(start / FPS, end / FPS)
            done = end
        if done < length:
            yield Drop(clip.id, done / FPS, length / FPS, "no speech")


def frame_levels(path: Path) -> np.ndarray:
    """(frames,) float32: loudness of every 40 ms in dB of full scale, read in blocks."""
    energies = []
    with soundfile.SoundFile(path) as file:
        for block in file.blocks(1500 * SAMPLES_PER_FRAME, dtype="float32", fill_value=0.0):
            energies.append(np.square(block.reshape(-1, SAMPLES_PER_FRAME)).mean(axis=1))
        frames = len(file) // SAMPLES_PER_FRAME
    return 10 * np.log10(np.concatenate(energies)[:frames] + 1e-9)


def per_frame(hops: np.ndarray, frames: int, *, first: int = 0) -> np.ndarray:
    """(frames,) from frame `first` on: the highest of (hops,) probabilities that touch each; 0 beyond."""
    starts = np.arange(first, first + frames) * SAMPLES_PER_FRAME
    touched = [(starts + k) // VoiceActivity.hop_length for k in (0, SAMPLES_PER_FRAME - 1)]
    inside = [np.where((k >= 0) & (k < len(hops)), hops[k.clip(0, len(hops) - 1)], 0.0) for k in touched]
    return np.maximum(*inside)


def scene_changes(changes: np.ndarray, *, ratio: float, min_change: float) -> list[int]:
    """Frames with which another scene begins, from (frames,) changes of every picture to the next.

    A change counts if it is `ratio` times the mean of the two on either side, as PySceneDetect's
    AdaptiveDetector has it. Repeated pictures (slow sources at 25 fps) are passed over.
    """
    moved = np.flatnonzero(changes > 0)
    if len(moved) == 0:
        return []
    padded = np.pad(changes[moved], 2, mode="reflect" if len(moved) > 2 else "edge")
    around = (padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]) / 4
    found = (changes[moved] >= min_change) & (changes[moved] >= ratio * np.maximum(around, 0.3))
    return [int(frame) for frame in moved[found]]


def runs(mask: np.ndarray) -> list[Span]:
    """Where (frames,) bool is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def close_gaps(spans: Sequence[Span], shortest: int) -> list[Span]:
    """Spans with gaps of less than `shortest` frames filled."""
    closed: list[Span] = []
    for start, end in spans:
        if closed and start - closed[-1][1] < shortest:
            closed[-1] = (closed[-1][0], end)
        else:
            closed.append((start, end))
    return closed
