"""Recognisers trained from end to end: of whistled letters from nothing, and a Whisper of no size."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import config_of, events_of, find_command, run_verb
from hydra.utils import instantiate
from songs import settings_for, write_songs
from tiny_models import tiny_whisper
from transformers import AutoModelForCTC, WhisperForConditionalGeneration

from understudy.data.speech_datamodule import SpeechBatch, SpeechDataModule
from understudy.errors import UserError
from understudy.train.asr import SpeechRecognition
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.speech_samples import difference

SONGS = 36


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_songs(tmp_path_factory.mktemp("songs"), SONGS)


def train_settings(workspace: Path, run: str) -> list[str]:
    return [*settings_for(workspace), "data.batches_per_epoch=40", f"run={run}"]


@pytest.fixture(scope="module")
def trained(songs: Path) -> Path:
    """The checkpoints of a run that nothing disturbed; only to be read."""
    assert run_verb("train", *train_settings(songs, "undisturbed")) == 0
    return songs / "runs" / "asr" / "undisturbed" / "checkpoints"


def whisper_settings(workspace: Path, folder: Path) -> list[str]:
    return [
        "model=asr_whisper",
        "subject=folder",
        "subject.name=whistler",
        "subject.sources=[]",
        "trainer=cpu",
        f"workspace={workspace}",
        "threads=1",
        f"model.pretrained={folder}",
        "model.window=2",
        "model.optimizer.lr=1e-2",
        "model.warmup_steps=1",
        "trainer.max_steps=6",
        "trainer.precision=32-true",
        "trainer.enable_progress_bar=false",
        "data.batches_per_epoch=3",
    ]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("whisper"))


def batch_of(workspace: Path, **settings: Any) -> SpeechBatch:
    data = SpeechDataModule(workspace=str(workspace), **settings)
    data.setup()
    batch: SpeechBatch = next(iter(data.val_dataloader()))
    return batch


def module_of(checkpoint: Path) -> SpeechRecognition:
    module = load_module(read_checkpoint(checkpoint, role="asr"))
    assert isinstance(module, SpeechRecognition)
    return module


def scalars(run: Path, name: str) -> list[float]:
    events = events_of(run)
    return [event.value for event in events.Scalars(name) if np.isfinite(event.value)]


def test_from_nothing_it_learns_what_is_whistled(trained: Path) -> None:
    rates = scalars(trained.parent, "cer/tuned")
    assert len(rates) == 5, "one a validation"
    assert min(rates) < 0.1 < rates[0]
    assert scalars(trained.parent, "loss/train")[-1] < 0.2
    assert scalars(trained.parent, "wer/draft") == [0.0] * 5, "the draft is the text itself"


def test_text_and_sound_are_in_tensorboard(trained: Path) -> None:
    events = events_of(trained.parent)
    tags = events.Tags()
    assert any(tag.startswith("sound/song_") for tag in tags["audio"])
    table = events.Tensors("samples/text_summary")[-1].tensor_proto.string_val[0].decode()
    heading, _, *rows = table.splitlines()
    assert heading == "clip | text | heard | difference | WER"
    assert all(row.startswith("song_") and row.count(" | ") == 4 for row in rows)


def test_a_difference_shows_what_is_missing_and_what_is_made_up() -> None:
    assert difference("Bin blue now.", "bin now then") == "bin ~~blue~~ now **then**"


def test_a_killed_run_ends_with_the_same_weights(songs: Path) -> None:
    chance = [  # wherever there is some
        "data.augment={_target_: understudy.data.speech_augment.SpeechAugment}",
        "model.network.hidden_dropout=0.1",
        "model.network.mask_time_prob=0.1",
        "model.network.mask_time_length=2",
        "model.network.mask_feature_prob=0.1",
        "model.network.mask_feature_length=2",
    ]
    settings = [*train_settings(songs, "whole"), *chance, "data.batches_per_epoch=8", "trainer.max_steps=64"]
    assert run_verb("train", *settings) == 0
    whole, killed = (songs / "runs" / "asr" / name / "checkpoints" for name in ("whole", "killed"))
    command = [find_command(), "train", *settings, "run=killed"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (killed / "last.ckpt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < torch.load(killed / "last.ckpt", weights_only=True)["global_step"] < 64
    assert run_verb("train", *settings, "run=killed", "resume=true") == 0
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (
            torch.load(folder / name, weights_only=True)["state_dict"] for folder in (whole, killed)
        )
        assert one.keys() == other.keys()
        assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_a_run_that_has_ended_early_is_not_made_longer(
    songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*train_settings(songs, "hopeless"), "model.optimizer.lr=0", "callbacks.patience.patience=1"]
    assert run_verb("train", *settings, "data.batches_per_epoch=2") == 0
    last = songs / "runs" / "asr" / "hopeless" / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    assert torch.load(last, weights_only=True)["global_step"] == 4, "two validations, the second no better"
    capsys.readouterr()
    assert run_verb("train", *settings, "data.batches_per_epoch=2", "resume=true") == 0
    assert "has ended, it did not get better any more; run=NAME starts another" in capsys.readouterr().out
    assert last.read_bytes() == before


def test_a_run_does_not_go_on_with_other_transcripts(songs: Path, tmp_path: Path) -> None:
    workspace = shutil.copytree(songs, tmp_path / "songs", ignore=shutil.ignore_patterns("runs"))
    settings = [*train_settings(workspace, "one"), "data.batches_per_epoch=2"]
    assert run_verb("train", *settings, "trainer.max_steps=2") == 0
    assert run_verb("train", *settings, "trainer.max_steps=4", "resume=true") == 0
    with (workspace / "edits.jsonl").open("a") as file:
        file.write('{"clip": "song_1", "drop": "noise"}\n')
    with pytest.raises(UserError, match=r"clips or transcripts have changed since .* run=NAME"):
        run_verb("train", *settings, "trainer.max_steps=6", "resume=true")


def test_evaluate_leaves_out_what_was_learnt_from(
    trained: Path, songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["subject=folder", "subject.name=x", "subject.sources=[]", f"workspace={songs}"]
    assert run_verb("evaluate", *given, f"ckpt={trained / 'best.ckpt'}", "+data.test_share=0.8") == 0
    assert "left out: the model has learnt from it: " in capsys.readouterr().out


def test_evaluate_tells_error_rates_beside_the_draft_s(
    trained: Path, songs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["subject=folder", "subject.name=x", "subject.sources=[]", f"workspace={songs}"]
    assert run_verb("evaluate", *given, f"ckpt={trained / 'best.ckpt'}") == 0
    found = json.loads((trained.parent / "evaluation" / "metrics.json").read_text())
    assert found["tuned"]["cer"] < 0.5, "it has learnt from few"
    assert found["draft"] == {"wer": 0.0, "cer": 0.0}
    assert "metric  tuned  draft" in capsys.readouterr().out


def test_an_exported_ctc_model_is_an_ordinary_folder(trained: Path, songs: Path, tmp_path: Path) -> None:
    given = ["subject=folder", "subject.name=x", "subject.sources=[]", f"twin={tmp_path}"]
    assert run_verb("export", *given, f"ckpt={trained / 'best.ckpt'}") == 0
    folder = tmp_path / "asr"
    module = module_of(trained / "best.ckpt")
    loaded = AutoModelForCTC.from_pretrained(folder).eval()
    batch = batch_of(songs)
    features = module.features(batch)  # type: ignore[operator]
    with torch.inference_mode():
        assert torch.equal(loaded(**features).logits, module.network(**features).logits)
    sound = features["input_features"][:1]
    (found,) = onnxruntime.InferenceSession(folder / "ctc.onnx").run(None, {"input_features": sound.numpy()})
    with torch.inference_mode():
        assert np.allclose(found, loaded(sound).logits.numpy(), atol=1e-3)
    training = json.loads((folder / "training.json").read_text())
    seen = training["clips"]
    assert {len(seen[name]) > 0 for name in ("train", "val", "test")} == {True}
    assert sum(map(len, seen.values())) == SONGS
    assert not set(seen["train"]) & {*seen["val"], *seen["test"]}
    assert len((folder / "sentences.txt").read_text().splitlines()) == len(seen["train"])
    assert "CTC" in (folder / "README.md").read_text()


@pytest.mark.parametrize("adapters", [[], ["model.lora_rank=4"]], ids=["whole", "adapters"])
def test_whisper_is_fine_tuned_and_exported(
    adapters: list[str], songs: Path, whisper: Path, tmp_path: Path
) -> None:
    workspace = shutil.copytree(songs, tmp_path / "songs", ignore=shutil.ignore_patterns("runs"))
    assert run_verb("train", *whisper_settings(workspace, whisper), *adapters, "run=short") == 0
    run = workspace / "runs" / "asr" / "short"
    losses = scalars(run, "loss/val")
    assert losses[-1] < losses[0]
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    size = sum(weights.numel() for weights in checkpoint["state_dict"].values())
    module = module_of(run / "checkpoints" / "last.ckpt")
    whole = sum(p.numel() for p in module.parameters())
    assert (size < whole / 2) is bool(adapters), "what is not trained is not kept"
    batch = batch_of(workspace)
    before, losses = module.transcribe(batch), module.token_losses(batch)
    given = ["subject=folder", "subject.name=x", "subject.sources=[]", f"twin={tmp_path}"]
    assert run_verb("export", *given, f"ckpt={run / 'checkpoints' / 'last.ckpt'}") == 0
    loaded = WhisperForConditionalGeneration.from_pretrained(tmp_path / "asr")
    assert loaded.config.max_source_positions == 100, "two seconds"
    again = instantiate(config_of("train", *whisper_settings(workspace, tmp_path / "asr")).model)
    again.configure_model()
    again.eval()
    assert again.transcribe(batch) == before
    assert again.token_losses(batch) == pytest.approx(losses, rel=1e-4)


def test_a_prompt_is_read_and_not_written(songs: Path, whisper: Path, tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("word\nabracadabra\n")
    settings = ["model.prompted=1.0", f"model.lexicon={lexicon}"]
    module = instantiate(config_of("train", *whisper_settings(songs, whisper), *settings).model)
    module.configure_model()
    batch = batch_of(songs)
    plain, prompted = (module.train(training).labels(batch) for training in (False, True))
    decode = module.processor.tokenizer.decode
    assert "abracadabra" in decode(prompted[0][0])
    assert "abracadabra" not in decode(plain[0][0])
    for read, write in (plain, prompted):
        assert read.shape == write.shape
        said = write[0][write[0] >= 0]
        assert decode(said, skip_special_tokens=True).strip() == batch["text"][0]
        assert said[-1] == module.settings.eos_token_id
    marks = [f"<|{mark}|>" for mark in ("startoftranscript", "en", "transcribe", "notimestamps")]
    assert decode(plain[0][0]).startswith("".join(marks))


def test_the_loss_of_a_wrong_text_is_higher(trained: Path, songs: Path) -> None:
    module, batch = module_of(trained / "best.ckpt"), batch_of(songs)
    right = module.token_losses(batch)
    wrong = module.token_losses({**batch, "text": ["a b c a"] * len(right)})  # type: ignore[typeddict-item]
    assert np.mean(right) == pytest.approx(float(module.loss(batch).detach()), rel=1e-4)
    assert all(a < b for a, b in zip(right, wrong, strict=True))


def test_words_are_learnt_as_the_lexicon_says_them(songs: Path, tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("a\tabba\nc\tcab c\n")
    plain, other = (
        instantiate(config_of("train", *settings_for(songs), *given).model, _convert_="all")
        for given in ([], [f"model.lexicon={lexicon}"])
    )
    for module in (plain, other):
        module.configure_model()
    assert plain.encode("a b") != other.encode("a b") == plain.encode("abba b")
    assert other.encode("c") == plain.encode("cab c")
    assert other.written == {"abba": "a"}, "what stands for two words is not put back"


def test_a_frozen_encoder_stays_as_it_is(songs: Path, whisper: Path) -> None:
    settings = [*whisper_settings(songs, whisper), "model.freeze_encoder=true"]
    module = instantiate(config_of("train", *settings).model)
    module.configure_model()
    names = [name for name, p in module.named_parameters() if p.requires_grad]
    assert names
    assert not [name for name in names if ".encoder." in name]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.language=xx", "model.language=xx: .* knows de, en, ja"),
        ("model.window=31", "model.window=31: Whisper hears 1 to 30 seconds"),
        ("model.pretrained=no/where/at/all", "there is no such folder"),
        ("data.fold=3 data.folds=2", "data.fold=3: of 2 folds there are 0 to 1"),
        ("data.transcripts=some", "data.transcripts=some: there are reviewed and all"),
        ("data.batch_size=0", "data.batch_size=0, .*: give 1 or more"),
        ("model.lora_rank=2 model.lora_modules=[nix]", r"model.lora_\*: .*nix"),
    ],
)
def test_mistakes_are_told_in_a_line(songs: Path, whisper: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        run_verb("train", *whisper_settings(songs, whisper), "run=wrong", *override.split())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.network.hidden_size=no", "model.network: makes no network of characters"),
        ("model.network.model_type=nix", "model.network: makes no network of characters"),
        ("model.freeze_feature_encoder=true", "a model from nothing has nothing to keep"),
        ("model.network=null", "model.pretrained=NAME or FOLDER, or model.network"),
    ],
)
def test_a_network_that_cannot_be_made(songs: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        run_verb("train", *train_settings(songs, "wrong"), override)


def test_a_base_that_hears_less_than_is_asked(songs: Path, whisper: Path, tmp_path: Path) -> None:
    module = instantiate(config_of("train", *whisper_settings(songs, whisper)).model)
    module.configure_model()
    module.save_pretrained(tmp_path)
    settings = [*whisper_settings(songs, tmp_path), "run=wrong", "model.window=3"]
    with pytest.raises(UserError, match=r"model.window=3: .* hears 2 seconds at once; give model.window=2"):
        run_verb("train", *settings)


def test_clips_that_the_model_cannot_learn_from_are_named(
    songs: Path, whisper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = shutil.copytree(songs, tmp_path / "songs", ignore=shutil.ignore_patterns("runs"))
    with (workspace / "edits.jsonl").open("a") as file:
        file.write('{"clip": "song_0", "drop": "noise"}\n')
        file.write('{"clip": "song_1", "set": {"text": ""}}\n')
        file.write('{"clip": "song_2", "set": {"text": "a ß c"}}\n')
        file.write('{"clip": "song_3", "set": {"text": "' + "a b c " * 30 + '"}}\n')
        file.write('{"clip": "song_4", "set": {"text": "?!"}}\n')
    assert run_verb("train", *train_settings(workspace, "some"), "trainer.max_steps=1") == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    manifest = workspace / "manifests" / "transcribe.jsonl"
    assert f"left out: has no text: {manifest}:2 (song_1)" in told
    assert f"left out: the model's alphabet has no ß: {manifest}:3 (song_2)" in told
    assert f"left out: more text than can be said in that time: {manifest}:4 (song_3)" in told
    assert f"left out: the text has no word that is spoken: {manifest}:5 (song_4)" in told


def test_a_window_that_is_too_short_for_all_says_so(songs: Path, whisper: Path) -> None:
    settings = [*whisper_settings(songs, whisper), "data.augment=null"]
    module = instantiate(config_of("train", *settings).model)
    module.configure_model()
    data = SpeechDataModule(workspace=str(songs))
    data.setup()
    module.processor.feature_extractor.chunk_length = 0.5
    with pytest.raises(UserError, match=r"too few clips with a text to learn from \(0 to train on"):
        data.leave_out(module.complaint)
