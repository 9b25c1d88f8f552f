"""What `understudy prepare` costs, stage by stage, the second time, and on a long recording.

    python experiments/bench_prepare.py RECORDING... --reference FILE [--hours 3] [SETTING=VALUE ...]

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
    parser.add_argument("--hours", type=float, help="also prepare the first recording, looped to this length")
    arguments, settings = parser.parse_known_args()
    sources = [path.resolve() for path in arguments.recordings if path.exists()]
    settings += [str(path) for path in arguments.recordings if not path.exists()]
    if arguments.reference:
        settings.append(f"subject.reference='{Path(arguments.reference).resolve()}'")
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
    if arguments.hours:
        with tempfile.TemporaryDirectory() as folder:
            long = looped(sources[0], arguments.hours, Path(folder) / "long.mp4")
            length = probe(long).duration
            wall, long_peak = prepare(Path(folder) / "workspace", [long], settings)
            print_table(
                ["recording", "peak MiB a process", "times real time"],
                [[duration(seconds), f"{peak:.0f}", f"{seconds / wall:.1f}"],
                 [duration(length), f"{long_peak:.0f}", f"{length / wall:.1f}"]],
            )  # fmt: skip


if __name__ == "__main__":
    main()
