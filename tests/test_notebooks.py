"""Every notebook, cell by cell in a real kernel, on all the states that a workspace can be in."""

from pathlib import Path

import nbformat
import pytest
from conftest import run_verb
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

TINY = [
    *("trainer=cpu", "trainer.max_steps=2", "trainer.check_val_every_n_epoch=1"),
    *("trainer.log_every_n_steps=1", "trainer.enable_progress_bar=false"),
    *("data.batches_per_epoch=2", "data.batch_size=1", "data.frames=8", "data.val_frames=10"),
    *("model.generator.base_channels=8", "model.generator.max_channels=16"),
]


@pytest.fixture
def trained(workspace: Path) -> Path:
    """A workspace with a run of two steps, evaluated."""
    subject = ["subject=folder", "subject.name=puppet", f"workspace={workspace}"]
    assert run_verb("train", "model=sda", *subject, "run=tiny", *TINY) == 0
    checkpoint = workspace / "runs" / "sda" / "tiny" / "checkpoints" / "best.ckpt"
    assert run_verb("evaluate", *subject, f"ckpt={checkpoint}") == 0
    return workspace


@every_notebook
def test_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@every_notebook
def test_runs_whatever_is_there(
    path: Path, prepared: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    workspaces = {"nothing": tmp_path / "nothing", "prepared": prepared, "trained": trained}
    notebook = nbformat.read(path, as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = []
    for workspace in workspaces.values():  # one after the other in one kernel, which imports torch once
        choose = f"import os\nos.environ['UNDERSTUDY_WORKSPACE'] = {str(workspace)!r}"
        notebook.cells += [new_code_cell(choose), *map(new_code_cell, sources)]

    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": path.parent}}).execute()

    length = len(notebook.cells) // len(workspaces)
    shown = {
        name: shown_by(notebook.cells[k * length : (k + 1) * length]) for k, name in enumerate(workspaces)
    }
    assert "run `understudy prepare`" in shown["nothing"]
    assert "image/png" not in shown["nothing"]
    assert "run `understudy prepare`" not in shown["prepared"]
    assert "run `understudy train" in shown["prepared"]
    assert "image/png" in shown["prepared"]
    assert " yet" not in shown["trained"]


def shown_by(cells: list[NotebookNode]) -> str:
    """What cells print, and the kinds of pictures and tables they show."""
    outputs = [output for cell in cells for output in cell.outputs]
    return "\n".join(output.get("text") or " ".join(output.data) for output in outputs)
