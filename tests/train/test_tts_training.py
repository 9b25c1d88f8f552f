"""A voice of three hummed letters, from its first step to the folder that speaks."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import events_of, find_command, run_verb
from hums import RATE, settings_for, subject_of, write_hums, write_vocoder
from safetensors.torch import load_file

from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.training_notes import write_training
from understudy.data.twin_tts import ACOUSTIC, TwinVoice
from understudy.errors import UserError
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.tts_fastspeech import EMBEDDING, JUDGED, FastSpeechTraining, blur, stretches


@pytest.fixture(scope="module")
def hums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hums(tmp_path_factory.mktemp("hums"), 12)


@pytest.fixture(scope="module")
def trained(hums: Path) -> Path:
    """The checkpoints of a run that nothing disturbed; only to be read."""
    assert run_verb("train", *settings_for(hums, "undisturbed")) == 0
    return hums / "runs" / "tts" / "undisturbed" / "checkpoints"


def module_of(checkpoint: Path) -> FastSpeechTraining:
    module = load_module(read_checkpoint(checkpoint, role="tts"))
    assert isinstance(module, FastSpeechTraining)
    return module


def scalars(run: Path, name: str) -> list[float]:
    return [event.value for event in events_of(run).Scalars(name) if np.isfinite(event.value)]


def test_it_is_watched_while_it_learns(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {"best.ckpt", "last.ckpt"}
    losses = scalars(trained.parent, "loss/val")
    assert len(losses) == 2, "one a validation"
    assert losses[-1] < losses[0]
    assert scalars(trained.parent, "loss/train")[-1] < scalars(trained.parent, "loss/train")[0]
    tags = events_of(trained.parent).Tags()
    parts = ("mel", "durations", "pitch", "energy", "alignment")
    assert {f"{part}/{split}" for part in parts for split in ("train", "val")} <= {*tags["scalars"]}
    assert {"mcd/tuned", "duration/tuned", "blur/val", "mel_and_blur/val"} <= {*tags["scalars"]}
    judged = [event.step for event in events_of(trained.parent).Scalars("adversarial/train")]
    assert judged == [*range(2, 12)], "from the step that was asked for"
    assert {tag.rsplit("/", 1)[1] for tag in tags["audio"]} == {"ours", "real"}
    assert all(tag.startswith("mel/hum_") for tag in tags["images"])


def test_it_knows_how_high_and_how_loud_the_voice_is(trained: Path) -> None:
    network = module_of(trained / "last.ckpt").network
    assert 110 < float(network.pitch_mean.exp()) < 150
    assert 0 < float(network.pitch_deviation) < 0.2


def test_a_killed_run_ends_with_the_same_weights(hums: Path, trained: Path) -> None:
    settings = settings_for(hums, "killed")  # validates every other epoch
    killed = hums / "runs" / "tts" / "killed" / "checkpoints"
    process = subprocess.Popen(
        [find_command(), "train", *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    while not (killed / "last.ckpt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < torch.load(killed / "last.ckpt", weights_only=True)["global_step"] < 12
    assert run_verb("train", *settings, "resume=true") == 0
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (
            torch.load(folder / name, weights_only=True)["state_dict"] for folder in (trained, killed)
        )
        assert one.keys() == other.keys()
        assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_the_judge_sees_the_same_stretch_of_both() -> None:
    real = torch.arange(2 * 3 * 200.0).reshape(2, 3, 200)
    frames = torch.tensor([200, 70])
    for _ in range(20):
        one, other = stretches(real, -real, frames)
        assert one.shape == (2, 3, JUDGED)
        assert torch.equal(one, -other)
        assert (one.diff(dim=2) == 1).all(), "neighbours stay neighbours"
        assert (one[1, 0, -1] - real[1, 0, 0]) < 70, "nothing behind the end"
    assert stretches(real, real, torch.tensor([200, 30]))[0].shape[2] == 30


def test_blur_is_what_neighbours_differ_by() -> None:
    torch.manual_seed(0)
    real, frames = torch.randn(2, 8, 50), torch.tensor([50, 20])
    assert blur(real, real + 3, frames) == pytest.approx(0, abs=1e-6)
    assert blur(real, 0.6 * real, frames) == pytest.approx(0.4, abs=1e-6)
    behind = real.clone()
    behind[1, :, 20:] = 0
    assert blur(real, behind, frames) == pytest.approx(0, abs=1e-6)


def test_a_run_does_not_go_on_with_other_sounds(hums: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "hums"
    workspace.mkdir()
    for name in ("decode", "manifests"):
        (workspace / name).symlink_to(hums / name)
    (workspace / "edits.jsonl").write_bytes((hums / "edits.jsonl").read_bytes())
    settings = [*settings_for(workspace, "one"), "data.batches_per_epoch=1", "trainer.max_steps=1"]
    assert run_verb("train", *settings) == 0
    with (workspace / "edits.jsonl").open("a") as file:
        file.write('{"clip": "hum_1", "drop": "noise"}\n')
    with pytest.raises(UserError, match=r"clips or the alphabet of sounds have changed .*run=NAME"):
        run_verb("train", *settings, "trainer.max_steps=2", "resume=true")


def test_another_voice_s_sounds_are_kept(hums: Path, trained: Path) -> None:
    before = module_of(trained / "best.ckpt")
    settings = [
        *settings_for(hums, "tuned"),
        f"model.pretrained={trained / 'best.ckpt'}",
        "model.pronouncer.characters=xcab",
        "model.optimizer.lr=0",
        "data.batches_per_epoch=1",
        "trainer.max_steps=1",
    ]
    assert run_verb("train", *settings) == 0
    after = module_of(hums / "runs" / "tts" / "tuned" / "checkpoints" / "last.ckpt")
    old, new = (module.network.state_dict()[EMBEDDING] for module in (before, after))
    old_places, new_places = ([*module.pronouncer.alphabet] for module in (before, after))
    assert new_places != old_places
    for symbol in old_places:
        assert torch.equal(new[new_places.index(symbol)], old[old_places.index(symbol)]), symbol
    assert not (new[new_places.index("x")] == old).all(dim=1).any()


def test_a_voice_of_another_size_is_no_beginning(hums: Path, trained: Path, tmp_path: Path) -> None:
    settings = [*settings_for(hums, "wrong"), f"model.pretrained={trained / 'best.ckpt'}"]
    for size in ("channels=32", "encoder_layers=2"):
        with pytest.raises(UserError, match=r"best\.ckpt: is a network of another size \(net\..*same model"):
            run_verb("train", *settings, f"model.network.{size}")
    with pytest.raises(UserError, match=r"is no FastSpeech; give a \.ckpt or the twin/tts of one"):
        run_verb("train", *settings, f"model.pretrained={tmp_path}")
    with pytest.raises(UserError, match="there is no such file"):
        run_verb("train", *settings, "model.pretrained=nowhere.ckpt")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+model.network.layers=3", "model.network: makes no network"),
        ("model.network.heads=3", "model.network: makes no network"),
        ("data.sample_rate=16000", r"data\.sample_rate=16000, .*: this voice is made of 22050 and 256"),
        ("model.pronouncer.characters=xyz", "too few clips with a text to learn from"),
    ],
)
def test_mistakes_are_told_in_a_line(hums: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        run_verb("train", *settings_for(hums, "wrong"), override)


def test_silence_is_no_voice(hums: Path, tmp_path: Path) -> None:
    for name in ("manifests", "edits.jsonl"):
        (tmp_path / name).symlink_to(hums / name)
    for recording in hums.glob("decode/*/full.wav"):
        silent = tmp_path / recording.relative_to(hums)
        silent.parent.mkdir(parents=True)
        soundfile.write(silent, np.zeros(RATE), RATE)
    with pytest.raises(UserError, match="hardly any of these clips has a voice in it that sounds"):
        run_verb("train", *settings_for(tmp_path, "silent"))


def test_an_exported_voice_says_the_same(
    trained: Path, hums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*subject_of(hums), f"ckpt={trained / 'best.ckpt'}", f"twin={tmp_path}"]
    assert run_verb("export", *given) == 0
    assert "ONNX agrees with PyTorch to" in capsys.readouterr().out
    folder = tmp_path / "tts"
    names = {"config.json", ACOUSTIC, "training.json", "README.md", "encoder.onnx", "decoder.onnx"}
    assert {path.name for path in folder.iterdir()} == names
    voice, module = TwinVoice(pretrained=str(folder), device="cpu"), module_of(trained / "best.ckpt")
    voice.setup()
    ids = torch.from_numpy(module.pronouncer.tokens("c a b a").ids)
    for changes in ({}, {"speed": 0.7, "pitch": 2.0, "energy": -3.0}):
        expected = module.network.synthesize(ids, **changes)
        assert torch.equal(voice.say("c a b a", **changes).speech.mel, expected.mel)
    words = voice.say("c a b a").words(voice.log_mel.frame)
    assert [word for _, _, word in words] == ["c", "a", "b", "a"]
    assert all(start < end for start, end, _ in words)
    training = json.loads((folder / "training.json").read_text())
    assert training["base"] == "nothing"
    assert sum(map(len, training["clips"].values())) == 12
    assert "steps trained |" in (folder / "README.md").read_text()


def test_an_exported_voice_is_a_beginning_too(trained: Path, hums: Path, tmp_path: Path) -> None:
    given = [*subject_of(hums), f"ckpt={trained / 'last.ckpt'}", f"twin={tmp_path}"]
    assert run_verb("export", *given, "onnx=false") == 0
    settings = [*settings_for(hums, "again"), f"model.pretrained={tmp_path / 'tts'}", "model.optimizer.lr=0"]
    assert run_verb("train", *settings, "data.batches_per_epoch=1", "trainer.max_steps=1") == 0
    again = module_of(hums / "runs" / "tts" / "again" / "checkpoints" / "last.ckpt").network.state_dict()
    before = load_file(tmp_path / "tts" / ACOUSTIC)
    assert again.keys() == before.keys()
    assert [name for name in before if not torch.allclose(before[name], again[name])] == []


def test_evaluate_measures_what_was_never_heard(
    trained: Path, hums: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*subject_of(hums), "trainer=cpu", f"ckpt={trained / 'best.ckpt'}", "videos=1", "threads=1"]
    assert run_verb("evaluate", *given) == 0
    folder = trained.parent / "evaluation"
    found = json.loads((folder / "metrics.json").read_text())
    assert found["tuned"]["mcd"] > 0
    assert "metric" in (told := capsys.readouterr().out)
    assert "mcd" in told
    names = sorted(path.name.partition("_")[0] for path in (folder / "samples").iterdir())
    assert names == ["hum"] * 3, "ours, the real one and a picture of one clip"


def test_validation_listens_with_the_subject_s_own_vocoder(hums: Path, tmp_path: Path) -> None:
    vocoder = write_vocoder(tmp_path / "vocoder")
    settings = [*settings_for(hums, "listening"), f"model.vocoder={vocoder}", "trainer.max_steps=1"]
    settings.append("model.listening={dnsmos: p808}")
    short = ["data.batches_per_epoch=1", "trainer.check_val_every_n_epoch=1"]
    assert run_verb("train", *settings, *short) == 0
    assert scalars(hums / "runs" / "tts" / "listening", "mel_distance/tuned")
    assert scalars(hums / "runs" / "tts" / "listening", "dnsmos/real")


def test_evaluate_says_what_a_voice_is_heard_through(
    trained: Path, hums: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = tmp_path / "hums"
    workspace.mkdir()
    for name in ("decode", "manifests", "edits.jsonl"):
        (workspace / name).symlink_to(hums / name)
    run = shutil.copytree(trained.parent, tmp_path / "run")
    given = [*subject_of(workspace), "trainer=cpu", f"ckpt={run / 'checkpoints' / 'best.ckpt'}", "videos=0"]

    def heard(*changes: str) -> str:
        assert run_verb("evaluate", *given, *changes) == 0
        return capsys.readouterr().out

    assert "heard through Griffin-Lim" in heard()
    found = json.loads((run / "evaluation" / "metrics.json").read_text())
    assert 0 <= found["tuned"]["trouble"] <= 1
    own = write_vocoder(workspace / "twin" / "vocoder")
    write_training(own, base="nothing", language=None, clips={"train": held_out(workspace)[:1]})
    with pytest.raises(UserError, match="no clip is held out to test on"):
        heard()
    told = capsys.readouterr().out
    assert f"heard through {own}" in told
    assert "left out: the vocoder has learnt from it: " in told
    other = write_vocoder(tmp_path / "other", sample_rate=16000)
    with pytest.raises(UserError, match=r"vocoder=.*other: makes 16000 Hz .* the voice is of 22050 Hz"):
        heard(f"vocoder={other}")
    with pytest.raises(UserError, match=r"vocoder=.*nowhere"):
        heard(f"vocoder={tmp_path / 'nowhere'}")
    shutil.rmtree(own)
    write_vocoder(own, sample_rate=16000)
    told = heard()
    assert "passed over: vocoder=" in told
    assert "heard through Griffin-Lim" in told


def held_out(workspace: Path) -> list[str]:
    """Names of the clips to test on."""
    data = SpeechDataModule(workspace=str(workspace), test_share=0.15)
    data.setup()
    return [clip.id for clip in data.split["test"]]
