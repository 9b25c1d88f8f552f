"""The networks of the talking face, small and at random: what must hold before anything is learnt."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from understudy.errors import UserError
from understudy.models.sda import (
    FrameDiscriminator,
    FrameStream,
    Generator,
    SequenceDiscriminator,
    SyncDiscriminator,
)
from understudy.models.sda.audio import MELS_PER_FRAME, SAMPLES_PER_FRAME
from understudy.models.sda.generator import Identity

FRAMES = 23
CHUNKS = [1, 2, 5, 25]


def make_generator(**settings: int) -> Generator:
    """A small one, with weights as after training: everything it hears and draws counts."""
    torch.manual_seed(0)
    generator = Generator(
        **{
            "width": 32,
            "height": 64,
            "base_channels": 8,
            "max_channels": 16,
            "audio_channels": 24,
            "identity_channels": 8,
            **settings,
        }
    )
    nn.init.normal_(generator.to_rgb.weight, std=0.03)
    nn.init.normal_(generator.project.weight, std=0.5)
    for conv in generator.decoder.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.kaiming_normal_(conv.weight, a=0.1)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return generator.eval()


@pytest.fixture(scope="module")
def generator() -> Generator:
    return make_generator()


@pytest.fixture(scope="module")
def still() -> Tensor:
    return torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2


def speech(samples: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    level = torch.rand(samples // 800 + 1, generator=random).repeat_interleave(800)[:samples]
    return torch.randn(samples, generator=random) * 0.2 * level


def identity_of(generator: Generator, still: Tensor) -> Identity:
    with torch.inference_mode():
        return generator.identity_encoder(still)


def streamed(
    generator: Generator, still: Tensor, pieces: list[Tensor], *, chunk: int = 5, seed: int = 0
) -> Tensor:
    """All frames (time, 3, height, width) of sound that comes in pieces."""
    stream = FrameStream(generator, identity_of(generator, still), chunk=chunk, seed=seed)
    frames = [part for piece in pieces for part in stream.push(piece)]
    return torch.cat([*frames, *stream.finish()])


@pytest.fixture(scope="module", params=CHUNKS)
def chunk(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@given(
    cuts=st.lists(st.integers(0, FRAMES * SAMPLES_PER_FRAME), max_size=12),
    chunk=st.sampled_from(CHUNKS),
)
@example(cuts=list(range(0, FRAMES * SAMPLES_PER_FRAME, 160)), chunk=5)
@example(cuts=[0, 0, 1, 639, 640, 641], chunk=1)
@settings(max_examples=15)
def test_pieces_of_any_size_give_the_bits_of_the_whole(cuts: list[int], chunk: int) -> None:
    generator = make_generator()
    still = torch.full((1, 3, 64, 32), 0.5)
    sound = speech(FRAMES * SAMPLES_PER_FRAME)
    at = [0, *sorted(cuts), len(sound)]
    pieces = [sound[a:b] for a, b in pairwise(at)]
    whole = streamed(generator, still, [sound], chunk=chunk)
    assert torch.equal(streamed(generator, still, pieces, chunk=chunk), whole)
    assert whole.std(dim=0).max() > 0.01, "the frames differ from each other"


def test_a_stream_is_what_was_trained(generator: Generator, still: Tensor, chunk: int) -> None:
    """Forward over the whole, with silence around it, to rounding."""
    sound = speech(FRAMES * SAMPLES_PER_FRAME)
    before = generator.log_mel.overlap + generator.context * SAMPLES_PER_FRAME
    after = (generator.lookahead + chunk) * SAMPLES_PER_FRAME
    mel = generator.log_mel(nn.functional.pad(sound, (before, after)).unsqueeze(0))
    frames = generator.context + FRAMES + generator.lookahead
    random = torch.Generator().manual_seed(0)
    steps = math.ceil(FRAMES / chunk)
    noise = torch.cat([generator.noise(1, chunk, random) for _ in range(steps)], dim=1)
    with torch.inference_mode():
        whole = generator(still, mel[:, :, : frames * MELS_PER_FRAME], noise[:, :FRAMES])[0]
    found = streamed(generator, still, [sound], chunk=chunk)
    torch.testing.assert_close(found, whole.clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("samples", [0, 1, 639, 640, 641, 3 * 640, 16000, 16001])
def test_a_frame_for_every_begun_twentyfifth_of_a_second(
    generator: Generator, still: Tensor, samples: int, chunk: int
) -> None:
    stream = FrameStream(generator, identity_of(generator, still), chunk=chunk)
    frames = [*stream.push(speech(samples)), *stream.finish()]
    assert sum(map(len, frames)) == math.ceil(samples / SAMPLES_PER_FRAME)
    assert all(part.shape[1:] == (3, 64, 32) for part in frames)


def test_a_frame_comes_as_soon_as_its_lookahead_is_heard(generator: Generator, still: Tensor) -> None:
    stream = FrameStream(generator, identity_of(generator, still), chunk=1)
    sound = speech(10 * SAMPLES_PER_FRAME)
    needed = (generator.lookahead + 1) * SAMPLES_PER_FRAME
    assert sum(map(len, stream.push(sound[: needed - 1]))) == 0
    assert sum(map(len, stream.push(sound[needed - 1 : needed]))) == 1


@pytest.mark.parametrize("lookahead", [0, 1, 3])
def test_nothing_is_heard_before_its_time(still: Tensor, lookahead: int) -> None:
    """New sound from a sample on changes no frame that ends `lookahead` frames before it."""
    generator = make_generator(lookahead=lookahead)
    sound = speech(FRAMES * SAMPLES_PER_FRAME)
    other = sound.clone()
    changed = 15  # frame in which the new sound begins
    other[changed * SAMPLES_PER_FRAME :] = speech(len(other), seed=5)[changed * SAMPLES_PER_FRAME :]
    a, b = (streamed(generator, still, [s], chunk=1) for s in (sound, other))
    first = changed - lookahead
    assert torch.equal(a[:first], b[:first])
    assert all(not torch.equal(x, y) for x, y in zip(a[first:], b[first:], strict=True))


def test_what_is_long_past_is_forgotten(generator: Generator, still: Tensor) -> None:
    """A finite past: after `context` frames the audio features are the same again."""
    mel = torch.randn(1, 80, 40 * MELS_PER_FRAME)
    other = mel.clone()
    other[:, :, : 5 * MELS_PER_FRAME] += 1
    state = generator.audio_encoder.initial_state(1, mel)
    a, b = (generator.audio_encoder(m, state)[0] for m in (mel, other))
    reach = 4 + generator.context
    assert not torch.equal(a[:, reach], b[:, reach])
    torch.testing.assert_close(a[:, reach + 1 :], b[:, reach + 1 :], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [{}, {"width": 96, "height": 128}])
def test_before_training_it_shows_the_still(size: dict[str, int]) -> None:
    generator = Generator(**{"width": 32, "height": 64, **size}, base_channels=8, max_channels=16).eval()
    still = torch.rand(1, 3, generator.height, generator.width)
    frames = streamed(generator, still, [speech(6400)])
    assert torch.equal(frames, still.expand_as(frames))


def test_frames_differ_with_sound_noise_and_portrait(generator: Generator, still: Tensor) -> None:
    sound = speech(8000)
    base = streamed(generator, still, [sound])
    assert torch.equal(base, streamed(generator, still, [sound]))
    for other in (
        streamed(generator, still, [speech(8000, seed=9)]),
        streamed(generator, still, [sound], seed=9),
        streamed(generator, still.flip(-1), [sound]),
    ):
        assert (base - other).abs().max() > 0.01


def test_a_long_stream_carries_no_more_than_a_short_one(generator: Generator, still: Tensor) -> None:
    stream = FrameStream(generator, identity_of(generator, still), chunk=5)

    def carried() -> int:
        state = [*stream.state.audio, stream.state.noise, stream.pending]
        return sum(tensor.untyped_storage().nbytes() for tensor in state)

    sizes = []
    for second in range(12):
        for piece in speech(16000, seed=second).split(1600):
            list(stream.push(piece))
        sizes.append(carried())
    assert len(set(sizes[1:])) == 1
    assert sizes[-1] < 2_000_000


def test_the_portrait_is_encoded_once(generator: Generator, still: Tensor) -> None:
    calls = []
    handle = generator.identity_encoder.register_forward_hook(lambda *_: calls.append(1))
    frames = streamed(generator, still, list(speech(16000).split(640)))
    handle.remove()
    assert len(frames) == 25
    assert len(calls) == 1


def test_a_portrait_for_every_frame(generator: Generator, still: Tensor) -> None:
    """Footage instead of a still: with one picture repeated it is the still's result."""
    identity = identity_of(generator, still)

    def repeated(frames: int) -> Identity:
        skips = [skip.repeat(frames, 1, 1, 1) for skip in identity.skips]
        return Identity(still.repeat(frames, 1, 1, 1), identity.code.repeat(frames, 1), skips)

    stream = FrameStream(generator, repeated, chunk=5)
    frames = torch.cat([*stream.push(speech(8000)), *stream.finish()])
    expected = streamed(generator, still, [speech(8000)])
    torch.testing.assert_close(frames, expected, atol=1e-5, rtol=0)


