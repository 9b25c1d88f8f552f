"""The clips under review as they stand, whoever changes them: this page, another one, or prepare."""

import threading
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import soundfile

from understudy.data.edits import EDITS, standing
from understudy.data.held_out import HELD_OUT, read_held_out
from understudy.data.manifest import Clip, read_manifest
from understudy.data.media import Seconds
from understudy.data.overlay import Edit, Overlay
from understudy.data.review.as_heard import as_heard
from understudy.data.review.edit_log import EditLog
from understudy.data.review.state import State, confirmed_twice
from understudy.data.review.suspicion import Suspicion
from understudy.data.review.tally import Tally
from understudy.data.review.vocabulary import Vocabulary
from understudy.data.review.wishes import RefusedError, Wishes

REMEMBERED = 500  # changes that a page may be behind before it has to read everything anew
DOUBTED = 0.3  # from this suspicion on a clip that was confirmed is asked for once more


@dataclass(frozen=True)
class Change:
    """What one step altered: clips that are new or other, and what took the place of those gone."""

    version: int
    rows: set[str]
    gone: dict[str, list[str]]


class Desk:
    """Keeps the manifest with its edits in memory and follows what is written to these files.

    What a model that never saw a clip thinks of its text (`held_out.jsonl`) counts as long as it is
    still that text. Of a confirmed clip nothing else counts: the person has answered the rest.

    Several servers may have the same workspace, and prepare may run. Callers hold `lock`.
    """

    def __init__(self, workspace: Path, manifest: str, suspicion: Suspicion, vocabulary: Vocabulary) -> None:
        self.workspace = workspace
        self.manifest = workspace / "manifests" / f"{manifest}.jsonl"
        self.suspicion = suspicion
        self.vocabulary = vocabulary
        self.lock = threading.RLock()
        self.instance = uuid.uuid4().hex  # versions are counted within one of these
        self.version = 0
        self._changes: deque[Change] = deque(maxlen=REMEMBERED)
        self._log = EditLog(workspace / EDITS)
        self._load()

    def _load(self) -> None:
        stamps, self._stamps = self._file_stamps(), None  # until all has been read
        clips, self.held_out = read_manifest(self.manifest), read_held_out(self.workspace / HELD_OUT)
        with self._log.turn():  # mends a last line that an earlier server did not finish
            self._log.rewind()
            self.edits = self._log.news()
        base = as_heard(clips, self.edits)
        self.heard = {clip.id: clip for clip in base}  # before anybody edited
        self._overlay = Overlay(base, standing(self.edits))
        self.suspicion.learn([self._with_judgement(self._as_heard(clip), clip) for clip in self._overlay])
        self.judged: dict[str, Clip] = {}  # what suspicion looks at, clip by clip
        self.scores: dict[str, float] = {}
        self._scored: dict[str, Clip] = {}  # the clips as they were when they were judged
        self._first_scores: dict[str, float] = {}  # of clips as they were heard
        self._renew()
        self._stamps = stamps

    def _renew(self) -> None:
        doubted = set()
        for clip in self._overlay:
            if self._scored.get(clip.id) is not clip:
                self._score(clip)
            if clip.fields.get("reviewed") and self.scores[clip.id] >= DOUBTED:
                doubted.add(clip.id)
        if doubted:
            doubted -= confirmed_twice(standing(self.edits))
        self.state = State.of(self._overlay, doubted)
        self.known = {edit.id for edit in self.edits}
        self._count()

    def _score(self, clip: Clip) -> None:
        heard = self._as_heard(clip)
        said = replace(heard, fields={}) if clip.fields.get("reviewed") else heard
        judged = self._with_judgement(said, clip)
        score = self.suspicion.score(judged)
        if clip.id not in self._first_scores:
            self._first_scores[clip.id] = score if judged is heard else self.suspicion.score(heard)
        self._scored[clip.id], self.judged[clip.id], self.scores[clip.id] = clip, judged, score

    def _as_heard(self, clip: Clip) -> Clip:
        return self.heard.get(clip.id, clip)

    def _with_judgement(self, said: Clip, now: Clip) -> Clip:
        """`said` with what a model thinks of the text that stands in the clip `now`."""
        judgement = self.held_out.get(now.id)
        return judgement.over(said) if judgement and judgement.holds(now) else said

    def _count(self) -> None:
        self.tally = Tally(self.state, self.heard, self._first_scores, self.vocabulary)

    def _file_stamps(self) -> list[tuple[int, int] | None]:
        """Of the files that are written anew as a whole."""
        return [_stamp(path) for path in (self.manifest, self.workspace / HELD_OUT)]

    def look(self) -> None:
        """Take in what has been written since: by another server, by hand, by prepare."""
        before, held_out = self.state, self.held_out
        if self._log.replaced() or self._stamps != self._file_stamps():
            self._load()
            if self.held_out != held_out:  # the order is another one: pages read everything anew
                self.instance = uuid.uuid4().hex
        elif edits := self._log.news():
            self._lay_over(edits)
        if self.state is not before:
            self.version += 1
            rows, gone = self.state.changed_since(before), self.state.successors_since(before)
            self._changes.append(Change(self.version, rows, gone))
        if self.vocabulary.look():
            self._count()
            self.version += 1

    def _lay_over(self, edits: Sequence[Edit]) -> None:
        self.edits += edits
        if any(edit.action == "undo" for edit in edits):
            self._overlay = Overlay(self.heard.values(), standing(self.edits))
        else:
            for edit in edits:
                self._overlay.do(edit)
        self._renew()

    def take(self, wishes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write down what a page wants, each wish by itself, and say of each what became of it.

        A wish that stands in the file already is answered as if it were new: a page that got no
        answer sends it again.
        """
        answers = []
        with self._log.turn():
            for wish in wishes:
                self.look()
                try:
                    lines = Wishes(self.state, self.known, self.length).lines(wish)
                except RefusedError as refused:
                    answers.append({"id": wish.get("id"), "kind": refused.kind, "why": str(refused)})
                    continue
                if lines:
                    self._log.append(lines)
                    self.look()
                answers.append({"id": wish["id"], "kind": "written" if lines else "unchanged"})
        return answers

    def changes_since(self, instance: str, version: int) -> list[Change] | None:
        """None where a page has missed too much and has to read everything anew."""
        forgotten = self._changes[0].version - 1 if len(self._changes) == REMEMBERED else 0
        if instance != self.instance or not forgotten <= version <= self.version:
            return None
        return [change for change in self._changes if change.version > version]

    def length(self, clip: Clip) -> Seconds | None:
        """Duration of the recording; None where its sound is not there."""
        audio = clip.fields.get("audio")
        return _length(str(self.workspace / audio)) if audio else None


def _stamp(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    state = path.stat()
    return state.st_mtime_ns, state.st_ino


@lru_cache(maxsize=4096)
def _length(path: str) -> Seconds | None:
    try:
        return float(soundfile.info(path).duration)
    except (OSError, soundfile.LibsndfileError):
        return None
