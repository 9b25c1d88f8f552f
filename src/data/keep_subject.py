"""Step 3, last part: which of the voices is the subject's; only its clips go on."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from understudy.data.embedding import GE2E, Reliability, SpeakerEncoder, unit
from understudy.data.manifest import Clip, Drop
from understudy.data.media import SAMPLE_RATE, Seconds, read_audio
from understudy.data.speaker_report import report
from understudy.data.speakers import UNCERTAIN, distances_to, load_embeddings
from understudy.data.stage import SetStage
from understudy.errors import UserError
from understudy.tables import duration

Centres = dict[str, np.ndarray]  # of every speaker (dim,), who speaks most first
MIN_REFERENCE: Seconds = 1.0
MAX_REFERENCE: Seconds = 60.0  # more says no more


@dataclass
class KeepSubject(SetStage):
    """Keeps one speaker's clips and adds `speaker_distance`, the cosine distance to their centre.

    `choose` is "reference" (who sounds like that recording), "largest" (who speaks most) or a speaker's
    label; if not given, the reference where there is one, else the largest.
    """

    name: ClassVar[str] = "subject"
    reads: ClassVar[tuple[str, ...]] = ("speaker", "embedding", "audio", "gain")

    encoder: SpeakerEncoder = field(default_factory=GE2E)
    reliability: Reliability = field(default_factory=lambda: Reliability(half=0.63, shortest=1.6))
    reference: str | None = None  # sound or video with a few seconds of the subject alone
    choose: str | None = None
    max_distance: float = 0.16  # only drawn here; `speakers` applies it
    max_reference_distance: float = 0.25
    reference_content: str = field(init=False, default="")  # so that another recording is another key

    def __post_init__(self) -> None:
        self.choose = self.choose or ("reference" if self.reference else "largest")
        if self.choose == "reference" and self.reference is None:
            raise UserError("stages.subject.choose=reference: there is none; give subject.reference=FILE")

    def key(self, *clips: Clip) -> str:
        if self.choose == "reference":  # read only now: the demo's is made by then
            path = Path(str(self.reference)).expanduser()
            if not path.is_file():
                raise UserError(f"subject.reference={self.reference}: there is no such file")
            with path.open("rb") as file:
                self.reference_content = hashlib.file_digest(file, "sha256").hexdigest()
        return super().key(*clips)

    def process_set(self, clips: Sequence[Clip], workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        vectors = load_embeddings(clips, workspace)
        speakers = np.array([speaker_of(clip) for clip in clips])
        durations = np.array([clip.duration for clip in clips])
        centres = speaker_centres(speakers, vectors, durations)
        subject = self._choose(centres, speakers, durations)
        for clip, vector in zip(clips, vectors, strict=True):
            if speaker_of(clip) == subject:
                distance = 1 - float(vector @ centres[subject])
                yield clip.add(speaker_distance=round(distance, 3))
            elif speaker_of(clip) == UNCERTAIN:
                yield Drop(clip.id, clip.start, clip.end, "voice not certain")
            else:
                yield Drop(clip.id, clip.start, clip.end, f"another speaker ({speaker_of(clip)})")
        report(
            clips,
            vectors,
            self.reliability(durations),
            centres,
            subject,
            self.max_distance,
            workspace,
            folder,
        )

    def _choose(self, centres: Centres, speakers: np.ndarray, durations: np.ndarray) -> str:
        """Whose clips are kept."""
        heard = ", ".join(f"{name} {duration(durations[speakers == name].sum())}" for name in centres)
        if not centres:
            raise UserError("stages.subject: no voice is certain; raise stages.speakers.max_distance")
        if self.choose == "reference":
            return self._like_reference(centres, heard)
        if self.choose == "largest":
            return next(iter(centres))
        if self.choose not in centres:
            raise UserError(f"stages.subject.choose={self.choose}: there is no such speaker; heard: {heard}")
        return str(self.choose)

    def _like_reference(self, centres: Centres, heard: str) -> str:
        """The speaker who is nearest to the reference."""
        samples = read_audio(Path(str(self.reference)).expanduser(), end=MAX_REFERENCE)
        seconds = len(samples) / SAMPLE_RATE
        if seconds < MIN_REFERENCE:
            raise UserError(
                f"subject.reference={self.reference}: lasts {seconds:.1f} s; give some seconds of the voice"
            )
        vector = self.encoder(samples)
        known = np.array([self.reliability(seconds)])
        distances = distances_to(np.stack(list(centres.values())), vector[None], known)[0]
        nearest = list(centres)[int(distances.argmin())]
        if distances.min() > self.max_reference_distance:
            raise UserError(
                f"subject.reference={self.reference}: sounds like nobody here (nearest is {nearest} at "
                f"{distances.min():.2f}, {self.max_reference_distance:g} is the limit); give another, or "
                f"stages.subject.choose=SPEAKER of: {heard}"
            )
        return nearest


def speaker_centres(speakers: np.ndarray, vectors: np.ndarray, durations: np.ndarray) -> Centres:
    """The mean direction of every speaker's clips, long ones counting more; the uncertain have none."""
    spoken = {name: durations[speakers == name].sum() for name in np.unique(speakers) if name != UNCERTAIN}
    names = sorted(spoken, key=lambda name: (-spoken[name], name))
    return {str(n): unit(durations[speakers == n] @ vectors[speakers == n]) for n in names}


def speaker_of(clip: Clip) -> str:
    """A person may have taken the label away."""
    return str(clip.fields.get("speaker", UNCERTAIN))
