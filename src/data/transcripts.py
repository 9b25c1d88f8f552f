"""What the subject says in recordings, as messages."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from understudy.data.chats.message import Message
from understudy.data.edits import EDITS, apply_edits
from understudy.data.manifest import read_manifest

TRANSCRIPTS = Path("manifests", "transcribe.jsonl")


def spoken(workspace: Path, name: str) -> Iterator[Message]:
    """A message for each transcribed clip, corrected as a person has it; a recording is a chat of one.

    None where nothing is transcribed. A recording whose date is not known has that of the transcripts.
    """
    manifest = workspace / TRANSCRIPTS
    if not manifest.exists():
        return
    transcribed = datetime.fromtimestamp(manifest.stat().st_mtime)

    @cache
    def recorded(source: str) -> datetime:
        record = workspace / "sources" / f"{source}.json"
        date = json.loads(record.read_text("utf-8")).get("date") if record.exists() else None
        return datetime.fromisoformat(date) if date else transcribed

    listed = read_manifest(manifest)
    lines = {clip.id: line for line, clip in enumerate(listed, start=1)}
    clips, _, _ = apply_edits(listed, workspace / EDITS)
    for clip in clips:
        if text := clip.fields.get("text"):
            sent = recorded(clip.source) + timedelta(seconds=clip.start)
            line = lines.get(clip.id, 0)  # 0: an edit made it
            yield Message(clip.source, name, sent, text, "text", str(manifest), line)
