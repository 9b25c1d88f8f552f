"""What other settings would keep, found out without touching the workspace."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from understudy.data.stage import Report
from understudy.tables import duration, print_table


@contextmanager
def passing_copy(workspace: Path) -> Iterator[Path]:
    """A folder beside `workspace` that holds all that it does; what is written there vanishes."""
    with tempfile.TemporaryDirectory(prefix=".dry-run-", dir=workspace.resolve().parent) as name:
        for entry in workspace.resolve().iterdir():
            if entry.name in ("edits.jsonl", "lexicon.tsv"):
                (Path(name) / entry.name).symlink_to(entry)
            elif entry.is_dir() and entry.name not in ("manifests", "runs"):
                (Path(name) / entry.name).mkdir()
                for result in entry.iterdir():
                    (Path(name) / entry.name / result.name).symlink_to(result)
        yield Path(name)


def tell_difference(before: Sequence[Mapping[str, Any]], after: Sequence[Report]) -> None:
    """Per stage and per reason: what the last run has and what these settings would give."""
    now = {row["stage"]: row for row in before}
    rows, reasons = [], []
    for report in after:
        was = now.get(report.stage, {"clips_out": 0, "seconds_out": 0.0, "dropped": {}})
        times = [duration(was["seconds_out"]), duration(report.seconds_out)]
        rows.append([report.stage, was["clips_out"], report.clips_out, *times])
        for reason in dict.fromkeys([*was["dropped"], *report.dropped]):
            counts = was["dropped"].get(reason, 0), report.dropped.get(reason, 0)
            if counts[0] != counts[1]:
                reasons.append([report.stage, reason, *counts])
    print_table(["stage", "kept now", "would keep", "time now", "would be"], rows)
    if reasons:
        print_table(["stage", "dropped because", "now", "would be"], reasons)
    print("a dry run: nothing was written")
