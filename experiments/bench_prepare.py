"""What `understudy prepare` costs, stage by stage, the second time, and on a long recording.

    python experiments/bench_prepare.py RECORDING... --reference FILE [--hours 3] [--settings KEY=VALUE ...]

Runs the command in processes of its own, in a passing workspace. A stage's speed is audio-hours per
hour of the time it took on this machine, workers' start included; `share` is of the whole command.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av

from understudy.data.media import probe
from understudy.tables import duration, print_table


def prepare(workspace: Path, sources: list[Path], settings: list[str]) -> tuple[float, float]:
    """Seconds, and the peak MiB of the largest process so far."""
    paths = ", ".join(f"'{source}'" for source in sources)
    command = [sys.executable, "-m", "understudy", "prepare", "subject=folder", "subject.name=bench"]
    command += [f"subject.sources=[{paths}]", f"workspace={workspace}", *settings]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.monotonic() - began, peak


def report(workspace: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((workspace / "manifests" / "report.json").read_text("utf-8"))
    return rows


def looped(recording: Path, hours: float, path: Path) -> Path:
    """The recording over and over, without being encoded again."""
    span = probe(recording).duration
    with av.open(str(path), "w") as out:
        with av.open(str(recording)) as first:
            streams = {
                s.index: out.add_stream_from_template(s) for s in (*first.streams.video, *first.streams.audio)
            }
        for round_ in range(round(hours * 3600 / span)):
            with av.open(str(recording)) as container:
                for packet in container.demux(list(container.streams)):
                    if packet.dts is None or packet.stream.index not in streams:
                        continue
                    later = round(round_ * span / packet.time_base)
                    packet.dts, packet.pts = packet.dts + later, packet.pts + later
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--reference", help="of the subject's voice")
    parser.add_argument(
        "--hours", type=float, help="instead, the memory of the first recording looped to this length"
    )
    parser.add_argument("--settings", nargs="*", default=[], metavar="KEY=VALUE", help="of `prepare`")
    arguments = parser.parse_args()
    sources = [path.resolve(strict=True) for path in arguments.recordings]
    settings: list[str] = arguments.settings
    if arguments.reference:
        settings.append(f"subject.reference='{Path(arguments.reference).resolve()}'")
    if arguments.hours:
        memory(sources[0], arguments.hours, settings)
    else:
        costs(sources, settings)


def costs(sources: list[Path], settings: list[str]) -> None:
    """Stage by stage; again with nothing changed; again with one threshold changed."""
    seconds = sum(probe(source).duration for source in sources)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        wall, peak = prepare(workspace, sources, settings)
        rows = []
        for r in report(workspace):
            took = max(r["wall"], 1e-3)
            speeds = [f"{r['seconds_in'] / took:.1f}", f"{seconds / took:.1f}"]
            rows.append([r["stage"], *speeds, f"{took:.1f} s", f"{took / wall:.0%}"])
        staged = sum(r["wall"] for r in report(workspace))
        rows.append(["imports", "", "", f"{wall - staged:.1f} s", f"{1 - staged / wall:.0%}"])
        rows.append(["the whole", "", f"{seconds / wall:.1f}", f"{wall:.1f} s", "100%"])
        print_table(["stage", "of its input", "of the sources", "took", "share"], rows)
        print(f"{duration(seconds)} of recordings; speeds are times real time; peak {peak:.0f} MiB\n")

        again, _ = prepare(workspace, sources, settings)
        staged = sum(r["wall"] for r in report(workspace))
        changed, _ = prepare(workspace, sources, [*settings, "stages.clean.min_snr=15"])
        ran = [r["stage"] for r in report(workspace)[1:] if r["cached"] < r["clips_in"]]
        print_table(
            ["run", "took", "stages that computed something"],
            [["nothing changed", f"{again:.1f} s, stages {staged:.1f} s", "none"],
             ["stages.clean.min_snr=15", f"{changed:.1f} s", ", ".join(ran)]],
        )  # fmt: skip


def memory(recording: Path, hours: float, settings: list[str]) -> None:
    """Of the recording as it is and looped."""
    rows = []
    for wanted in (0.0, hours):  # the peak is over all children so far: the short one first
        with tempfile.TemporaryDirectory() as folder:
            source = looped(recording, wanted, Path(folder) / "long.mp4") if wanted else recording
            length = probe(source).duration
            wall, peak = prepare(Path(folder) / "workspace", [source], settings)
            rows.append([duration(length), f"{peak:.0f}", f"{length / wall:.1f}"])
    print_table(["recording", "peak MiB a process", "times real time"], rows)


if __name__ == "__main__":
    main()
