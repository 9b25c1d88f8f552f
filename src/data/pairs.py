"""Step 9: pairs of synthetic speech and real video, of one text and on one timing.

A pair is a clip whose words the twin's voice says when the person said them: a talking face can
learn from its sound as from the real one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import librosa
import numpy as np
import soundfile
import torch
from filelock import FileLock, Timeout

from understudy.data.edits import EDITS, apply_edits
from understudy.data.histograms import draw_histograms
from understudy.data.manifest import Clip, Drop, read_manifest
from understudy.data.media import SAMPLE_RATE, Seconds
from understudy.data.prepare import tell
from understudy.data.recognizers import Word
from understudy.data.sound import clip_audio
from understudy.data.stage import Executor, Stage, run_stage
from understudy.data.twin_vocoder import TwinVocoder
from understudy.data.word_times import Aligner, SphinxAligner
from understudy.errors import UserError
from understudy.tables import print_table, write_json


@dataclass
class Pair(Stage):
    """Adds `pair`, a FLAC at 16 kHz as long as the clip to the sample, and how far its words are off.

    `boundary_errors` are the distances, in seconds, between where each word begins and ends in the
    synthetic sound and in the real one, as one aligner finds both.
    """

    name: ClassVar[str] = "pair"
    reads: ClassVar[tuple[str, ...]] = ("audio", "gain", "text", "mel")

    vocoder: TwinVocoder
    aligner: Aligner = field(default_factory=SphinxAligner)

    def setup(self) -> None:
        torch.set_num_threads(1)  # workers share the cores, and the last bits depend on the number
        self.vocoder.setup()
        self.aligner.setup()

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        real = clip_audio(clip, workspace)
        samples = self.vocoder(np.load(workspace / clip["mel"]))
        spoken = len(samples) / self.vocoder.sample_rate
        if abs(spoken - clip.duration) > 0.02:  # seconds; more than rounding to whole hops
            raise UserError(
                f"{self.vocoder.pretrained}: makes {spoken:.2f} s of a clip of {clip.duration:.2f} s, so it "
                "is no vocoder for this voice; train one (understudy train model=vocoder)"
            )
        samples = librosa.resample(
            samples, orig_sr=self.vocoder.sample_rate, target_sr=SAMPLE_RATE, res_type="soxr_hq"
        )
        # mels have whole hops: at most half of one is cut off, or silence put behind
        samples = np.pad(samples[: len(real)], (0, max(len(real) - len(samples), 0)))
        errors = boundary_errors(*(self.aligner.align(sound, clip["text"]) for sound in (real, samples)))
        if not errors:
            yield Drop(clip.id, clip.start, clip.end, "its words are not found in both sounds")
            return
        soundfile.write(folder / "pair.flac", samples, SAMPLE_RATE, subtype="PCM_16")
        yield clip.add(
            pair=self.path_in(folder, "pair.flac"), boundary_errors=[round(error, 4) for error in errors]
        )


@dataclass
class KeepPairs(Stage):
    """Keeps pairs whose `boundary_error`, the 95th percentile, is at most `max_boundary_error`."""

    name: ClassVar[str] = "pairs"
    reads: ClassVar[tuple[str, ...]] = ("boundary_errors",)

    max_boundary_error: Seconds = 0.04

    def process(self, clip: Clip, workspace: Path, folder: Path) -> Iterable[Clip | Drop]:
        error = round(float(np.percentile(clip["boundary_errors"], 95)), 4)
        if error > self.max_boundary_error:
            yield Drop(
                clip.id, clip.start, clip.end, f"words are more than {self.max_boundary_error:g} s off"
            )
        else:
            yield clip.add(boundary_error=error)


def boundary_errors(real: Sequence[Word], synthetic: Sequence[Word]) -> list[Seconds]:
    """How far apart each word's beginning is, and its end; nothing where the words are not the same."""
    if [word.text for word in real] != [word.text for word in synthetic]:
        return []
    return [
        abs(there - here)
        for one, other in zip(real, synthetic, strict=True)
        for there, here in ((one.start, other.start), (one.end, other.end))
    ]


def pair(*, workspace: str, stages: Mapping[str, Stage], engine: Executor, until: str | None = None) -> int:
    """The verb `pair`: all of the subject's clips that have a text through `stages`, and a report.

    `until=generate` stops where a vocoder has what it is fine-tuned on. 0 when everything went through, 1
    when items are set aside.
    """
    if until is not None and until not in stages:
        raise UserError(f"until={until}: there is no such stage; the stages are {', '.join(stages)}")
    names = list(stages)
    wanted = [stages[name] for name in names[: names.index(until) + 1 if until else None]]
    for stage in wanted:
        stage.key()  # of nothing: a model that is not there is told now, not after an hour
    folder = Path(workspace)
    listed = read_manifest(folder / "manifests" / "transcribe.jsonl")
    everything, _, _ = apply_edits(listed, folder / EDITS)  # corrections count from the moment they are made
    clips = [clip for clip in everything if clip.fields.get("text")]
    reports = []
    try:
        with FileLock(folder / ".lock", timeout=0):
            for stage in wanted:
                clips, report = run_stage(stage, clips, folder, engine)
                reports.append(report)
            tell(reports, folder)
            if until is None:
                made = read_manifest(folder / "manifests" / "pair.jsonl")
                tell_boundaries(made, clips, folder, of=reports[0].clips_in)
    except Timeout:
        raise UserError(f"{folder}: another prepare or pair is at work there; wait for it to end") from None
    finally:
        engine.close()
    return 1 if any(report.failed for report in reports) else 0


def tell_boundaries(made: Sequence[Clip], kept: Sequence[Clip], workspace: Path, *, of: int) -> None:
    """How far words are off in pairs, all and those kept: a table, `manifests/pairs.json`, `pairs.png`.

    Their shares are shares `of` so many clips that have a text.
    """
    header = ["pairs", "clips", "share", "p50 (s)", "p95 (s)", "max (s)"]
    rows = [
        [which, len(pairs), len(pairs) / max(of, 1), *spread(pairs)]
        for which, pairs in (("all", made), ("kept", kept))
    ]
    write_json(workspace / "manifests" / "pairs.json", [dict(zip(header, row, strict=True)) for row in rows])
    if made:
        print_table(header, [row for row in rows if row[1]])
        errors = np.concatenate([clip["boundary_errors"] for clip in made])
        worst = np.array([np.percentile(clip["boundary_errors"], 95) for clip in made])
        numbers = {"boundaries (s)": (errors, ()), "95th percentile of a clip (s)": (worst, ())}
        draw_histograms("pairs", numbers, workspace, workspace)
    if kept:
        print(f"pairs  {workspace / 'manifests' / 'pairs.jsonl'}")
    else:
        print(f"no pairs  of {of} clips that have a text: {workspace / 'manifests'}/*.dropped.jsonl say why")


def spread(pairs: Sequence[Clip]) -> list[Seconds | None]:
    """Median, 95th percentile and maximum of how far their words are off; None where there are no words."""
    errors = [error for pair in pairs for error in pair["boundary_errors"]]
    return np.percentile(errors, [50, 95, 100]).tolist() if errors else [None] * 3
