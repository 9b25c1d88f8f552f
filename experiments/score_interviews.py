"""How well `understudy prepare` found one person in recordings of which the truth is known.

    understudy prepare subject=folder subject.name=NAME 'subject.sources=[FOLDER]' subject.reference=FILE
    python experiments/score_interviews.py workspace/NAME FOLDER --subject s1

FOLDER holds RECORDING.mp4 with RECORDING.truth.json beside it: a list of stretches with `start`, `end`
(seconds), `speaker`, `face`, `kind` and `words` ([start, end, word]).

    recall      share of the subject's word time that lies in kept clips
    precision   share of kept clip time that lies in stretches of the subject
    others      the largest share of kept clip time of any other voice
    crossing    kept clips with a border between two stretches inside, by more than one frame
    purity      share of labelled time in which the label's main speaker speaks
    off-screen  the subject's stretches without a face: how many are kept, and how many of these say so
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from understudy.data.manifest import Clip, read_manifest
from understudy.data.speakers import UNCERTAIN
from understudy.errors import UserError
from understudy.tables import print_table

FRAME = 1 / 25
Stretch = dict[str, Any]


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return max(min(a[1], b[1]) - max(a[0], b[0]), 0.0)


def spoken_by(clip: Clip, truth: list[Stretch]) -> Counter[str]:
    """Seconds of each speaker's stretches in a clip; "nobody" where no one is to be heard."""
    seconds: Counter[str] = Counter()
    for stretch in truth:
        who = stretch["speaker"] or "nobody"
        seconds[who] += overlap((clip.start, clip.end), (stretch["start"], stretch["end"]))  # type: ignore[assignment]
    return seconds


def is_inside(stretch: Stretch, clip: Clip) -> bool:
    return stretch["start"] <= (clip.start + clip.end) / 2 < stretch["end"]


def score(name: str, truth: list[Stretch], manifests: dict[str, list[Clip]], subject: str) -> list[Any]:
    kept, pictured, labelled = (manifests[m] for m in ("transcribe", "faces", "speakers"))
    words = [w for stretch in truth if stretch["speaker"] == subject for w in stretch.get("words") or ()]
    heard = sum(overlap((w[0], w[1]), (clip.start, clip.end)) for w in words for clip in kept)
    times: Counter[str] = sum((spoken_by(clip, truth) for clip in kept), Counter())
    total = sum(clip.duration for clip in kept)
    others = [seconds for who, seconds in times.items() if who not in (subject, "nobody")]
    borders = [stretch["start"] for stretch in truth[1:]]
    crossing = sum(
        any(clip.start + FRAME < b < clip.end - FRAME for b in borders) for clip in kept + pictured
    )
    labels: dict[str, Counter[str]] = {}
    for clip in labelled:
        if clip["speaker"] == UNCERTAIN:
            continue
        labels.setdefault(clip["speaker"], Counter()).update(spoken_by(clip, truth))
    pure = sum(max(seconds.values()) for seconds in labels.values())
    speakers = {stretch["speaker"] for stretch in truth if stretch["kind"] == "speech"}
    hidden = [s for s in truth if s["speaker"] == subject and s["kind"] == "speech" and not s["face"]]
    found = [first for s in hidden if (first := next((c for c in pictured if is_inside(s, c)), None))]
    return [
        name,
        heard / max(sum(w[1] - w[0] for w in words), 1e-9),
        times[subject] / max(total, 1e-9),
        max(others, default=0.0) / max(total, 1e-9),
        crossing,
        pure / max(sum(sum(seconds.values()) for seconds in labels.values()), 1e-9),
        f"{len(labels)} of {len(speakers)}",
        f"{len(found)} of {len(hidden)}, {sum(clip.fields['face'] is False for clip in found)} marked",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path, help="recordings with their .truth.json")
    parser.add_argument("--subject", required=True, help="the subject's name in the truth")
    arguments = parser.parse_args()
    manifests = {
        stage: read_manifest(arguments.workspace / "manifests" / f"{stage}.jsonl")
        for stage in ("speakers", "transcribe", "faces")
    }
    rows = []
    for path in sorted(arguments.folder.glob("*.truth.json")):
        name = path.name.removesuffix(".truth.json")
        source = source_of(name, arguments.workspace)
        mine = {stage: [c for c in clips if c.source == source] for stage, clips in manifests.items()}
        rows.append(score(name, json.loads(path.read_text("utf-8")), mine, arguments.subject))
    header = [
        "recording",
        "recall",
        "precision",
        "others",
        "crossing",
        "purity",
        "speakers",
        "off-screen kept",
    ]
    print_table(header, rows)


def source_of(name: str, workspace: Path) -> str:
    """The source that was made from the recording of that name."""
    for path in (workspace / "sources").glob("*.json"):
        record = json.loads(path.read_text("utf-8"))
        if "origin" in record and Path(record["origin"]).stem == name:
            return path.stem
    raise UserError(f"{workspace}: holds no source made from {name}; prepare it first")


if __name__ == "__main__":
    main()
