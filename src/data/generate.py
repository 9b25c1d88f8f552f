"""Step 9, first part: what the twin's voice makes of every clip's text, on the clip's own timing.

Ground-truth-aligned synthesis: its mels lie frame by frame on the real sound. A vocoder is fine-tuned
on them, and pairs are made of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from understudy.data.manifest import Clip, Drop
from understudy.data.pronounce import UnsayableError
from understudy.data.sound import voice_sound
from understudy.data.stage import Stage
from understudy.data.token_times import times_in
from understudy.data.twin_tts import TwinVoice


@dataclass
class Generate(Stage):
    """Adds `mel`, the path of an .npy (n_mels, frames), a natural logarithm, as long as `voice_sound`."""

    name: ClassVar[str] = "generate"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("audio_full", "gain", "text", "words")

    voice: TwinVoice

    def setup(self) -> None:
        torch.set_num_threads(1)  # workers share the cores, and the last bits depend on the number
        self.voice.setup()

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        samples = voice_sound(clip, workspace, self.voice.sample_rate, self.voice.hop_length)
        try:
            said = self.voice.along(clip["text"], samples, times_in(clip))
        except UnsayableError as error:
            yield Drop(clip.id, clip.start, clip.end, error.reason)
            return
        np.save(folder / "mel.npy", said.speech.mel.cpu().float().numpy())
        yield clip.add(mel=self.path_in(folder, "mel.npy"))
