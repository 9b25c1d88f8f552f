import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from tiny_models import tiny_ctc, tiny_whisper
from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor, WhisperForConditionalGeneration, WhisperProcessor

from understudy.data.hub import load_pretrained, model_name, pick_device
from understudy.errors import UserError

NOWHERE = "nobody/has-this-model"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_whisper(tmp_path / "tiny")


def load(pretrained: str | Path) -> tuple[Any, Any]:
    return load_pretrained(
        WhisperForConditionalGeneration, WhisperProcessor, str(pretrained), instead="take asr=sphinx"
    )


def test_a_folder_is_loaded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = load(folder)
    assert not model.training
    assert processor.tokenizer.convert_tokens_to_ids("<|startoftranscript|>") == 257
    monkeypatch.chdir(tmp_path)
    assert load("tiny")[0].config.d_model == 16, "a folder comes before a hub's name"


def test_a_name_that_changes_with_the_content_alone(folder: Path, tmp_path: Path) -> None:
    name = model_name(str(folder))
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "tiny")
    (moved / "README.md").write_text("A note.")
    assert model_name(str(moved)) == name
    assert name.startswith("tiny@")
    weights = moved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert model_name(str(moved)) != name
    assert model_name("openai/whisper-small") == "openai/whisper-small"


@pytest.mark.parametrize("name", ["/no/such/folder", "./models", "a/b/c", "~/nothing here", ""])
def test_a_path_without_a_folder(name: str) -> None:
    for look in (model_name, load):
        with pytest.raises(UserError, match="there is no such folder"):
            look(name)


def spoil(folder: Path, how: str) -> None:
    weights = folder / "model.safetensors"
    match how:
        case "empty":
            shutil.rmtree(folder)
            folder.mkdir()
        case "no weights":
            weights.unlink()
        case "cut short":
            weights.write_bytes(weights.read_bytes()[:2000])
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
        case "another model":
            shutil.rmtree(folder)
            tiny_ctc(folder)
        case "not JSON":
            (folder / "config.json").write_text("{")
        case "other sizes":
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 300}))
        case "more layers":
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(config | {"encoder_layers": 2}))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("empty", "config.json|model_type"),
        ("no weights", "model.safetensors"),
        ("cut short", "header"),
        ("no tokenizer", "tokenizer.json"),
        ("another model", "it is a wav2vec2 model, not whisper"),
        ("not JSON", "config.json"),
        ("other sizes", r"do not fit its config.json: model\.decoder\.embed_tokens\.weight"),
        ("more layers", r"do not fit its config.json: model\.encoder\.layers\.1\..*, \.\.\."),
    ],
)
def test_a_folder_that_is_not_the_model(folder: Path, how: str, reason: str) -> None:
    spoil(folder, how)
    with pytest.raises(UserError, match=reason) as told:
        load(folder)
    text = str(told.value)
    assert text.startswith(f"{folder}: cannot be loaded as WhisperForConditionalGeneration (")
    assert text.endswith("; take asr=sphinx")
    assert "\n" not in text


def test_a_ctc_model_without_its_head(tmp_path: Path) -> None:
    folder = tiny_ctc(tmp_path / "ctc")
    Wav2Vec2ForCTC.from_pretrained(folder).wav2vec2.save_pretrained(folder)
    with pytest.raises(UserError, match=r"config.json: lm_head\.bias, lm_head\.weight\)"):
        load_pretrained(Wav2Vec2ForCTC, Wav2Vec2Processor, str(folder), instead="")


def test_a_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError) as told:
        load(NOWHERE)
    assert str(told.value) == (
        f"{NOWHERE}: no such folder, not fetched before, and http://127.0.0.1:9 cannot be reached "
        "([Errno 111] Connection refused); take asr=sphinx "
        f"(config.json and model.safetensors of {NOWHERE} would have been loaded)"
    )


def test_no_hub_is_asked_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"HF_HUB_OFFLINE is set; take asr=sphinx \(config.json"):
        load(NOWHERE)


@pytest.fixture
def hub_without_it() -> Iterator[str]:
    """A hub that answers, and has nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()

        def log_message(self, *_: Any) -> None:
            """Not on the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_name_that_the_hub_does_not_have(hub_without_it: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub_without_it)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        hub_without_it + "/{repo_id}/resolve/{revision}/{filename}",
    )
    with pytest.raises(UserError, match=f"^{NOWHERE}: cannot be loaded as .*{NOWHERE}.*; take asr=sphinx$"):
        load(NOWHERE)


def test_devices() -> None:
    assert pick_device("auto").type in ("cpu", "cuda")
    assert pick_device("cpu").type == "cpu"
    for device in ("cuda:99", "toaster"):
        with pytest.raises(UserError, match=f"^device={device}: cannot be used .*; take device=auto$"):
            pick_device(device)
