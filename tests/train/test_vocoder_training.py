"""The vocoder's data, losses, training and export, on whistled letters."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import pytorch_lightning as pl
import torch
from conftest import config_of, events_of, run_verb
from hydra.utils import instantiate
from safetensors.torch import save_file
from songs import write_songs
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from understudy.data.manifest import read_manifest, write_manifest
from understudy.data.sound import voice_sound
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.twin_vocoder import load_generator_weights, load_vocoder, read_weights
from understudy.data.vocoder_datamodule import Segments, VocoderDataModule
from understudy.errors import UserError
from understudy.models.tts import LogMel
from understudy.models.vocoder import MultiPeriodDiscriminator, Vocoder
from understudy.models.vocoder.griffin_lim import GriffinLim
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.export_vocoder import export_vocoder
from understudy.train.vocoder_losses import discriminators_loss, feature_loss, generator_loss, stft_loss

TINY: dict[str, Any] = {
    "upsample_initial_channel": 16,
    "upsample_factors": [8],
    "upsample_kernel_sizes": [16],
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3, 5]],
    "istft": True,
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips, of which the recording itself is at hand."""
    workspace = write_songs(tmp_path_factory.mktemp("songs"), 12)
    manifest = workspace / "manifests" / "transcribe.jsonl"
    write_manifest(manifest, [clip.add(audio_full=clip["audio"]) for clip in read_manifest(manifest)])
    return workspace


def settings(workspace: Path, run: str, *changes: str) -> list[str]:
    """Four steps of two epochs, the judges from the third on, of a vocoder that is as small as can be."""
    return [
        "model=vocoder_small",
        "subject=folder",
        "subject.name=whistler",
        "subject.sources=[]",
        "trainer=cpu",
        f"workspace={workspace}",
        f"run={run}",
        "threads=1",
        *(f"model.generator.{name}={value}" for name, value in TINY.items()),
        "model.period_discriminator={_target_: understudy.models.vocoder.MultiPeriodDiscriminator, "
        "periods: [2, 3], channels: 2}",
        "model.resolution_discriminator={_target_: understudy.models.vocoder.MultiResolutionDiscriminator, "
        "n_ffts: [256], channels: 2}",
        "model.adversarial_from=2",
        "model.decay_steps=4",
        "data.batch_size=2",
        "data.batches_per_epoch=2",
        "data.segment_frames=8",
        "data.val_clips=1",
        "trainer.max_steps=4",
        "trainer.log_every_n_steps=1",
        "trainer.enable_progress_bar=false",
        "callbacks.samples.clips=1",
        *changes,
    ]


@pytest.fixture(scope="module")
def trained(songs: Path) -> Path:
    """The checkpoints of a run that nothing disturbed; only to be read."""
    assert run_verb("train", *settings(songs, "undisturbed")) == 0
    return songs / "runs" / "vocoder" / "undisturbed" / "checkpoints"


