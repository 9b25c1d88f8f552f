"""Histograms of measured numbers with their thresholds: for TensorBoard and as one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def draw_histograms(
    stage: str,
    numbers: Mapping[str, tuple[np.ndarray, Sequence[float]]],
    workspace: Path,
    folder: Path,
) -> None:
    """Each name's values (n,) and thresholds: `STAGE.png` in `folder`, and events in `runs/prepare`."""
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

    columns = min(len(numbers), 4)
    rows = -(-len(numbers) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    with SummaryWriter(str(workspace / "runs" / "prepare")) as writer:
        for place, (name, (values, thresholds)) in enumerate(numbers.items(), start=1):
            axes = figure.add_subplot(rows, columns, place)
            axes.hist(values, bins=60, color="tab:blue")
            for threshold in thresholds:
                axes.axvline(threshold, color="tab:red", linewidth=1.5, label=f"{threshold:g}")
            axes.set_title(f"{stage}: {name}")
            axes.set_yscale("log")
            if thresholds:
                axes.legend()
            writer.add_histogram(f"{stage}/{name}", values)
        writer.add_figure(f"{stage}/thresholds", figure)
    figure.savefig(folder / f"{stage}.png", dpi=100, metadata={"Software": None})
