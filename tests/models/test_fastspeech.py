"""FastSpeech says every token for whole frames, and nothing of one text in another."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from understudy.models.tts import FastSpeech
from understudy.models.tts.fastspeech import (
    LONGEST,
    LONGEST_TOKEN,
    held,
    mask,
    nearness,
    token_means,
    token_of_frame,
    whole_frames,
)
from understudy.models.tts.fastspeech import Taught as Result
from understudy.models.tts.speech import TOO_LONG

TOKENS, FRAMES, BANDS = torch.tensor([9, 6]), torch.tensor([60, 40]), 10


@pytest.fixture(scope="module")
def network() -> FastSpeech:
    torch.manual_seed(0)
    network = FastSpeech(
        alphabet_size=12,
        n_mels=BANDS,
        channels=16,
        encoder_layers=1,
        decoder_layers=1,
        ffn_channels=16,
        ffn_kernel_sizes=(3, 1),
    ).eval()
    with torch.no_grad():
        network.net.durPred.linear.w.bias.fill_(2.0)  # some frames for every token
    return network


@pytest.fixture(scope="module")
def ids() -> Tensor:
    drawn = torch.randint(1, 12, (2, 9), generator=torch.Generator().manual_seed(0))
    return drawn * mask(TOKENS, 9)


@pytest.fixture(scope="module")
def taught(network: FastSpeech, ids: Tensor) -> Result:
    chance = torch.Generator().manual_seed(1)
    sounding = mask(FRAMES, 60)
    mel = torch.randn(2, BANDS, 60, generator=chance) * sounding.unsqueeze(1)
    pitch = (80 + 100 * torch.rand(2, 60, generator=chance)) * sounding
    starts = torch.arange(9.0).repeat(2, 1) * (FRAMES / TOKENS).unsqueeze(1)
    expected = torch.stack([starts, starts + 6, torch.full((2, 9), 3.0)], dim=2)
    with torch.no_grad():
        found: Result = network(ids, TOKENS, mel, FRAMES, pitch, expected)
    return found


def test_everything_has_its_shape_and_ends_where_it_ends(taught: Result) -> None:
    assert taught.mel.shape == (2, BANDS, 60)
    assert taught.mel.isfinite().all()
    assert not taught.mel[1, :, 40:].any()
    assert taught.alignment.soft.shape == taught.alignment.hard.shape == (2, 60, 9)
    for of_tokens in (taught.log_durations, taught.pitch, taught.energy, taught.real_pitch):
        assert of_tokens.shape == (2, 9)


def test_every_frame_is_of_one_token_and_every_token_has_a_frame(taught: Result) -> None:
    durations = taught.alignment.durations
    assert durations.sum(1).tolist() == FRAMES.tolist()
    assert (durations[0] >= 1).all()
    assert (durations[1, :6] >= 1).all()
    assert not durations[1, 6:].any()
    assert torch.equal(taught.alignment.hard.sum(2), mask(FRAMES, 60).float())


def test_a_text_is_said_the_same_whatever_stands_beside_it(network: FastSpeech, ids: Tensor) -> None:
    """However long the others are. (SpeechBrain's layers hear where a text is not padded at all.)"""
    text, hidden, predicted = ids[1:, :6], [], []
    for padding, other in ((12, 1), (20, 2)):
        batch = torch.full((2, 6 + padding), other)
        batch[1] = torch.nn.functional.pad(text[0], (0, padding))
        said = mask(torch.tensor([6 + padding, 6]), 6 + padding)
        with torch.no_grad():
            hidden.append(network.encode(batch, said))
            predicted.append(torch.stack(network.predict(hidden[-1], said)))
    torch.testing.assert_close(hidden[0][1, :6], hidden[1][1, :6], atol=1e-4, rtol=0)
    torch.testing.assert_close(predicted[0][:, 1, :6], predicted[1][:, 1, :6], atol=1e-4, rtol=0)


@given(st.lists(st.floats(0, 30), min_size=1, max_size=20))
@example([1.5, 1.0])
def test_whole_frames_keep_the_running_sum(given_durations: list[float]) -> None:
    durations = torch.tensor([given_durations])
    found = whole_frames(durations)
    assert (found >= 1).all()
    drift = found.cumsum(1) - durations.clamp(min=1).cumsum(1)
    assert float(drift.abs().max()) <= 0.5 + 1e-3


def test_frames_know_their_token() -> None:
    frames, sounding = token_of_frame(torch.tensor([[2, 1, 3], [1, 2, 0]]))
    assert frames.tolist() == [[0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 0, 0]]
    assert sounding.sum(1).tolist() == [6, 3]


def test_means_are_of_what_sounds() -> None:
    means = token_means(torch.tensor([[1.0, 0.0, 3.0, 0.0, 0.0, 5.0]]), torch.tensor([[3, 2, 1]]))
    assert means.tolist() == [[2.0, 0.0, 5.0]]


def test_a_token_is_looked_for_where_it_is_expected() -> None:
    near = nearness(torch.tensor([[[0.0, 4.0, 2.0], [4.0, 10.0, 2.0]]]), 10)
    assert near.shape == (1, 10, 2)
    assert (near[0, :4, 0] == 1).all()
    assert (near[0, 4:, 1] == 1).all()
    outside = near[0, 4:, 0]
    assert (outside.diff() < 0).all()
    assert float(outside[0]) == pytest.approx(np.exp(-0.5 / 2))


def test_twice_as_fast_takes_half_the_frames(network: FastSpeech, ids: Tensor) -> None:
    plain, fast = (network.synthesize(ids[0], speed=speed) for speed in (1.0, 2.0))
    assert plain.durations is not None
    assert plain.mel.shape == (BANDS, int(plain.durations.sum()))
    assert fast.mel.shape[1] == pytest.approx(plain.mel.shape[1] / 2, abs=1)


def test_what_is_higher_and_louder_reaches_the_decoder(
    network: FastSpeech, ids: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    decode = network.decode

    def listening(hidden: Tensor, pitch: Tensor, energy: Tensor, *others: Tensor) -> Tensor:
        heard.append((pitch, energy))
        return decode(hidden, pitch, energy, *others)

    monkeypatch.setattr(network, "decode", listening)
    plain = network.synthesize(ids[0])
    changed = network.synthesize(ids[0], pitch=12.0, energy=20.0)
    (low, quiet), (high, loud) = heard
    octave = np.log(2) / float(network.pitch_deviation)
    tenfold = np.log(10) / float(network.energy_deviation)
    torch.testing.assert_close(high - low, torch.full_like(low, octave))
    torch.testing.assert_close(loud - quiet, torch.full_like(quiet, tenfold))
    assert not torch.equal(plain.mel, changed.mel)


def test_a_voice_is_known_by_its_mean_and_its_deviation(network: FastSpeech) -> None:
    pitch = torch.tensor([0.0, 100.0, 100.0, 200.0, 200.0])
    mel = torch.randn(BANDS, 5)
    before = {name: value.clone() for name, value in network.named_buffers()}
    network.set_voice(pitch, mel)
    normal, loudness = network.normal_pitch(pitch), network.normal_energy(mel[None])
    network.load_state_dict(before, strict=False)
    assert normal[0] == 0
    assert float(normal[1:].mean()) == pytest.approx(0, abs=1e-5)
    assert float(normal[1:].std()) == pytest.approx(1, abs=1e-4)
    assert float(loudness.mean()) == pytest.approx(0, abs=1e-5)


def test_more_than_can_be_said_at_once_is_cut_and_named(network: FastSpeech) -> None:
    speech = network.synthesize(torch.ones(LONGEST // 2, dtype=torch.long), speed=0.25)
    assert speech.mel.shape[1] == LONGEST
    assert speech.trouble is not None
    assert speech.trouble.what == TOO_LONG


def test_a_sound_without_an_end_is_named() -> None:
    assert held(torch.tensor([3.0, LONGEST_TOKEN]), 0.01) is None
    trouble = held(torch.tensor([3.0, 4.0, LONGEST_TOKEN + 1, 5.0]), 0.01)
    assert trouble is not None
    assert (trouble.token, trouble.what) == (2, "a sound would be held for too long")
