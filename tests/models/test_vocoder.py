"""Generators make exactly a hop from every frame, streams the same sound, judges see what they should."""

import os
from pathlib import Path
from typing import Any

import librosa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from understudy.data.twin_vocoder import load_generator_weights, read_weights
from understudy.errors import UserError
from understudy.models.tts import LogMel
from understudy.models.vocoder import Vocoder, VocoderStream, whole
from understudy.models.vocoder.discriminators import PeriodJudge, SpectrumJudge
from understudy.models.vocoder.generator import InverseSTFT

HOP = 32
SMALL: dict[str, Any] = {
    "n_mels": 8,
    "hop_length": HOP,
    "upsample_initial_channel": 16,
    "upsample_factors": (4, 4),
    "upsample_kernel_sizes": (8, 8),
    "resblock_kernel_sizes": (3, 5),
    "resblock_dilation_sizes": ((1, 2, 3), (1, 2, 3)),
}
KINDS: dict[str, dict[str, Any]] = {
    "whole": SMALL | {"upsample_factors": (4, 4, 2), "upsample_kernel_sizes": (8, 8, 4)},
    "istft": SMALL | {"istft": True},
    "single layers": SMALL
    | {
        "upsample_factors": (8,),
        "upsample_kernel_sizes": (12,),
        "resblock_type": 2,
        "resblock_dilation_sizes": ((1, 2), (2, 6)),
        "istft": True,
    },
}


def vocoder_of(kind: str) -> Vocoder:
    """Its weights are large enough that what is far away can be heard."""
    torch.manual_seed(0)
    vocoder = Vocoder(**KINDS[kind]).fold_weight_norm()
    for parameter in vocoder.parameters():
        parameter.requires_grad_(False).mul_(2 if parameter.ndim > 1 else 1)
    return vocoder


@pytest.fixture(scope="module", params=KINDS)
def vocoder(request: pytest.FixtureRequest) -> Vocoder:
    return vocoder_of(request.param)


@pytest.mark.parametrize("frames", [1, 2, 31])
def test_every_frame_becomes_one_hop(vocoder: Vocoder, frames: int) -> None:
    assert vocoder(torch.randn(2, 8, frames)).shape == (2, frames * HOP)


def test_a_sample_depends_on_its_context_and_on_nothing_else(vocoder: Vocoder) -> None:
    frame, context = 20, vocoder.context
    mel = torch.randn(1, 8, 2 * frame + 1, dtype=torch.float64, requires_grad=True)
    sound = vocoder.double()(mel)[0, frame * HOP : (frame + 1) * HOP]
    (gradient,) = torch.autograd.grad(sound @ torch.randn(HOP, dtype=torch.float64), mel)
    vocoder.float()
    heard = gradient[0].abs().sum(dim=0).nonzero().flatten()
    assert max(frame - int(heard.min()), int(heard.max()) - frame) == context


def test_the_last_layer_is_an_inverse_fourier_transform() -> None:
    torch.manual_seed(0)
    ours, frames = InverseSTFT(hop_length=4), 50
    magnitude, phase = torch.rand(1, 9, frames) + 0.1, torch.rand(1, 9, frames) * 6
    theirs = torch.istft(torch.polar(magnitude, phase), 16, 4, window=torch.hann_window(16), center=True)
    found = ours(torch.cat([magnitude.log(), phase], dim=1))
    assert found.shape == (1, frames * 4)
    # theirs starts at the middle of the first spectrum; the ends, where fewer overlap, are not alike
    torch.testing.assert_close(found[:, 18 : 18 + 140], theirs[:, 16 : 16 + 140], atol=1e-5, rtol=0)


def test_without_weight_norm_it_sounds_the_same() -> None:
    torch.manual_seed(0)
    vocoder, mel = Vocoder(**KINDS["istft"]), torch.randn(1, 8, 20)
    with torch.inference_mode():
        before = vocoder(mel)
        after = vocoder.fold_weight_norm()(mel)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    assert not [name for name in vocoder.state_dict() if "parametrizations" in name]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"upsample_factors": (8, 8)}, "give every factor a kernel size"),
        ({"upsample_kernel_sizes": (16, 16, 3, 4)}, "larger by an even number"),
        ({"upsample_kernel_sizes": (16, 4, 4, 4)}, "larger by an even number"),
        ({"hop_length": 200}, "multiply to 256; without istft it must be hop_length=200"),
        ({"istft": True}, "with istft hop_length=256 must be an even multiple"),
        ({"hop_length": 768, "istft": True}, "must be an even multiple"),
    ],
)
def test_layers_that_do_not_make_a_hop_are_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Vocoder(**settings)


