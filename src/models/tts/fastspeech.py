"""FastSpeech 2 that finds its own alignment: phones to mels, all frames at once.

Ren et al., "FastSpeech 2", ICLR 2021, with the aligner of Badlani et al., "One TTS Alignment To Rule
Them All", ICASSP 2022. The layers are SpeechBrain's `FastSpeech2WithAlignment`; how they are called
is ours: durations can be given, every item of a batch has its own padding mask, and tokens are looked
for near where they are expected.
"""

from dataclasses import dataclass

import numpy as np
import torch
from speechbrain.lobes.models.FastSpeech2 import (
    FastSpeech2WithAlignment,
    average_over_durations,
    maximum_path_numpy,
)
from torch import Tensor, nn

from understudy.models.lazy_modules import forget_lazy_modules
from understudy.models.tts.speech import TOO_LONG, Speech, Trouble

forget_lazy_modules()

LONGEST = 2500  # frames or tokens: as far as SpeechBrain's positions are counted
LONGEST_TOKEN = 120.0  # frames: more than a second


@dataclass(frozen=True)
class Alignment:
    """Which token is said in which frame."""

    soft: Tensor  # (batch, frames, tokens), probabilities over tokens
    log_potentials: Tensor  # (batch, 1, frames, tokens)
    hard: Tensor  # (batch, frames, tokens), one token for every frame
    durations: Tensor  # (batch, tokens), frames


@dataclass(frozen=True)
class Taught:
    """What the model makes of text and real sound together."""

    mel: Tensor  # (batch, n_mels, frames)
    alignment: Alignment
    log_durations: Tensor  # (batch, tokens), predicted log(1 + frames)
    pitch: Tensor  # (batch, tokens), predicted; in standard deviations from the voice's mean
    energy: Tensor  # (batch, tokens), predicted likewise
    real_pitch: Tensor  # (batch, tokens), mean of the real one over each token's voiced frames
    real_energy: Tensor  # (batch, tokens)


