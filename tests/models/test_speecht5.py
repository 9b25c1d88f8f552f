"""SpeechT5 of no size: that it learns to speak and to stop, and says when it lost its way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    SpeechT5Config,
    SpeechT5FeatureExtractor,
    SpeechT5ForTextToSpeech,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from understudy.errors import UserError
from understudy.models.tts.attention import trouble_of
from understudy.models.tts.speecht5 import SpeechT5, SpeechT5Mel, SpeechT5Vocoder

STEP = 0.032  # seconds
SENTENCES = [[4, 5, 6, 7, 8, 2], [9, 10, 11, 4, 2]]
DURATIONS = [[6, 9, 7, 10, 8, 4], [8, 8, 12, 6, 5]]  # frames


def tiny(**settings: Any) -> SpeechT5:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 12,
        "hidden_size": 48,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 96,
        "decoder_ffn_dim": 96,
        "num_mel_bins": 20,
        "speech_decoder_prenet_units": 32,
        "speech_decoder_postnet_units": 32,
        "speech_decoder_postnet_layers": 2,
        "speech_decoder_postnet_dropout": 0.0,
        "speaker_embedding_dim": 8,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "positional_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "max_speech_positions": 400,
        "max_text_positions": 40,
    }
    network = SpeechT5ForTextToSpeech(SpeechT5Config(**{**sizes, **settings}))
    model = SpeechT5(network)
    model.set_voice(torch.randn(8))
    return model.eval()


def sentences() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each symbol is a colour, held as long as it lasts."""
    colours = 2 * torch.randn(12, 20, generator=torch.Generator().manual_seed(0)) - 3
    said = [torch.tensor(row) for row in SENTENCES]
    lasting = [torch.tensor(row) for row in DURATIONS]
    mels = [colours[ids].repeat_interleave(frames, 0) for ids, frames in zip(said, lasting, strict=True)]
    return (
        pad_sequence(said, batch_first=True),
        torch.tensor([len(row) for row in said]),
        pad_sequence(mels, batch_first=True).transpose(1, 2),
        torch.tensor([len(row) for row in mels]),
    )


@pytest.fixture(scope="module")
def trained() -> SpeechT5:
    model = tiny().train()
    batch = sentences()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = float(model.loss(*batch).detach())
    for _ in range(130):
        optimizer.zero_grad()
        loss = model.loss(*batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert loss < 0.25 * first
    return model.eval()


@pytest.mark.parametrize("k", [0, 1])
def test_it_learns_what_to_say_and_when_to_stop(trained: SpeechT5, k: int) -> None:
    ids, id_lengths, mel, lengths = sentences()
    speech = trained.synthesize(ids[k, : id_lengths[k]])
    assert speech.trouble is None
    assert speech.durations is None, "it does not know any"
    frames = speech.mel.shape[1]
    assert frames == pytest.approx(int(lengths[k]), rel=0.2)
    assert speech.alignment is not None
    assert speech.alignment.shape == (id_lengths[k], frames)
    shared = min(frames, int(lengths[k]))
    target = mel[k, :, :shared]
    far = float((speech.mel[:, :shared] - target).abs().mean())
    assert far < 0.5 * float((target - target.mean(1, keepdim=True)).abs().mean())


def test_chance_while_speaking_depends_on_the_seed_alone(trained: SpeechT5) -> None:
    ids = torch.tensor(SENTENCES[0])
    torch.manual_seed(1)
    first = trained.synthesize(ids, seed=5).mel
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1)), "chance elsewhere is left alone"
    assert torch.equal(first, trained.synthesize(ids, seed=5).mel)
    assert not torch.equal(first, trained.synthesize(ids, seed=6).mel)


def test_speed_changes_the_number_of_frames(trained: SpeechT5) -> None:
    ids = torch.tensor(SENTENCES[0])
    plain, fast = trained.synthesize(ids), trained.synthesize(ids, speed=1.25)
    assert fast.mel.shape[1] == round(plain.mel.shape[1] / 1.25)
    assert torch.allclose(fast.mel[:, [0, -1]], plain.mel[:, [0, -1]], atol=1e-6)


def test_saved_and_loaded_it_says_the_same(trained: SpeechT5, tmp_path: Path) -> None:
    trained.network.save_pretrained(tmp_path)
    again = SpeechT5(SpeechT5ForTextToSpeech.from_pretrained(tmp_path)).eval()
    again.set_voice(trained.speaker)
    ids = torch.tensor(SENTENCES[1])
    torch.testing.assert_close(again.synthesize(ids).mel, trained.synthesize(ids).mel, atol=1e-4, rtol=0)


