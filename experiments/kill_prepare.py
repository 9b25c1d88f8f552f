"""Whether a prepare that is killed again and again ends with the same bytes as one left alone.

    python experiments/kill_prepare.py                                  # the demo subject's recordings
    python experiments/kill_prepare.py RECORDING... --settings engine.workers=1 until=transcribe

Runs `understudy prepare` undisturbed in one workspace. In another, kills it with all its processes
(SIGKILL) at random moments, spread over the time that the first took: each as long after as many
finished items as the first had by then. Lets it run to its end and compares every file.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from understudy.data.demo.recordings import render_demo
from understudy.data.stage import PARTIAL, RESULT
from understudy.tables import print_table

POLL = 0.02  # seconds
TIMES = ("report.json", ".lock", ".index.json")
"""Files that hold how long things took or when files changed, as do TensorBoard's events in `runs`."""


class Prepare:
    """The command at work, in a process group of its own."""

    def __init__(self, workspace: Path, settings: list[str]) -> None:
        self.workspace = workspace
        self.log = workspace.with_name(f"{workspace.name}.log")
        (workspace / ".lock").unlink(missing_ok=True)  # it comes back when work begins
        command = [sys.executable, "-m", "understudy", "prepare", f"workspace={workspace}", *settings]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.began = 0.0

    def goes_on(self) -> bool:
        """Is it still at work? Sleeps a moment; sets `began` when work has begun."""
        time.sleep(POLL)
        if not self.began and (self.workspace / ".lock").exists():
            self.began = time.monotonic()
        return self.process.poll() is None

    def exit_code(self) -> int:
        """0 or 1 (items set aside), at its end; else this program ends too."""
        if self.process.wait() not in (0, 1):
            sys.exit(self.log.read_text())
        return self.process.returncode

    def finished(self) -> int:
        return sum(1 for _ in self.workspace.glob(f"*/*/{RESULT}"))

    def half_done(self) -> str:
        """Items that are being written, by stage."""
        stages = Counter(path.parent.name for path in self.workspace.glob(f"*/{PARTIAL}*"))
        return ", ".join(f"{count} of {stage}" for stage, count in sorted(stages.items())) or "none"

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def undisturbed(workspace: Path, settings: list[str]) -> tuple[list[float], float, int]:
    """When each item was finished, how long it all took (both from when work began), and the exit code."""
    run, times = Prepare(workspace, settings), []
    with tqdm(desc="undisturbed", unit="item") as bar:
        while run.goes_on():
            if new := run.finished() - len(times):
                times += [time.monotonic() - run.began] * new
                bar.update(new)
    return times, time.monotonic() - run.began, run.exit_code()


def killed(workspace: Path, settings: list[str], items: int, delay: float) -> tuple[int, str] | None:
    """Kill a run `delay` seconds after `items` are finished; what was then, or nothing if it ended before."""
    run, due = Prepare(workspace, settings), float("inf")
    while run.goes_on():
        if due == float("inf") and run.began and run.finished() >= items:
            due = time.monotonic() + delay
        if time.monotonic() >= due:
            run.kill()
            return run.finished(), run.half_done()
    run.exit_code()
    return None


def files_of(workspace: Path) -> dict[str, bytes]:
    files = {p.relative_to(workspace): p for p in sorted(workspace.rglob("*")) if p.is_file()}
    return {
        str(name): path.read_bytes()
        for name, path in files.items()
        if name.parts[0] != "runs" and name.name not in TIMES
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--settings", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recordings = arguments.recordings or render_demo(Path(folder) / "recordings", monologues=3)
        paths = ", ".join(f"'{path.resolve()}'" for path in recordings)
        settings = [
            "subject=folder",
            "subject.name=killed",
            f"subject.sources=[{paths}]",
            *arguments.settings,
        ]
        left_alone, disturbed = Path(folder) / "left_alone", Path(folder) / "disturbed"
        times, took, code = undisturbed(left_alone, settings)
        random = np.random.default_rng(arguments.seed)
        moments = np.sort(random.uniform(0, took, arguments.kills))
        rows = []
        for number, moment in enumerate(tqdm(moments, desc="killing", unit="kill"), start=1):
            items = bisect_right(times, moment)
            delay = moment - (times[items - 1] if items else 0.0)
            while (then := killed(disturbed, settings, items, delay)) is None:
                delay = random.uniform(0, delay)  # with so much done it ended sooner than the first
            rows.append([number, f"{moment:.1f}", *then])
        codes = code, Prepare(disturbed, settings).exit_code()
        print_table(["kill", "moment (s)", "items finished", "items half done"], rows)
        ours, theirs = files_of(disturbed), files_of(left_alone)
    differing = sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name))
    manifests, size = sum(name.startswith("manifests/") for name in theirs), sum(map(len, theirs.values()))
    print(f"undisturbed    {took:.1f} s, {len(times)} items, exit code {codes[0]}, then {codes[1]}")
    print(f"compared       {len(theirs)} files, {manifests} manifests, {size:,} bytes")
    print(f"different      {len(differing)} {differing[:10] if differing else ''}")
    sys.exit(1 if differing or codes[0] != codes[1] else 0)


if __name__ == "__main__":
    main()