def test_training_and_streaming_are_not_mixed_up(generator: Generator, still: Tensor) -> None:
    training = make_generator().train()
    with pytest.raises(AssertionError, match="batch statistics"):
        FrameStream(training, identity_of(generator, still))


def test_sizes_that_do_not_halve_are_refused() -> None:
    with pytest.raises(UserError, match="100x128 cannot be halved 5 times; give multiples of 32"):
        Generator(width=100, height=128)


def test_gradients_reach_every_weight() -> None:
    generator = make_generator().train()
    mel = torch.randn(2, 80, (generator.context + 5 + generator.lookahead) * MELS_PER_FRAME)
    frames = generator(torch.rand(2, 3, 64, 32), mel)
    assert frames.shape == (2, 5, 3, 64, 32)
    (frames * torch.randn_like(frames)).mean().backward()
    silent = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@pytest.mark.parametrize(("height", "width"), [(64, 32), (128, 96)])
def test_what_the_judges_put_out(height: int, width: int) -> None:
    frames = torch.rand(2, 7, 3, height, width)
    mel = torch.randn(2, 80, 7 * MELS_PER_FRAME)
    patches = FrameDiscriminator(base_channels=4)(frames[:, 0], frames[:, 1])
    assert patches.shape == (2, height // 16 * (width // 16))
    sequence = SequenceDiscriminator(base_channels=4)(frames, mel)
    assert sequence.shape == (2, 7)
    sync = SyncDiscriminator(base_channels=4)(frames[:, :5], mel[:, :, : 5 * MELS_PER_FRAME])
    assert sync.shape == (2,)


def test_the_sync_judge_looks_at_the_mouth_alone() -> None:
    judge = SyncDiscriminator(base_channels=4).eval()
    frames, mel = torch.rand(1, 5, 3, 128, 96), torch.randn(1, 80, 20)
    left, top, right, bottom = (round(s * n) for s, n in zip(judge.crop, (96, 128, 96, 128), strict=True))
    eyes, lips = frames.clone(), frames.clone()
    eyes[..., : top - 1, :] = 0
    lips[..., top + 5 : bottom - 5, left + 5 : right - 5] = 0
    assert torch.equal(judge(frames, mel), judge(eyes, mel))
    assert not torch.equal(judge(frames, mel), judge(lips, mel))
    assert not torch.equal(judge(frames, mel), judge(frames, mel.flip(-1)))
