"""Who corrects the demo's transcripts: somebody who knows what the puppets were made to say.

    python -m understudy.data.demo.proofread WORKSPACE

Writes what a person writes with `understudy review`, and nothing else reads the script.
"""

import json
import sys
from pathlib import Path
from typing import Any

from understudy.data.edits import EDITS, apply_edits
from understudy.data.manifest import Clip, read_manifest
from understudy.data.review.edit_log import EditLog


def proofread(workspace: Path) -> int:
    """Sets or confirms the text of every clip; gives how many were wrong."""
    listed = read_manifest(workspace / "manifests" / "transcribe.jsonl")
    clips, _, _ = apply_edits(listed, workspace / EDITS)
    rows: list[dict[str, Any]] = []
    for clip in (clip for clip in clips if not clip.fields.get("reviewed")):
        text = said_in(clip, workspace / "recordings")
        wrong = {} if text == clip.fields.get("text") else {"text": text}
        rows.append({"clip": clip.id, "set": {**wrong, "reviewed": True}})
    log = EditLog(workspace / EDITS)
    with log.turn():
        log.append(rows)
    return sum("text" in row["set"] for row in rows)


def said_in(clip: Clip, recordings: Path) -> str:
    """The script's words, punctuation and all, that are spoken between a clip's ends."""
    recording = clip.source.rpartition("-")[0]  # without the hash of its content
    # a source's name has no underscores
    truths = {path.name.replace("_", "-"): path for path in recordings.glob("*.truth.json")}
    truth = json.loads(truths[f"{recording}.truth.json"].read_text("utf-8"))
    script = " ".join(shot["text"] for shot in truth["shots"] if shot["speaker"]).split()
    words = zip(truth["words"], script, strict=True)
    return " ".join(word for t, word in words if clip.start < (t["start"] + t["end"]) / 2 < clip.end)


if __name__ == "__main__":
    print(f"corrected  {proofread(Path(sys.argv[1]))} transcripts, confirmed the others")
