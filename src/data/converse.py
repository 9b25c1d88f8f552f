"""The last step of `prepare`: what a person wrote and said becomes dialogues to learn from.

It reads chat exports and other texts, reports personal data, applies the privacy policy, and writes
`WORKSPACE/chats`: `messages.jsonl` (all there is, as it was written), `unread.jsonl`, `privacy.jsonl` (where
personal data is), `dialogues.jsonl` (what is learnt from) and `report.json`. The folder appears as a whole.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal, TextIO

from tqdm import tqdm

from understudy.data.chat_report import UNREAD, ChatReport, read_report
from understudy.data.chats.files import find_files
from understudy.data.chats.message import Message, Unread
from understudy.data.chats.read import read_chats
from understudy.data.dialogues import DIALOGUES, Copies, merged, sessions, unusable
from understudy.data.edits import EDITS
from understudy.data.inbox import Inbox
from understudy.data.media import Seconds
from understudy.data.near_duplicates import NearDuplicates
from understudy.data.privacy import Policy, Privacy, placed
from understudy.data.replace_folder import replaced
from understudy.data.senders import SubjectNames
from understudy.data.subject import Subject
from understudy.data.third_parties import ThirdParties
from understudy.data.transcripts import TRANSCRIPTS, spoken

CHATS = "chats"


@dataclass(frozen=True, kw_only=True)
class Converse:
    """Settings of the step; `gap` parts dialogues, `monologue` (words) parts what is said without an answer.

    `date_order` is for exports in which no date tells day from month, `region` ("DE") for telephone numbers
    without their country's code.
    """

    version: ClassVar[int] = 1  # raise it when the same settings give another result
    gap: Seconds = 3 * 3600.0
    monologue: int = 200
    max_similarity: float = 0.8
    min_duplicate_words: int = 20
    date_order: Literal["auto", "dmy", "mdy", "ymd"] = "auto"
    region: str | None = None
    privacy: Policy = field(default_factory=Policy)

    def run(self, subject: Subject, workspace: Path) -> tuple[ChatReport, bool]:
        """Write `WORKSPACE/chats` anew, unless neither inputs nor settings have changed.

        Gives the report and whether it is that of an earlier run. Raises `UserError` where the chats hold no
        dialogue of the subject.
        """
        exports, folder = subject.exports(), workspace / CHATS
        key = self._key(subject, exports, workspace)
        earlier = read_report(folder)
        if earlier and earlier.key == key:
            return earlier, True
        names = SubjectNames(subject.names_in_chats())
        report = ChatReport(key)
        with replaced(folder) as partial, Inbox(partial / "messages.jsonl") as inbox:
            said = spoken(workspace, names.given[0])
            written = read_chats(exports, names=names.given, date_order=self.date_order)
            self._read(chain(written, said), inbox, names, report, partial)
            self._converse(inbox, names, report, partial)
            report.write(partial)
        return report, False

    def _key(self, subject: Subject, exports: list[str], workspace: Path) -> str:
        read = [workspace / TRANSCRIPTS, workspace / EDITS]
        inputs = [
            subject.names_in_chats(),
            exports,
            _stamps(exports),
            [_content(path) for path in read],
        ]
        decides = [self.version, asdict(self), inputs]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:20]

    def _read(
        self,
        found: Iterator[Message | Unread],
        inbox: Inbox,
        names: SubjectNames,
        report: ChatReport,
        folder: Path,
    ) -> None:
        """Everything there is to `messages.jsonl` and `unread.jsonl`."""
        senders: dict[str, Counter[str]] = defaultdict(Counter)  # by chat
        with _text_file(folder / UNREAD) as unread:
            for item in found:
                if isinstance(item, Unread):
                    report.unread += 1
                    _write(unread, asdict(item))
                    continue
                inbox.add(item, subject=item.sender in names)
                report.count(item, subject=item.sender in names)
                if item.sender is not None:
                    senders[item.chat][item.sender] += 1
        # the subject's own texts and talks are no sign that `names` are right
        answering = [counts for counts in senders.values() if any(sender not in names for sender in counts)]
        names.check(sum(answering or senders.values(), Counter()))

    def _converse(self, inbox: Inbox, names: SubjectNames, report: ChatReport, folder: Path) -> None:
        """Dialogues of all chats to `dialogues.jsonl`, personal data to `privacy.jsonl`."""
        privacy = Privacy(self.privacy, ThirdParties(report.senders, names), self.region)
        texts, whole = (
            NearDuplicates(similarity=self.max_similarity, min_words=self.min_duplicate_words)
            for _ in range(2)
        )
        with ExitStack() as stack:
            findings, dialogues = (
                stack.enter_context(_text_file(folder / name)) for name in ("privacy.jsonl", DIALOGUES)
            )
            bar = stack.enter_context(tqdm(total=report.messages, desc="dialogues ", unit="message"))

            def kept(messages: Iterator[Message]) -> Iterator[Message]:
                """What dialogues are made of, with the policy applied."""
                copies = Copies()
                for message in messages:
                    bar.update()
                    if copies.seen(message):
                        report.dropped["exported twice"] += 1
                        continue
                    found = privacy.find(message)
                    for finding in found:
                        _write(findings, placed(message, finding))
                    if why := unusable(message):
                        report.dropped[why] += 1
                    elif texts.seen(message.text):
                        report.dropped["a long text that came before"] += 1
                    elif done := privacy.apply(message, found, subject=message.sender in names):
                        yield done
                    else:
                        report.dropped["personal data that is to be dropped"] += 1

            for messages in inbox.chats():
                for session in sessions(kept(messages), names, gap=self.gap, monologue=self.monologue):
                    dialogue = merged(session, names)
                    if not any(turn.subject for turn in dialogue.turns):
                        report.dropped["in a dialogue without the subject"] += len(session)
                    elif whole.seen("\n".join(turn.text for turn in dialogue.turns)):
                        report.dropped["in a dialogue that came before"] += len(session)
                    else:
                        report.count_dialogue(dialogue)
                        _write(dialogues, dialogue.to_json())
        report.personal = {kind: [n, getattr(self.privacy, kind)] for kind, n in privacy.found.items()}


def _stamps(exports: list[str]) -> list[tuple[str, int, int]]:
    """What changes when the files do: path, size and time of change of each."""
    paths = {file.path for path in exports for file in find_files(path)}
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(paths)]


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _text_file(path: Path) -> TextIO:
    # a lone surrogate, as a broken export may hold, has no UTF-8
    return path.open("w", encoding="utf-8", errors="backslashreplace")


def _write(file: TextIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