def test_what_is_padded_is_not_learnt_from() -> None:
    model = tiny(guided_attention_loss_scale=0.0).double().eval()
    ids, id_lengths, mel, lengths = sentences()
    mel = mel.double()
    torch.manual_seed(0)
    loss = model.loss(ids, id_lengths, mel, lengths)
    spoilt = mel.clone()
    spoilt[1, :, lengths[1] :] = 7.0
    other = ids.clone()
    other[1, id_lengths[1] :] = 3
    torch.manual_seed(0)
    assert torch.isclose(model.loss(other, id_lengths, spoilt, lengths), loss, atol=1e-9)


def test_an_untrained_one_is_caught_and_cut_off() -> None:
    speech = tiny().synthesize(torch.tensor([4, 5, 6, 7, 8, 9, 10, 11, 2]))
    assert speech.trouble is not None
    assert "at token" in str(speech.trouble)
    assert "seconds" in str(speech.trouble)
    # nothing of the network learnt to stop: it spoke as long as it was let
    assert 0 < speech.mel.shape[1] <= 9 * 20


def path(places: list[int], tokens: int = 20) -> Tensor:
    return torch.eye(tokens)[places]


WALK = np.repeat(np.arange(20), 4).tolist()


@pytest.mark.parametrize(
    ("places", "stopped", "trouble"),
    [
        (WALK, True, None),
        (WALK, False, "the speech did not end at token 19 after 2.6 seconds"),
        (WALK[:40] + [9] * 40 + WALK[40:], True, "the attention stuck at token 9 after 1.2 seconds"),
        (WALK[:40] + WALK[4:], True, "the attention went back at token 1 after 1.3 seconds"),
        (WALK[:20] + WALK[60:], True, "the attention left something out at token 4 after 0.6 seconds"),
        (WALK[:40], True, "the speech broke off at token 9 after 1.3 seconds"),
    ],
)
def test_where_attention_lost_its_way_is_named(places: list[int], stopped: bool, trouble: str | None) -> None:
    found = trouble_of(path(places), STEP, stopped=stopped)[2]
    assert (found and str(found)) == trouble


def test_a_drone_after_the_last_word_is_cut_off() -> None:
    kept, said, trouble = trouble_of(path(WALK + [19] * 200), STEP, stopped=False)
    assert trouble is not None
    assert said == 20
    assert len(WALK) <= kept < len(WALK) + 40


def test_a_voice_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match="a voice of 256 numbers: this SpeechT5 wants 8"):
        tiny().set_voice(torch.zeros(256))


def test_what_it_cannot_do_is_refused() -> None:
    model = tiny()
    with pytest.raises(UserError, match="speed alone"):
        model.synthesize(torch.tensor(SENTENCES[0]), pitch=2.0)
    with pytest.raises(UserError, match="a text of 41 symbols: SpeechT5 says 40 at once"):
        model.synthesize(torch.full((41,), 4))
    with pytest.raises(UserError, match=r"speech_decoder_prenet_dropout=0\.1"):
        tiny(speech_decoder_prenet_dropout=0.1)


def test_mels_are_those_of_the_published_extractor() -> None:
    samples = np.random.default_rng(0).normal(scale=0.1, size=256 * 40).astype(np.float32)
    expected = SpeechT5FeatureExtractor()(audio_target=samples, sampling_rate=16000).input_values[0]
    found = SpeechT5Mel()(torch.from_numpy(samples)[None])[0]
    assert found.shape == (80, 40)
    np.testing.assert_allclose(found.T / np.log(10), expected[:40], atol=1e-4)


def test_its_vocoder_depends_on_no_more_than_its_context() -> None:
    torch.manual_seed(0)
    network = SpeechT5HifiGan(SpeechT5HifiGanConfig(model_in_dim=20, upsample_initial_channel=32)).double()
    for weights in network.parameters():  # as they are made, nothing is heard of what lies far off
        torch.nn.init.normal_(weights, std=0.05)
    vocoder = SpeechT5Vocoder(network).eval()
    mel = torch.randn(1, 20, 80, dtype=torch.float64, requires_grad=True)
    sound = vocoder(mel)
    assert sound.shape == (1, 80 * vocoder.hop_length)
    sound[0, 40 * vocoder.hop_length : 41 * vocoder.hop_length].sum().backward()
    assert mel.grad is not None
    heard = mel.grad.abs().sum((0, 1)).nonzero()[:, 0]
    reach = max(40 - int(heard[0]), int(heard[-1]) - 40)
    assert reach <= vocoder.context <= reach + 2
