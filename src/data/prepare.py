"""The verb `prepare`: recordings and chats in, training data out, one stage after the other."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from understudy.data.chat_report import tell as tell_chats
from understudy.data.contact_sheet import contact_sheet
from understudy.data.converse import CHATS, Converse
from understudy.data.download import Downloader
from understudy.data.dry_run import passing_copy, tell_difference
from understudy.data.edits import EDITS, unmet
from understudy.data.lexicon import LEXICON, import_word_list
from understudy.data.manifest import Clip, read_manifest
from understudy.data.scrape import scrape
from understudy.data.stage import Executor, Report, Step, prune, run_stage
from understudy.data.subject import Subject
from understudy.data.transcriber_report import tell_transcribers, transcribed
from understudy.errors import UserError, one_line
from understudy.tables import duration, print_table, write_json


def prepare(
    *,
    subject: Subject,
    workspace: str,
    stages: Mapping[str, Step],
    engine: Executor,
    download: Downloader,
    chats: Converse | None = None,
    words: str | None = None,
    until: str | None = None,
    dry_run: bool = False,
    prune_stale: bool = False,
) -> int:
    """Run all stages for `subject`, or those up to `until`; the last one, `chats`, reads what they wrote.

    0 when everything went through, 1 when items are set aside. What is done already is not done
    again. Nothing is dropped without a line in the table and in `manifests/STAGE.dropped.jsonl` or
    `.failed.jsonl`. `words` is a file of a person's own words for the lexicon. `dry_run` tells what would
    change and leaves the workspace as it is.
    """
    names = [*stages, CHATS]
    if until is not None and until not in names:
        raise UserError(f"until={until}: there is no such stage; the stages are {', '.join(names)}")
    last = names.index(until or CHATS)
    wanted = [stages[name] for name in names[: last + 1] if name != CHATS]
    folder = Path(workspace)
    if dry_run and not _report_path(folder).exists():
        raise UserError(f"{folder}: nothing to compare with; run prepare once without dry_run=true")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            if dry_run:
                return _try_out(wanted, folder, engine)
            if words:
                added = import_word_list(folder / LEXICON, Path(words))
                print(f"lexicon        {len(added)} new words from {words}")
            code = 0
            if recordings := subject.recordings():
                clips, scraped = scrape(recordings, folder, download)
                code = _prepare(clips, scraped, wanted, folder, engine, prune_stale)
            elif until not in (None, CHATS):
                raise UserError(f"until={until}: a stage of recordings, and subject.sources is empty")
            if chats and subject.chats and names[last] == CHATS:
                code = max(code, _converse(chats, subject, folder))
            if later := [n for n in names[last + 1 :] if _made_earlier(n, folder)]:
                print(f"not run        {', '.join(later)}: what they made is of an earlier run")
            return code
    except Timeout:
        raise UserError(f"{folder}: another prepare is at work there; wait for it to end") from None
    finally:
        engine.close()


def _made_earlier(stage: str, workspace: Path) -> bool:
    return (workspace / "manifests" / f"{stage}.jsonl" if stage != CHATS else workspace / CHATS).exists()


def _converse(chats: Converse, subject: Subject, workspace: Path) -> int:
    report, cached = chats.run(subject, workspace)
    if cached:
        print("chats          as they were: neither they nor settings have changed")
    tell_chats(report, workspace / CHATS)
    return 1 if report.unread else 0


def _prepare(
    clips: list[Clip],
    scraped: Report,
    stages: list[Step],
    workspace: Path,
    engine: Executor,
    prune_stale: bool,
) -> int:
    reports, earlier = [scraped], transcribed(workspace)
    try:
        for stage in stages:
            before = clips
            clips, report = run_stage(stage, clips, workspace, engine)
            reports.append(report)
            if prune_stale and (stale := prune(stage, before, workspace)):
                print(f"{stage.name}: {stale} results of other settings deleted")
    finally:  # what went well is told, also when a stage cannot go on
        write_json(_report_path(workspace), [report.row() for report in reports])
        tell(reports, workspace)
        tell_transcribers(earlier, workspace)
    if lost := unmet(workspace / EDITS, set().union(*(report.met for report in reports))):
        print(f"{len(lost)} corrected clips are not there with these settings: {', '.join(lost[:5])} ...")
    if pictured := [clip for clip in clips if "faces" in clip.fields]:
        sheet = workspace / "contact_sheet.png"
        _draw_contact_sheet(pictured, workspace, sheet)
        print(f"contact sheet  {sheet}")
    print(f"manifests      {workspace / 'manifests'}")
    return 1 if any(r.failed for r in reports) else 0


def _try_out(stages: list[Step], workspace: Path, engine: Executor) -> int:
    before = json.loads(_report_path(workspace).read_text("utf-8"))
    clips = read_manifest(workspace / "manifests" / "scrape.jsonl")
    reports = []
    with passing_copy(workspace) as folder:
        for stage in stages:
            clips, report = run_stage(stage, clips, folder, engine)
            reports.append(report)
    tell_difference(before, reports)
    return 0


def _report_path(workspace: Path) -> Path:
    return workspace / "manifests" / "report.json"


def tell(reports: list[Report], workspace: Path) -> None:
    """The closing table: what went in and came out of each stage, and why the rest did not."""
    rows = [
        [r.stage, r.clips_in, r.clips_out, sum(r.dropped.values()), len(r.failed), r.cached,
         duration(r.seconds_in), duration(r.seconds_out), f"{r.wall:.1f} s"]
        for r in reports
    ]  # fmt: skip
    print_table(["stage", "in", "out", "dropped", "failed", "cached", "time in", "time out", "took"], rows)
    reasons = [
        [r.stage, reason, n, duration(r.dropped_seconds.get(reason, 0.0))]
        for r in reports
        for reason, n in r.dropped.most_common()
    ]
    if reasons:
        print_table(["stage", "dropped because", "clips", "time"], reasons)
    failures = [
        [r.stage, name, one_line(e.strip().splitlines()[-1])] for r in reports for name, e in r.failed.items()
    ]
    if failures:
        print_table(["stage", "set aside", "error"], failures[:20])
        if len(failures) > 20:
            print(f"... and {len(failures) - 20} more in {workspace / 'manifests'}/*.failed.jsonl")


def _draw_contact_sheet(clips: list[Clip], workspace: Path, path: Path, pictures: int = 60) -> None:
    """The middle frame of clips spread evenly over all."""
    chosen = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, pictures).astype(int))]
    crops, landmarks = [], []
    for clip in chosen:
        frames = np.load(workspace / clip["faces"] / "frames.npy", mmap_mode="r")
        middle = len(frames) // 2
        crops.append(frames[middle])
        landmarks.append(np.load(workspace / clip["faces"] / "landmarks.npy")[middle])
    contact_sheet(np.stack(crops), np.stack(landmarks), [clip.id for clip in chosen], path)
