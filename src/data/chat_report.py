"""What `prepare` says of a person's chats."""

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from understudy.data.chats.message import Message
from understudy.data.dialogues import Dialogue
from understudy.data.manifest import write_atomically
from understudy.data.near_duplicates import words_of
from understudy.data.privacy import NO_CONSENT
from understudy.errors import one_line
from understudy.tables import print_table

REPORT = "report.json"
UNREAD = "unread.jsonl"
LONGEST_TABLE = 20  # rows; all of them are in the report


@dataclass
class Share:
    """What one source gives; words are those of the dialogues, after the privacy policy."""

    messages: int = 0
    from_subject: int = 0
    dialogues: int = 0
    words: int = 0
    subject_words: int = 0


@dataclass
class ChatReport:
    """What was read, what became of it, and why the rest was not used."""

    key: str  # of inputs and settings
    sources: dict[str, Share] = field(default_factory=dict)
    senders: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)  # messages by reason
    personal: dict[str, list[Any]] = field(default_factory=dict)  # how often, and what the policy is
    unread: int = 0

    @property
    def messages(self) -> int:
        return sum(share.messages for share in self.sources.values())

    def count(self, message: Message, *, subject: bool) -> None:
        share = self.sources.setdefault(message.source, Share())
        share.messages += 1
        share.from_subject += subject
        if message.sender is not None:
            self.senders[message.sender] += 1

    def count_dialogue(self, dialogue: Dialogue) -> None:
        share = self.sources[dialogue.source]
        share.dialogues += 1
        for turn in dialogue.turns:
            words = len(words_of(turn.text))
            share.words += words
            share.subject_words += words if turn.subject else 0

    def write(self, folder: Path) -> None:
        sources = {name: vars(share) for name, share in self.sources.items()}
        row = vars(self) | {"sources": sources, "senders": dict(self.senders.most_common())}
        write_atomically(folder / REPORT, json.dumps(row, indent=1, ensure_ascii=False) + "\n")


def read_report(folder: Path) -> ChatReport | None:
    """The report of an earlier run."""
    try:
        row = json.loads((folder / REPORT).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    sources = {name: Share(**share) for name, share in row["sources"].items()}
    counts = {name: Counter(row[name]) for name in ("senders", "dropped")}
    return ChatReport(**row | {"sources": sources, **counts})


def tell(report: ChatReport, folder: Path) -> None:
    """The tables a person sees, and the first lines that could not be read."""
    learnt = sum(share.subject_words for share in report.sources.values())
    rows: list[list[Any]] = [
        [one_line(name), s.messages, s.from_subject, s.dialogues, s.words, s.subject_words,
         f"{s.subject_words / max(learnt, 1):.1%}"]
        for name, s in sorted(report.sources.items(), key=lambda item: -item[1].subject_words)
    ]  # fmt: skip
    total = ["all", *(sum(row[k] for row in rows) for k in range(1, 6)), "100.0%"]
    if len(rows) > LONGEST_TABLE:
        more = rows[LONGEST_TABLE:]
        sums = [sum(row[k] for row in more) for k in range(1, 6)]
        rows = [*rows[:LONGEST_TABLE], [f"{len(more)} more", *sums, f"{sums[-1] / max(learnt, 1):.1%}"]]
    header = ["source", "messages", "the subject's", "dialogues", "words", "the subject's", "share"]
    print_table(header, [*rows, total] if len(rows) > 1 else rows)
    if report.dropped:
        print_table(["not learnt from, because", "messages"], report.dropped.most_common())
    if found := [[kind, n, policy] for kind, (n, policy) in report.personal.items() if n]:
        print_table(["personal data", "found", "policy"], found)
    print(f"warning        {NO_CONSENT}")
    if report.unread:
        print(f"{report.unread} lines could not be read:")
        with (folder / UNREAD).open(encoding="utf-8") as file:
            for row in map(json.loads, islice(file, 5)):
                text = one_line(row["text"][:60])
                print(f"  {one_line(row['source'])}:{row['line']}: {row['why']}: {text}")
        if report.unread > 5:
            print(f"  ... and {report.unread - 5} more in {folder / UNREAD}")
    print(f"chats          {folder}")