@pytest.fixture(scope="module")
def twin(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = read_checkpoint(trained / "last.ckpt", role="vocoder")
    folder = tmp_path_factory.mktemp("twin") / "vocoder"
    folder.mkdir()
    export_vocoder(load_module(checkpoint), checkpoint, folder, onnx=True)
    return folder


def data_of(workspace: Path, **changes: Any) -> VocoderDataModule:
    data = VocoderDataModule(workspace=str(workspace), **{"segment_frames": 8, **changes})
    data.setup("fit")
    return data


def generated(songs: Path, folder: Path, frames: int = 0) -> Path:
    """A workspace with mels that are the recordings', `frames` too long."""
    (folder / "manifests").mkdir(parents=True)
    for name in ("decode", "edits.jsonl", "manifests/transcribe.jsonl"):
        (folder / name).symlink_to(songs / name)
    log_mel, clips = LogMel(), []
    for clip in read_manifest(songs / "manifests" / "transcribe.jsonl"):
        audio = torch.from_numpy(voice_sound(clip, songs, 22050, 256)).unsqueeze(0)
        mel = np.pad(log_mel(audio)[0].numpy(), [(0, 0), (0, frames)])
        np.save(folder / f"{clip.id}.npy", mel)
        clips.append(clip.add(mel=f"{clip.id}.npy"))
    write_manifest(folder / "manifests" / "generate.jsonl", clips)
    return folder


def test_a_segment_s_mel_is_cut_from_the_whole_clip_s(songs: Path) -> None:
    data = data_of(songs)
    segments = Segments(data.utterances["train"], frames=8, length=20, seed=1)
    for segment in (segments[k] for k in range(20)):
        (utterance,) = (u for u in data.utterances["train"] if u.clip == segment["clip"])
        places = [
            first
            for first in range(utterance.frames - 7)
            if np.array_equal(utterance.mel[:, first : first + 8], segment["mel"])
        ]
        sound = utterance.audio.astype(np.float32) / 32767
        assert any(np.array_equal(sound[k * 256 : (k + 8) * 256], segment["audio"]) for k in places)
    draws = [segments[k]["audio"] for k in range(20)]
    assert all(torch.equal(draw, segments[k]["audio"]) for k, draw in enumerate(draws))
    segments.epoch = 1
    assert not torch.equal(draws[0], segments[0]["audio"]), "another epoch, other segments"


def test_the_same_clips_are_held_out_as_of_the_recogniser(songs: Path) -> None:
    shares = {"val_share": 0.2, "test_share": 0.2}
    recogniser = SpeechDataModule(workspace=str(songs), **shares)
    recogniser.setup()
    for name, clips in data_of(songs, **shares).split.items():
        assert {clip.id for clip in clips} == {clip.id for clip in recogniser.split[name]}


def test_generated_mels_are_heard_in_place_of_the_recordings(songs: Path, tmp_path: Path) -> None:
    workspace = generated(songs, tmp_path / "generated")
    np.save(workspace / "song_0.npy", np.load(workspace / "song_0.npy") - 1)
    found = {u.clip: u.mel for part in data_of(workspace, mels="generated").utterances.values() for u in part}
    real = {u.clip: u.mel for part in data_of(songs).utterances.values() for u in part}
    assert all(np.abs(found[clip] - real[clip]).max() < 1e-6 for clip in real if clip != "song_0")
    if "song_0" in real:
        np.testing.assert_allclose(found["song_0"], real["song_0"] - 1, atol=1e-6)


def test_mels_that_cannot_be_used_are_said(songs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"generate\.jsonl: there are no generated mels yet; `understudy pair"
    ):
        data_of(songs, mels="generated")
    workspace = generated(songs, tmp_path / "long", frames=1)
    with pytest.raises(UserError, match=r"generate\.jsonl:\d+ \(song_\d+\): its mel has .*its sound makes"):
        data_of(workspace, mels="generated")
    with pytest.raises(UserError, match=r"no clip to train with is as long as data\.segment_frames=900"):
        data_of(songs, segment_frames=900)
    with pytest.raises(UserError, match="too short for a spectrum; give at least 8"):
        VocoderDataModule(workspace=str(songs), segment_frames=4)


def test_losses_are_least_where_they_should_be() -> None:
    torch.manual_seed(0)
    real, other = torch.randn(2, 1, 4096).unbind()
    assert float(stft_loss(real, real)) == 0 < float(stft_loss(other, real))
    assert float(stft_loss(real * 0, real)) < 100, "silence has a loss, and a gradient"
    judge = MultiPeriodDiscriminator(periods=[2, 3], channels=2)
    seen, fake = judge(real), judge(other)
    assert feature_loss(seen, seen).item() == 0 < feature_loss(seen, fake).item()
    sure = [verdict._replace(score=torch.ones(1, 3)) for verdict in seen]
    not_at_all = [verdict._replace(score=torch.zeros(1, 3)) for verdict in seen]
    assert float(discriminators_loss(sure, not_at_all)) == 0 == float(generator_loss(sure))
    assert float(discriminators_loss(not_at_all, sure)) == 4, "of two judges"


def test_without_a_network_a_whistle_is_still_a_whistle(songs: Path) -> None:
    clip = read_manifest(songs / "manifests" / "transcribe.jsonl")[0]
    audio, log_mel = torch.from_numpy(voice_sound(clip, songs, 22050, 256)).unsqueeze(0), LogMel()
    sound = GriffinLim(log_mel)(log_mel(audio))
    assert sound.shape == audio.shape
    loudest = (
        torch.stft(x, 1024, window=torch.hann_window(1024), return_complex=True).abs() for x in (sound, audio)
    )
    ours, theirs = (spectrum[0].sum(dim=1).argmax() for spectrum in loudest)
    assert abs(int(ours) - int(theirs)) <= 2


class Witness(pl.Callback):
    """Notes which networks have changed after each step."""

    def __init__(self) -> None:
        self.changed: list[set[str]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self.before = {name: p.detach().clone() for name, p in pl_module.named_parameters()}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        weights: dict[str, Tensor] = dict(pl_module.named_parameters())
        self.changed.append(
            {name.split(".")[0] for name, was in self.before.items() if not was.equal(weights[name])}
        )


def test_there_are_judges_from_the_step_on_that_is_given(songs: Path, tmp_path: Path) -> None:
    config = config_of("train", *settings(songs, "x"))
    witness = Witness()
    trainer = instantiate(
        config.trainer,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        callbacks=[witness],
        default_root_dir=tmp_path,
    )
    module = instantiate(config.model, _convert_="all")
    trainer.fit(module, datamodule=instantiate(config.data))
    everything = {"generator", "period_discriminator", "resolution_discriminator"}
    assert witness.changed == [{"generator"}] * 2 + [everything] * 2
    assert trainer.global_step == 4, "a step is a batch"
    assert all(p.requires_grad for p in module.parameters())


def test_sound_mels_and_distances_are_in_tensorboard(trained: Path) -> None:
    events = EventAccumulator(str(trained.parent))
    events.Reload()
    tags = events.Tags()
    assert {tag.split("/")[0] for tag in tags["audio"]} == {"sound", "recording"}
    assert [tag.split("/")[0] for tag in tags["images"]] == ["mel"]
    assert {"mel_l1/tuned", "mel_l1/griffin_lim", "stft/tuned", "stft/griffin_lim"} <= {*tags["scalars"]}


def test_a_run_that_was_stopped_ends_with_the_same_weights(songs: Path, trained: Path) -> None:
    assert run_verb("train", *settings(songs, "stopped", "trainer.max_steps=2")) == 0
    assert run_verb("train", *settings(songs, "stopped", "resume=true")) == 0
    one, other = (
        torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (trained, songs / "runs" / "vocoder" / "stopped" / "checkpoints")
    )
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_what_it_was_before_stands_beside_what_it_becomes(
    songs: Path, twin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as it can be had; without it a run goes on and is measured all the same."""
    base = shutil.copytree(twin, tmp_path / "vocoder")
    run = settings(songs, "further", f"model.pretrained={base}", "model.optimizer.lr=0")
    assert run_verb("train", *run, "trainer.max_steps=2") == 0
    events = EventAccumulator(str(songs / "runs" / "vocoder" / "further"))
    events.Reload()
    before, tuned = (events.Scalars(f"mel_l1/{who}")[-1].value for who in ("before", "tuned"))
    assert before == pytest.approx(tuned, rel=1e-4), "nothing was learnt"
    checkpoint = songs / "runs" / "vocoder" / "further" / "checkpoints" / "last.ckpt"
    save_file(Vocoder(**TINY).state_dict(), base / "generator.safetensors")  # as another export would
    assert set(evaluated(songs, checkpoint)) == {"tuned", "griffin_lim"}
    assert "is not what this run began with any more" in capsys.readouterr().out
    shutil.rmtree(base)
    assert run_verb("train", *run, "resume=true") == 0
    assert read_checkpoint(checkpoint)["global_step"] == 4


def evaluated(workspace: Path, ckpt: Path, *changes: str) -> dict[str, Any]:
    """What `evaluate` writes of the model and what stands beside it."""
    given = ["subject=folder", "subject.name=x", "subject.sources=[]", f"workspace={workspace}"]
    assert run_verb("evaluate", *given, "trainer=cpu", f"ckpt={ckpt}", "videos=1", *changes) == 0
    found: dict[str, Any] = json.loads((ckpt.parents[1] / "evaluation" / "metrics.json").read_text())
    return {who: values for who, values in found.items() if isinstance(values, dict)}


def test_evaluate_leaves_out_what_was_learnt_from(
    songs: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = evaluated(songs, trained / "last.ckpt", "+data.test_share=0.8")
    assert set(values) == {"tuned", "griffin_lim"}
    assert "left out: the model has learnt from it: " in capsys.readouterr().out
    samples = trained.parent / "evaluation" / "samples"
    assert {path.stem.rsplit("_", 1)[-1] for path in samples.glob("*.wav")} == {"ours", "real"}
    assert len([*samples.glob("*.png")]) == 1


@pytest.mark.parametrize(("judges_from", "best"), [(2, 4), (4, 4)])
def test_the_best_is_looked_for_once_there_are_judges(
    songs: Path, trained: Path, judges_from: int, best: int
) -> None:
    """A run of four steps that is validated after the second and the fourth."""
    checkpoints = trained
    if judges_from != 2:
        assert run_verb("train", *settings(songs, "unjudged", f"model.adversarial_from={judges_from}")) == 0
        checkpoints = songs / "runs" / "vocoder" / "unjudged" / "checkpoints"
    assert read_checkpoint(checkpoints / "best.ckpt")["global_step"] == best


def test_judges_learn_before_a_good_generator_does(songs: Path) -> None:
    changes = ("model.adversarial_from=0", "model.generator_from=2", "trainer.max_steps=3")
    assert run_verb("train", *settings(songs, "judges_first", *changes)) == 0
    run = songs / "runs" / "vocoder" / "judges_first"
    steps = {
        name: [event.step for event in events_of(run).Scalars(name)]
        for name in ("loss/discriminators", "loss/adversarial")
    }
    assert steps == {"loss/discriminators": [0, 1, 2], "loss/adversarial": [2]}
    with pytest.raises(UserError, match="nobody would learn before these steps"):
        run_verb("train", *settings(songs, "nobody", "model.adversarial_from=2", "model.generator_from=2"))


def test_it_learns(songs: Path) -> None:
    torch.manual_seed(0)
    config = config_of("train", *settings(songs, "x"))
    module = instantiate(config.model, _convert_="all")
    utterances = data_of(songs).utterances["train"]
    segments = [utterance.segment(8, 8) for utterance in utterances[:4]]
    mel, audio = (torch.stack([segment[name] for segment in segments]) for name in ("mel", "audio"))  # type: ignore[literal-required]
    optimizer = torch.optim.AdamW(module.generator.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        loss = stft_loss(module.generator(mel), audio)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_twin_s_files_speak_as_the_checkpoint_does(trained: Path, twin: Path) -> None:
    names = {"config.json", "generator.safetensors", "vocoder.onnx", "training.json", "README.md"}
    assert {path.name for path in twin.iterdir()} == names
    module = load_module(read_checkpoint(trained / "last.ckpt"))
    vocoder, mel = load_vocoder(twin), torch.randn(1, 80, 11)
    with torch.inference_mode():
        sound = vocoder(mel)
        torch.testing.assert_close(sound, module.generator(mel), atol=1e-6, rtol=0)
    session = onnxruntime.InferenceSession(twin / "vocoder.onnx")
    (found,) = session.run(None, {"mel": mel.numpy()})
    np.testing.assert_allclose(found, sound.numpy(), atol=1e-4)
    assert json.loads((twin / "training.json").read_text())["clips"]["train"]
    assert "steps trained | 4" in (twin / "README.md").read_text()


def test_a_twin_without_a_vocoder_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no vocoder yet"):
        load_vocoder(tmp_path / "vocoder")
    (tmp_path / "config.json").write_text('{"upsample": 3}')
    with pytest.raises(UserError, match=r"config\.json: is not as it was written"):
        load_vocoder(tmp_path)


def original_names(vocoder: Vocoder) -> dict[str, Tensor]:
    """A vocoder's weights as HiFi-GAN's authors name them."""
    ends = {"original0": "weight_g", "original1": "weight_v", "bias": "bias"}
    state = vocoder.state_dict()
    return {f"{name.split('.conv.')[0]}.{ends[name.rsplit('.', 1)[1]]}": t for name, t in state.items()}


@pytest.mark.parametrize("naming", ["original", "speechbrain", "folded"])
def test_weights_are_known_by_any_of_their_names(naming: str, tmp_path: Path) -> None:
    source, other = Vocoder(**TINY), Vocoder(**TINY)
    weights = original_names(source) if naming == "original" else source.state_dict()
    if naming == "folded":
        source.fold_weight_norm()
        weights = source.state_dict()
    save_file(weights, tmp_path / "generator.safetensors")
    assert load_generator_weights(other, read_weights(tmp_path), "it") == len(other.state_dict())
    mel = torch.randn(1, 80, 5)
    torch.testing.assert_close(other.eval()(mel), source.eval()(mel), atol=1e-5, rtol=0)


def test_an_inverse_transform_takes_the_stages_that_it_has() -> None:
    whole = Vocoder(
        **TINY | {"upsample_factors": [8, 8, 4], "upsample_kernel_sizes": [16, 16, 8], "istft": False}
    )
    half = Vocoder(**TINY)
    taken = load_generator_weights(half, original_names(whole), "whole")
    assert taken == len(half.state_dict()) - 3, "all but the last layer"
    for name in ("conv_pre", "ups.0", "resblocks.0.convs2.2"):
        theirs, ours = (vocoder.get_submodule(name).conv.weight for vocoder in (whole, half))  # type: ignore[union-attr]
        assert torch.equal(theirs, ours)


def test_weights_that_do_not_fit_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"conv_pre\.conv\.bias is \(8,\) there and \(16,\) here"):
        load_generator_weights(
            Vocoder(**TINY), Vocoder(**TINY | {"upsample_initial_channel": 8}).state_dict(), "it"
        )
    more = Vocoder(**TINY | {"upsample_factors": [8, 8], "upsample_kernel_sizes": [16, 16]})
    with pytest.raises(UserError, match=r"ups\.1\.conv\.bias is only here"):
        load_generator_weights(more, Vocoder(**TINY).state_dict(), "it")
    with pytest.raises(UserError, match=r"one \.safetensors file is wanted, there is none"):
        read_weights(tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="not weights that can be read"):
        read_weights(tmp_path)