@settings(max_examples=8)
@given(data=st.data(), kind=st.sampled_from([*KINDS]), frames=st.integers(1, 120))
def test_a_stream_is_the_same_however_the_mel_arrives(data: st.DataObject, kind: str, frames: int) -> None:
    vocoder, mel = vocoder_of(kind), torch.randn(8, frames)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(frames - 1, 1)), max_size=6)))
    expected = whole(vocoder, mel)
    for pieces in (torch.tensor_split(mel, cuts, dim=1), mel.split(1, dim=1)):
        stream = VocoderStream(vocoder)
        sound = torch.cat([*(stream.push(piece) for piece in pieces), stream.finish()])
        assert torch.equal(sound, expected)
    with torch.inference_mode():
        torch.testing.assert_close(expected, vocoder(mel.unsqueeze(0))[0], atol=1e-4, rtol=0)


def test_a_stream_speaks_early_and_forgets(vocoder: Vocoder) -> None:
    stream, first = VocoderStream(vocoder, windows=(16, 32)), 16 + vocoder.context
    assert len(stream.push(torch.randn(8, first - 1))) == 0
    assert len(stream.push(torch.randn(8, 1))) == 16 * HOP
    kept = []
    for _ in range(20):
        stream.push(torch.randn(8, 8))
        kept.append(stream.pending.shape[1])
    assert max(kept) < 2 * vocoder.context + 32
    before = stream.spoken
    assert len(stream.finish()) == (first + 20 * 8 - before) * HOP


def test_period_judges_see_samples_a_period_apart_as_neighbours() -> None:
    picture = PeriodJudge(5, channels=1).picture(torch.arange(23.0).unsqueeze(0))
    assert picture.shape == (1, 1, 5, 5)
    assert picture[0, 0, :4, 2].tolist() == [2, 7, 12, 17]


def test_spectrum_judges_see_a_tone_where_it_is() -> None:
    tone = torch.sin(2 * torch.pi * 40 / 512 * torch.arange(4096.0))
    picture = SpectrumJudge(512, channels=1).picture(tone.unsqueeze(0))[0, 0]  # (bins, frames)
    assert set(picture[:, 4:-4].argmax(dim=0).tolist()) == {40}


@pytest.mark.parametrize("judge", [PeriodJudge(3, channels=2), SpectrumJudge(256, channels=2)])
def test_judges_give_a_score_and_what_every_layer_saw(judge: PeriodJudge | SpectrumJudge) -> None:
    score, features = judge(torch.randn(2, 4096))
    assert score.shape[0] == 2
    assert len(features) == len(judge.layers)
    assert torch.equal(features[-1].flatten(1), score)


@pytest.fixture(scope="module")
def published() -> tuple[Vocoder, dict[str, Tensor]]:
    folder = os.environ.get("UNDERSTUDY_WEIGHTS")
    if not folder:
        pytest.skip("set UNDERSTUDY_WEIGHTS to a folder that holds hifigan-universal-22khz")
    weights = read_weights(Path(folder) / "hifigan-universal-22khz" / "generator_universal.safetensors")
    vocoder = Vocoder()
    assert load_generator_weights(vocoder, weights, "published") == len(vocoder.state_dict())
    return vocoder.fold_weight_norm(), weights


def test_published_weights_say_what_was_said(
    published: tuple[Vocoder, dict[str, Tensor]], corpus: Path
) -> None:
    recording = min((corpus / "speech" / "ljspeech").rglob("LJ*.*"))
    samples, _ = librosa.load(recording, sr=22050, duration=0.8)
    audio = torch.from_numpy(samples[: len(samples) // 256 * 256]).unsqueeze(0)
    log_mel = LogMel()
    mel = log_mel(audio)
    sound = whole(published[0], mel[0]).unsqueeze(0)
    assert sound.shape == audio.shape
    assert float(F.l1_loss(log_mel(sound), mel)) < 0.35
    assert float(F.l1_loss(log_mel(sound * 0), mel)) > 2, "silence is far from it"


def test_a_smaller_one_takes_the_stages_it_has(published: tuple[Vocoder, dict[str, Tensor]]) -> None:
    vocoder = Vocoder(upsample_factors=(8, 8), upsample_kernel_sizes=(16, 16), istft=True)
    wanted = len(vocoder.state_dict())
    assert load_generator_weights(vocoder, published[1], "published") == wanted - 3, "all but the last layer"
    stage = published[0].ups[1].conv.weight
    torch.testing.assert_close(vocoder.fold_weight_norm().ups[1].conv.weight, stage)
