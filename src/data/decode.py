"""Step 2, first part: decode a recording, and keep what every later decision is made from.

    audio.wav    16 kHz mono, for everything that listens
    audio.flac   mono at the recording's own rate, for the voice
    speech.npy   (hops,) float16: probability of speech, every 32 ms
    changes.npy  (frames,) float16: how much each picture differs from the one before, 25 a second

No threshold has a say here: changing one never makes a recording be decoded again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import soundfile

from understudy.data.manifest import Clip, Drop
from understudy.data.media import SAMPLE_RATE, probe, read_frames, stream_audio
from understudy.data.scrape import source_path
from understudy.data.stage import Stage
from understudy.data.voice_activity import VoiceActivity

THUMBNAIL = (96, 72)  # width, height


@dataclass
class Decode(Stage):
    """Whole recordings, streamed: an hour takes no more memory than a minute."""

    name: ClassVar[str] = "decode"

    voice_activity: VoiceActivity = field(default_factory=VoiceActivity)

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        path = source_path(workspace, clip.source)
        info = probe(path)
        if not info.has_audio:
            yield Drop(clip.id, clip.start, clip.end, "no sound")
            return
        self.voice_activity.reset()  # the recording before may have ended in an error
        speech, peak = [np.zeros(0, np.float32)], 0.0
        with soundfile.SoundFile(folder / "audio.wav", "w", SAMPLE_RATE, 1, "PCM_16") as file:
            for block in stream_audio(path, block=SAMPLE_RATE):
                file.write(block.clip(-1, 1))
                peak = max(peak, float(np.abs(block).max()))
                speech.append(self.voice_activity.push(block))
            speech.append(self.voice_activity.finish())
            duration = len(file) / SAMPLE_RATE
        if peak == 0.0:
            yield Drop(clip.id, clip.start, clip.end, "silent throughout")
            return
        with soundfile.SoundFile(folder / "audio.flac", "w", info.sample_rate, 1, "PCM_16") as file:
            for block in stream_audio(path, sample_rate=info.sample_rate, block=info.sample_rate):
                file.write(block.clip(-1, 1))
        np.save(folder / "speech.npy", np.concatenate(speech).astype(np.float16))
        fields = {name: self.path_in(folder, file) for name, file in self._files(info.has_video)}
        if info.has_video:
            np.save(folder / "changes.npy", picture_changes(path).astype(np.float16))
        whole = clip if duration <= clip.end else clip.part(0.0, duration)  # the header may be wrong
        yield whole.add(**fields)

    def _files(self, has_video: bool) -> Iterable[tuple[str, str]]:
        yield from (("audio", "audio.wav"), ("audio_full", "audio.flac"), ("speech", "speech.npy"))
        if has_video:
            yield "changes", "changes.npy"


def picture_changes(path: Path) -> np.ndarray:
    """(frames,) float32: mean change of hue, saturation and brightness from the picture before.

    The content value of PySceneDetect, on thumbnails and kept, so that its threshold can be chosen later.
    """
    changes, before = [], None
    for frame in read_frames(path, size=THUMBNAIL):
        picture = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
        changes.append(0.0 if before is None else float(cv2.absdiff(picture, before).mean()))
        before = picture
    return np.array(changes, np.float32)
