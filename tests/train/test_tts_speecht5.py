"""SpeechT5 trained from nothing, saved, loaded, and trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import events_of, run_verb
from hums import NETWORK as FASTSPEECH
from songs import whistle, write_songs
from transformers import SpeechT5ForTextToSpeech, SpeechT5Processor

from understudy.data.clone import clone
from understudy.data.embedding import GE2E
from understudy.data.letters import Letters
from understudy.data.manifest import read_manifest, write_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.data.pronounce import Pronouncer
from understudy.data.speecht5 import encoder_for, load_speecht5, voice_of
from understudy.data.twin_tts import TwinVoice
from understudy.errors import UserError
from understudy.models.tts import FastSpeech
from understudy.models.tts.speech import Trouble
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.tts_fastspeech import take_over
from understudy.train.tts_speecht5 import SpeechT5Training

NETWORK = {
    "hidden_size": 48,
    "encoder_layers": 1,
    "encoder_ffn_dim": 64,
    "decoder_layers": 2,
    "decoder_ffn_dim": 64,
    "speech_decoder_prenet_units": 32,
    "speech_decoder_postnet_units": 32,
    "max_speech_positions": 100,
    "max_text_positions": 50,
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = write_songs(tmp_path_factory.mktemp("voice"), 20)
    manifest = workspace / "manifests" / "transcribe.jsonl"
    clips = read_manifest(manifest)
    for clip in clips:
        clip.fields["audio_full"] = clip["audio"]
    write_manifest(manifest, clips)
    return workspace


def train_settings(workspace: Path, run: str) -> list[str]:
    return [
        "model=tts_speecht5",
        "subject=folder",
        "subject.name=whistler",
        "subject.sources=[]",
        "trainer=cpu",
        f"workspace={workspace}",
        f"run={run}",
        "threads=1",
        "trainer.max_steps=20",
        "trainer.precision=32-true",
        "trainer.enable_progress_bar=false",
        "trainer.check_val_every_n_epoch=1",
        "data.batches_per_epoch=10",
        "model.pretrained=null",
        "model.vocoder=null",
        "model.pronouncer.alphabet=abc",
        "model.optimizer.lr=3e-3",
        *(f"model.network.{name}={value}" for name, value in NETWORK.items()),
    ]


@pytest.fixture(scope="module")
def trained(songs: Path) -> Path:
    """The folder of a run; only to be read."""
    assert run_verb("train", *train_settings(songs, "first")) == 0
    return songs / "runs" / "tts" / "first"


@pytest.fixture(scope="module")
def module(trained: Path) -> SpeechT5Training:
    found = load_module(read_checkpoint(trained / "checkpoints" / "last.ckpt", role="tts"))
    assert isinstance(found, SpeechT5Training)
    return found


@pytest.fixture(scope="module")
def exported(module: SpeechT5Training, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    assert module.save(folder) == "SpeechT5ForTextToSpeech"
    return folder


def test_it_is_watched_while_it_learns(trained: Path) -> None:
    events = events_of(trained)
    losses = [event.value for event in events.Scalars("loss/val") if np.isfinite(event.value)]
    assert losses[-1] < losses[0]
    assert 0 <= events.Scalars("trouble/tuned")[-1].value <= 1
    assert any(tag.startswith("sound/song_") for tag in events.Tags()["audio"])


def test_its_voice_is_the_mean_of_what_it_heard(module: SpeechT5Training) -> None:
    assert module.network.speaker.shape == (256,)
    assert float(module.network.speaker.norm()) == pytest.approx(1.0, abs=1e-5)


def test_what_is_saved_says_the_same(module: SpeechT5Training, exported: Path) -> None:
    voice, mel = load_speecht5(exported)
    assert mel.sample_rate == 16000
    ids = torch.from_numpy(module.pronouncer.tokens("a b c").ids)
    expected = module.network.synthesize(ids)
    found = voice.synthesize(ids)
    assert str(found.trouble) == str(expected.trouble)
    torch.testing.assert_close(found.mel, expected.mel, atol=1e-4, rtol=0)
    assert json.loads((exported / "config.json").read_text())["family"] == "speecht5"


def test_transformers_alone_loads_what_is_saved(exported: Path) -> None:
    network = SpeechT5ForTextToSpeech.from_pretrained(exported)
    processor = SpeechT5Processor.from_pretrained(exported)
    ids = Letters(pretrained=str(exported)).tokens("Cab, a b.").ids
    assert processor.tokenizer("cab, a b.").input_ids == ids.tolist()
    assert network.config.vocab_size == len(processor.tokenizer)


def reference(songs: Path, text: str) -> str:
    path = songs / f"{text}.wav"
    soundfile.write(path, whistle(text, np.random.default_rng(5)), SAMPLE_RATE)
    return str(path)


def test_training_goes_on_from_what_is_saved(songs: Path, exported: Path) -> None:
    heard = reference(songs, "a b c a b c")
    settings = [*train_settings(songs, "second"), f"model.pretrained={exported}", "trainer.max_steps=1"]
    assert run_verb("train", *settings, f"model.reference='{heard}'", "model.optimizer.lr=0") == 0
    checkpoint = read_checkpoint(songs / "runs" / "tts" / "second" / "checkpoints" / "last.ckpt", role="tts")
    again = load_module(checkpoint)
    assert isinstance(again, SpeechT5Training)
    np.testing.assert_allclose(again.network.speaker, voice_of(heard, GE2E()), atol=1e-6)
    before = SpeechT5ForTextToSpeech.from_pretrained(exported).state_dict()
    after = again.network.network.state_dict()
    weights = [name for name in before if "batch_norm" not in name]
    assert all(torch.equal(before[name], after[name]) for name in weights)


def test_some_seconds_are_enough_to_clone_a_voice(songs: Path, exported: Path, tmp_path: Path) -> None:
    heard, folder = reference(songs, "c c c c c c"), tmp_path / "tts"
    folder.mkdir()
    (folder / "acoustic.safetensors").write_text("of an older voice")
    assert clone(pretrained=str(exported), reference=heard, folder=str(folder)) == 0
    card = folder / "README.md"
    assert "a recording of 1.5 s" in card.read_text()
    assert {path.name for path in folder.iterdir()} == {
        card.name,
        *(path.name for path in exported.iterdir()),
    }
    (own, _), (other, _) = load_speecht5(exported), load_speecht5(folder)
    np.testing.assert_allclose(other.speaker, voice_of(heard, GE2E()), atol=1e-6)
    ids = torch.from_numpy(Letters(pretrained=str(folder)).tokens("a b c").ids)
    said, said_otherwise = own.synthesize(ids).mel, other.synthesize(ids).mel
    assert said.shape != said_otherwise.shape or not torch.allclose(said, said_otherwise, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("a", r"lasts 0\.2 s; give some seconds"), (None, "whose voice.* give reference=FILE")],
)
def test_what_tells_no_voice_is_told_before_a_model_is_loaded(
    songs: Path, tmp_path: Path, text: str | None, complaint: str
) -> None:
    heard = text and reference(songs, text)
    with pytest.raises(UserError, match=complaint):
        clone(pretrained="no/such/model", reference=heard, folder=str(tmp_path / "tts"))
    assert not (tmp_path / "tts").exists()


def test_the_language_stays_with_the_voice(songs: Path, exported: Path, tmp_path: Path) -> None:
    heard = reference(songs, "c c c c c c")
    clone(pretrained=str(exported), reference=heard, folder=str(tmp_path / "one"), language="de")
    clone(pretrained=str(tmp_path / "one"), reference=heard, folder=str(tmp_path / "two"))
    for folder, language in ((exported, "en"), (tmp_path / "two", "de")):
        voice = TwinVoice(pretrained=str(folder), device="cpu")
        voice.setup()
        assert voice.pronouncer.language == language


def test_a_speecht5_is_no_beginning_for_a_fastspeech(exported: Path, trained: Path) -> None:
    alphabet = Pronouncer(characters="abc").alphabet
    network = FastSpeech(alphabet_size=len(alphabet), **FASTSPEECH)
    for pretrained in (exported, trained / "checkpoints" / "last.ckpt"):
        with pytest.raises(
            UserError, match=r"is no FastSpeech; .*model=tts_speecht5 goes on with a SpeechT5"
        ):
            take_over(network, str(pretrained), alphabet)


def test_a_vector_of_another_encoder_is_refused(songs: Path) -> None:
    settings = [*train_settings(songs, "misfit"), "model.network.speaker_embedding_dim=192"]
    with pytest.raises(UserError, match="a voice of 256 numbers: this SpeechT5 wants 192"):
        run_verb("train", *settings, "+model.encoder._target_=understudy.data.embedding.GE2E")
    with pytest.raises(UserError, match="speaker_embedding_dim=100: no encoder makes such vectors"):
        encoder_for(100)


def test_a_model_that_is_out_of_reach_says_what_to_do(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    settings = [*train_settings(songs, "away"), "model.pretrained=nobody/speaks"]
    with pytest.raises(UserError, match=r"nobody/speaks: no such folder, not fetched before.*=null"):
        run_verb("train", *settings)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (["model.network=null"], r"model\.pretrained=NAME or FOLDER, or model\.network"),
        (["model.network.hidden_size=49"], "makes no SpeechT5"),
        (["+model.network.layers=3"], "SpeechT5 has no setting layers"),
        (["data.sample_rate=22050"], r"data\.sample_rate=22050.*16000"),
        (["model.reference=nowhere.wav"], r"reference=nowhere\.wav: there is no such file"),
    ],
)
def test_what_cannot_be_trained_is_told(songs: Path, settings: list[str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        run_verb("train", *train_settings(songs, "wrong"), *settings)


def test_letters_are_read_as_they_are_said(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("word\tspoken\nGRID\tgrit\n", encoding="utf-8")
    said = Letters(lexicon=str(lexicon)).tokens("GRID, at 7 Ωs!")
    assert "".join(said.tokens) == "▁grit,▁at▁seven▁s!</s>"
    assert said.words == ("GRID,", "at", "7", "Ωs!")
    assert said.unknown == ("Ωs!",)
    assert [said.words[k] for k in said.word_of if k >= 0][:6] == ["GRID,"] * 6
    with pytest.raises(UserError, match="nothing in it to say"):
        Letters().tokens("… ?")


def test_trouble_is_named_by_its_word() -> None:
    tokens: Any = Letters().tokens("bin blue now").tokens
    trouble = Trouble("the attention stuck", tokens.index("u"), 1.5)
    assert SpeechT5Training.named(trouble, tokens) == "the attention stuck at 'blue' after 1.5 seconds"