class FastSpeech(nn.Module):
    """Token numbers to log-mels, by way of how long, how high and how loud each token is said.

    `frame` is how long one of its frames lasts, in seconds.
    """

    pitch_mean: Tensor
    pitch_deviation: Tensor
    energy_mean: Tensor
    energy_deviation: Tensor

    def __init__(
        self,
        *,
        alphabet_size: int,
        n_mels: int = 80,
        channels: int = 256,
        encoder_layers: int = 4,
        decoder_layers: int = 4,
        heads: int = 2,
        ffn_channels: int = 1024,
        ffn_kernel_sizes: tuple[int, int] = (9, 1),
        dropout: float = 0.1,
        predictor_dropout: float = 0.3,
        temperature: float = 0.005,
        frame: float = 256 / 22050,
    ) -> None:
        super().__init__()
        self.alphabet_size = alphabet_size
        self.frame = frame  # seconds
        self.net = FastSpeech2WithAlignment(
            enc_num_layers=encoder_layers,
            enc_num_head=heads,
            enc_d_model=channels,
            enc_ffn_dim=ffn_channels,
            enc_k_dim=channels,
            enc_v_dim=channels,
            enc_dropout=dropout,
            in_query_channels=n_mels,
            in_key_channels=channels,
            attn_channels=n_mels,
            temperature=temperature,
            dec_num_layers=decoder_layers,
            dec_num_head=heads,
            dec_d_model=channels,
            dec_ffn_dim=ffn_channels,
            dec_k_dim=channels,
            dec_v_dim=channels,
            dec_dropout=dropout,
            normalize_before=False,
            ffn_type="1dcnn",
            ffn_cnn_kernel_size_list=list(ffn_kernel_sizes),
            n_char=alphabet_size,
            n_mels=n_mels,
            postnet_embedding_dim=1,
            postnet_kernel_size=5,
            postnet_n_convolutions=5,
            postnet_dropout=dropout,
            padding_idx=0,
            dur_pred_kernel_size=3,
            pitch_pred_kernel_size=3,
            energy_pred_kernel_size=3,
            variance_predictor_dropout=predictor_dropout,
        )
        # the paper has none; this one's layer norm cannot give nothing, and sacrifices a band to be near it
        del self.net.postnet
        # of the voice: natural logarithms of Hz and of the mel's magnitude
        self.register_buffer("pitch_mean", torch.tensor(5.0))
        self.register_buffer("pitch_deviation", torch.tensor(0.3))
        self.register_buffer("energy_mean", torch.tensor(0.0))
        self.register_buffer("energy_deviation", torch.tensor(1.0))

    def forward(
        self,
        ids: Tensor,
        id_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        pitch: Tensor,
        expected: Tensor,
    ) -> Taught:
        """Text and the real sound that says it, for training.

        ids (batch, tokens), mel (batch, n_mels, frames) with zeros after each end, pitch (batch, frames)
        in Hz, expected (batch, tokens, 3) start, end and tolerance of each token in frames.
        """
        said, sounding = mask(id_lengths, ids.shape[1]), mask(mel_lengths, mel.shape[2])
        hidden = self.encode(ids, said)
        alignment = self.align(hidden, said, mel, sounding, expected)
        log_durations, found_pitch, found_energy = self.predict(hidden, said)
        real_pitch = token_means(self.normal_pitch(pitch) * sounding, alignment.durations)
        real_energy = token_means(self.normal_energy(mel) * sounding, alignment.durations)
        frames, _ = token_of_frame(alignment.durations)
        found = self.decode(hidden, real_pitch, real_energy, frames, sounding)
        return Taught(
            found,
            alignment,
            log_durations,
            found_pitch,
            found_energy,
            real_pitch,
            real_energy,
        )

    @torch.no_grad()
    def synthesize(
        self, ids: Tensor, *, speed: float = 1.0, pitch: float = 0.0, energy: float = 0.0
    ) -> Speech:
        """ids (tokens,), at most `LONGEST`, to speech so many times as fast, semitones higher and dB louder.

        What went wrong is its `trouble`: it is said as far as it can be.
        """
        ids = ids.unsqueeze(0)
        said = torch.ones_like(ids, dtype=torch.bool)
        hidden = self.encode(ids, said)
        log_durations, normal_pitch, normal_energy = self.predict(hidden, said)
        durations = whole_frames(log_durations.expm1().clamp(max=LONGEST_TOKEN) / speed)
        trouble = held(log_durations[0].expm1(), self.frame) or cut(durations[0], self.frame)
        durations = durations.cumsum(1).clamp(max=LONGEST).diff(dim=1, prepend=durations.new_zeros(1, 1))
        normal_pitch = normal_pitch + pitch * np.log(2) / 12 / self.pitch_deviation
        normal_energy = normal_energy + energy * np.log(10) / 20 / self.energy_deviation
        frames, sounding = token_of_frame(durations)
        mel = self.decode(hidden, normal_pitch, normal_energy, frames, sounding)
        return Speech(mel[0], durations[0], trouble=trouble)

    def encode(self, ids: Tensor, said: Tensor) -> Tensor:
        """ids (batch, tokens), said (batch, tokens) bool -> (batch, tokens, channels)."""
        x = self.net.encPreNet.token_embedding.Embedding(ids)
        x = (x + self.net.sinusoidal_positional_embed_encoder(x)) * said.unsqueeze(2)
        x, _ = self.net.encoder(x, src_key_padding_mask=~said)
        return x * said.unsqueeze(2)

    def align(
        self, hidden: Tensor, said: Tensor, mel: Tensor, sounding: Tensor, expected: Tensor
    ) -> Alignment:
        """The most likely way through the tokens, near where they are expected; each has a frame at least."""
        prior = nearness(expected, mel.shape[2])
        with torch.autocast(mel.device.type, enabled=False):
            soft, potentials = self.net.aligner(
                mel.float(), hidden.float().transpose(1, 2), said.unsqueeze(1), prior
            )
            both = said.unsqueeze(2) & sounding.unsqueeze(1)  # (batch, tokens, frames)
            likely = soft.squeeze(1).transpose(1, 2).clamp(min=1e-8).log()
            hard = maximum_path_numpy(likely.masked_fill(~both, 0.0), both.float())
        return Alignment(soft.squeeze(1), potentials, hard.transpose(1, 2), hard.sum(2).long())

    def predict(self, hidden: Tensor, said: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log(1 + frames), pitch and energy of every token (batch, tokens)."""
        known = said.unsqueeze(2)
        predictors = self.net.durPred, self.net.pitchPred, self.net.energyPred
        log_durations, pitch, energy = (predictor(hidden, known).squeeze(2) for predictor in predictors)
        return log_durations, pitch, energy

    def decode(
        self, hidden: Tensor, pitch: Tensor, energy: Tensor, frames: Tensor, sounding: Tensor
    ) -> Tensor:
        """Mels (batch, n_mels, frames).

        pitch, energy (batch, tokens); frames (batch, frames) the token of each frame; sounding (batch,
        frames) bool.
        """
        x = hidden + self.net.pitchEmbed(pitch.unsqueeze(1)).transpose(1, 2)
        x = x + self.net.energyEmbed(energy.unsqueeze(1)).transpose(1, 2)
        x = x.gather(1, frames.unsqueeze(2).expand(-1, -1, x.shape[2]))
        heard = sounding.unsqueeze(2)
        x = (x + self.net.sinusoidal_positional_embed_decoder(x)) * heard
        x, _ = self.net.decoder(x, src_key_padding_mask=~sounding)
        mel: Tensor = self.net.linear(x) * heard
        return mel.transpose(1, 2)

    def set_voice(self, pitch: Tensor, mel: Tensor) -> None:
        """Remember how high and how loud the voice is: pitch (frames,) in Hz, mel (n_mels, frames)."""
        logs = pitch[pitch > 0].log()
        loudness = log_energy(mel.unsqueeze(0))[0]
        self.pitch_mean.copy_(logs.mean())
        self.pitch_deviation.copy_(logs.std())
        self.energy_mean.copy_(loudness.mean())
        self.energy_deviation.copy_(loudness.std())

    def normal_pitch(self, pitch: Tensor) -> Tensor:
        """Hz to deviations from the mean; 0 where there is no voice."""
        normal = (pitch.clamp(min=1.0).log() - self.pitch_mean) / self.pitch_deviation
        return torch.where(pitch > 0, normal, 0.0)

    def normal_energy(self, mel: Tensor) -> Tensor:
        return (log_energy(mel) - self.energy_mean) / self.energy_deviation


def held(durations: Tensor, frame: float) -> Trouble | None:
    """The first of predicted durations (tokens,), in frames of so many seconds, that no sound has."""
    too_long = (durations > LONGEST_TOKEN).nonzero()
    if not len(too_long):
        return None
    token = int(too_long[0])
    return Trouble("a sound would be held for too long", token, float(durations[:token].sum()) * frame)


def cut(durations: Tensor, frame: float) -> Trouble | None:
    """The first token of (tokens,) frames that is said only in part, since positions end there."""
    too_late = (durations.cumsum(0) > LONGEST).nonzero()
    return Trouble(TOO_LONG, int(too_late[0]), LONGEST * frame) if len(too_late) else None


def mask(lengths: Tensor, longest: int) -> Tensor:
    """(batch,) -> (batch, longest) bool, true up to each length."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)


def log_energy(mel: Tensor) -> Tensor:
    """Log-mels (batch, n_mels, frames) -> loudness of every frame (batch, frames), a natural logarithm."""
    return 0.5 * (2 * mel.float()).logsumexp(1)


def token_means(values: Tensor, durations: Tensor) -> Tensor:
    """(batch, frames) and (batch, tokens) frames -> means over each token's values that are not zero."""
    means: Tensor = average_over_durations(values.unsqueeze(1), durations)
    return means.squeeze(1)


def whole_frames(durations: Tensor) -> Tensor:
    """(batch, tokens) -> whole frames, at least one each, whose running sum stays nearest the given one."""
    # halves are rounded up: to even numbers, a token of one frame could vanish
    ends = (durations.double().clamp(min=1.0).cumsum(1) + 0.5).floor().long()
    return ends.diff(dim=1, prepend=torch.zeros_like(ends[:, :1]))


def token_of_frame(durations: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, tokens) frames -> the token of every frame (batch, frames), and where there is one."""
    tokens = torch.arange(durations.shape[1], device=durations.device)
    rows = [tokens.repeat_interleave(row) for row in durations]
    frames = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return frames, mask(durations.sum(1), frames.shape[1])


def nearness(expected: Tensor, frames: int) -> Tensor:
    """(batch, tokens, 3) -> (batch, frames, tokens): 1 within a token's time, less the further from it."""
    start, end, tolerance = (part.unsqueeze(1) for part in expected.unbind(2))  # (batch, 1, tokens)
    middle = torch.arange(frames, device=expected.device)[None, :, None] + 0.5
    distance = torch.maximum(start - middle, middle - end).clamp(min=0)
    return torch.exp(-distance / tolerance.clamp(min=1e-3))
