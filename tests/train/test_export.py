import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import run_verb
from material import files_under
from safetensors.torch import load_file

from understudy.errors import UserError
from understudy.models.sda import Generator
from understudy.models.sda.audio import MELS_PER_FRAME
from understudy.train.checkpoint import load_module, read_checkpoint


def export(ckpt: Path, workspace: Path, *changes: str) -> int:
    return run_verb(
        "export",
        "subject=folder",
        "subject.name=puppet",
        "subject.sources=[]",
        f"workspace={workspace}",
        f"ckpt={ckpt}",
        *changes,
    )


@pytest.fixture(scope="module")
def twin(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("exported")
    assert export(trained / "last.ckpt", workspace) == 0
    return workspace / "twin" / "sda"


@pytest.fixture(scope="module")
def generator(trained: Path) -> Generator:
    found = load_module(read_checkpoint(trained / "last.ckpt")).generator
    assert isinstance(found, Generator)
    return found


def test_plain_files_are_all_a_twin_needs(twin: Path, generator: Generator) -> None:
    assert {path.name for path in twin.iterdir()} == {
        "config.json",
        "generator.safetensors",
        "identity.onnx",
        "frames.onnx",
        "README.md",
    }
    config: dict[str, Any] = json.loads((twin / "config.json").read_text())
    again = Generator(**config)
    again.load_state_dict(load_file(twin / "generator.safetensors"))
    for name, tensor in generator.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    card = (twin / "README.md").read_text()
    assert "steps trained | 6" in card
    assert f"{sum(p.numel() for p in generator.parameters()):,}" in card


CHUNK = 5


def test_onnx_draws_what_pytorch_draws(twin: Path, generator: Generator) -> None:
    """From the picture to three chunks of frames, with what the first carries to the next."""
    torch.manual_seed(0)
    still = torch.rand(1, 3, generator.height, generator.width)
    mel = torch.randn(1, 80, 3 * CHUNK * MELS_PER_FRAME)
    noise = generator.noise(1, 3 * CHUNK)
    state = generator.initial_state(1)
    with torch.inference_mode():
        audio, _ = generator.audio_encoder(mel, state.audio)
        wander, _ = generator.noise_generator(noise, state.noise)
        expected = generator.decode(generator.identity_encoder(still), audio, wander)

    def session(name: str) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(twin / name, providers=["CPUExecutionProvider"])

    known = session("identity.onnx").run(None, {"still": still.numpy()})
    drawer = session("frames.onnx")
    names = [i.name for i in drawer.get_inputs()]
    carried = [part.numpy() for part in (state.noise, *state.audio)]
    frames = []
    for k in range(3):
        heard = mel[:, :, k * CHUNK * MELS_PER_FRAME : (k + 1) * CHUNK * MELS_PER_FRAME].numpy()
        drawn = noise[:, k * CHUNK : (k + 1) * CHUNK].numpy()
        given = [still.numpy(), *known, heard, drawn, *carried]
        found, *carried = drawer.run(None, dict(zip(names, given, strict=True)))
        frames.append(found)
    result = np.concatenate(frames, axis=1)
    np.testing.assert_allclose(result, expected, atol=1e-4)
    assert np.abs(result - still.numpy()[:, None]).max() > 1e-3, "it has learnt to change the still"


def test_without_onnx(trained: Path, tmp_path: Path) -> None:
    assert export(trained / "best.ckpt", tmp_path, "onnx=false") == 0
    twin = tmp_path / "twin" / "sda"
    assert {path.name for path in twin.iterdir()} == {
        "config.json",
        "generator.safetensors",
        "README.md",
    }


def test_a_wrong_checkpoint_leaves_the_twin_alone(trained: Path, tmp_path: Path) -> None:
    assert export(trained / "best.ckpt", tmp_path, "onnx=false") == 0
    before = files_under(tmp_path)
    (tmp_path / "notes.ckpt").write_text("my notes")
    for name in ("missing.ckpt", "notes.ckpt"):
        with pytest.raises(UserError, match=name):
            export(tmp_path / name, tmp_path, "onnx=false")
    (tmp_path / "notes.ckpt").unlink()
    assert files_under(tmp_path) == before


def test_a_new_export_takes_the_old_one_s_place(trained: Path, tmp_path: Path) -> None:
    stale = tmp_path / "twin" / "sda" / "old.onnx"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an older export")
    (tmp_path / "twin" / "lm").mkdir()
    assert export(trained / "best.ckpt", tmp_path, "onnx=false") == 0
    assert not stale.exists()
    assert {path.name for path in (tmp_path / "twin").iterdir()} == {"sda", "lm"}
