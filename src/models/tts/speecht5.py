"""SpeechT5: a transformer that says a text, frame by frame, in any voice it is given a vector of.

Ao et al., "SpeechT5: Unified-Modal Encoder-Decoder Pre-Training for Spoken Language Processing", ACL
2022. The network, its loss and its vocoder are those of transformers, which take logarithms to the base
of ten; outside, mels are natural logarithms as everywhere.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import SpeechT5ForTextToSpeech, SpeechT5HifiGan

from understudy.errors import UserError
from understudy.models.tts.attention import trouble_of
from understudy.models.tts.mel import LogMel
from understudy.models.tts.speech import Speech, Trouble
from understudy.models.vocoder.generator import Vocoder, reach_back

LN10 = math.log(10)
SHORTEST = 6  # frames: of less a spectrum cannot be made
IGNORED = -100.0  # in a mel: what no loss counts


class SpeechT5(nn.Module):
    """The network and the voice it speaks with: `speaker`, a vector of `speaker_embedding_dim` numbers.

    `frame` is how long one of its frames lasts, in seconds.
    """

    speaker: Tensor

    def __init__(self, network: SpeechT5ForTextToSpeech, *, frame: float = 0.016) -> None:
        super().__init__()
        config: Any = network.config
        if config.speech_decoder_prenet_dropout != 0.5:
            raise UserError(
                f"speech_decoder_prenet_dropout={config.speech_decoder_prenet_dropout}: SpeechT5 keeps that "
                "share where it should drop it; 0.5 is the same either way"
            )
        self.network: Any = network
        self.reduction: int = config.reduction_factor  # frames that are said in one step
        self.step = frame * self.reduction  # seconds
        self.register_buffer("speaker", torch.zeros(config.speaker_embedding_dim))

    def set_voice(self, speaker: Tensor) -> None:
        """Speak with the voice of this vector (dim,) from now on."""
        if speaker.shape != self.speaker.shape:
            raise UserError(
                f"a voice of {speaker.numel()} numbers: this SpeechT5 wants {self.speaker.numel()} "
                "(speaker_embedding_dim); take the encoder that it was trained with"
            )
        self.speaker.copy_(speaker)

    def loss(self, ids: Tensor, id_lengths: Tensor, mel: Tensor, mel_lengths: Tensor) -> Tensor:
        """Of the mel, of when it ends, and of attention that strays from the diagonal: one number.

        ids (batch, tokens), mel (batch, n_mels, frames).
        """
        # whole steps only: at most a frame of the end is lost
        lengths = mel_lengths // self.reduction * self.reduction
        longest = int(lengths.max())
        spoken = torch.arange(longest, device=mel.device) < lengths[:, None]  # (batch, frames)
        target = (mel[:, :, :longest] / LN10).transpose(1, 2).masked_fill(~spoken[:, :, None], IGNORED)
        said = torch.arange(ids.shape[1], device=ids.device) < id_lengths[:, None]  # (batch, tokens)
        found = self.network(
            input_ids=ids,
            attention_mask=said.long(),
            labels=target,
            decoder_attention_mask=spoken.long(),
            speaker_embeddings=self.speaker.expand(len(ids), -1),
        )
        loss: Tensor = found.loss
        return loss

    @torch.no_grad()
    def synthesize(
        self,
        ids: Tensor,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        energy: float = 0.0,
        longest: float = 20.0,
        seed: int = 0,
        tries: int = 3,
    ) -> Speech:
        """ids (tokens,) -> what is said, with the `Trouble` it had if the attention lost its way.

        SpeechT5 draws chance while it speaks. What went wrong is said again with other chance, and of
        `tries` the one that came furthest is given; the drone after the last word is cut off. For each
        token one frame is said at least, and `longest` at most. Its pitch and energy cannot be asked for.
        """
        if pitch or energy:
            raise UserError("SpeechT5 says a text as high and as loud as it learnt; ask for speed alone")
        config = self.network.config
        if len(ids) > config.max_text_positions:
            raise UserError(
                f"a text of {len(ids)} symbols: SpeechT5 says {config.max_text_positions} at once; "
                "give it sentence by sentence"
            )
        longest = min(longest, config.max_speech_positions * self.reduction / len(ids))
        shortest = min(max(1.0, SHORTEST / len(ids)), longest)
        most = int(len(ids) * longest / self.reduction)  # steps
        best: tuple[Tensor, Tensor, Trouble | None]
        furthest = 0
        for k in range(tries):
            mel, attention = self._speak(ids, shortest, longest, seed + k)
            steps, said, trouble = trouble_of(attention, self.step, stopped=len(attention) < most)
            if said > furthest or trouble is None:
                frames = steps * self.reduction
                looks = attention[:steps].T.repeat_interleave(self.reduction, 1)
                best, furthest = (mel[:, :frames], looks, trouble), said
            if trouble is None:
                break
        mel, looks, trouble = best
        if speed != 1.0:
            both, frames = torch.cat([mel, looks]), max(round(mel.shape[1] / speed), 1)
            both = F.interpolate(both[None], frames, mode="linear", align_corners=True)[0]
            mel, looks = both.split([len(mel), len(ids)])
        return Speech(mel, None, looks, trouble)

    def _speak(self, ids: Tensor, shortest: float, longest: float, seed: int) -> tuple[Tensor, Tensor]:
        """The mel (n_mels, frames) and where each step looked: (steps, tokens), mean of the led heads."""
        devices = [ids.device] if ids.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            mel, looks = self.network.generate_speech(
                ids[None],
                self.speaker[None],
                minlenratio=shortest,
                maxlenratio=longest,
                output_cross_attentions=True,
            )
        led = self.network.config.guided_attention_loss_num_heads  # along the text, while it was trained
        return mel.T * LN10, looks[-2:, :led].mean((0, 1))


class SpeechT5Mel(LogMel):
    """Log-mels as the published SpeechT5 and its vocoder know them, but for the base of the logarithm.

    Frame `k` is centred on the beginning of hop `k`.
    """

    def __init__(self) -> None:
        super().__init__(sample_rate=16000, f_min=80.0, f_max=7600.0)

    def forward(self, audio: Tensor) -> Tensor:
        assert audio.shape[1] % self.hop_length == 0, "whole hops only"
        half = self.spectrogram.n_fft // 2
        padded = F.pad(audio.unsqueeze(1), (half, half - self.hop_length), mode="reflect").squeeze(1)
        mel: Tensor = self.spectrogram(padded).clamp(min=1e-10).log()
        return mel


class SpeechT5Vocoder(nn.Module):
    """The HiFi-GAN that belongs to SpeechT5, called as all vocoders here are."""

    windows = Vocoder.windows

    def __init__(self, network: SpeechT5HifiGan) -> None:
        super().__init__()
        config: Any = network.config
        self.network = network
        self.sample_rate: int = config.sampling_rate
        self.n_mels: int = config.model_in_dim
        self.hop_length: int = math.prod(config.upsample_rates)
        self.context = _context(config)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) natural-log mels -> (batch, frames * hop_length)"""
        sound: Tensor = self.network(mel.transpose(1, 2) / LN10)
        return sound


def _context(config: Any) -> int:
    """Frames to either side that a sample depends on."""
    sizes = zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    # each dilated convolution is followed by a plain one
    reach = max(sum((size - 1) // 2 * (dilation + 1) for dilation in row) for size, row in sizes)
    first, last = (
        -3,
        math.prod(config.upsample_rates) + 2,
    )  # the last convolution, around the samples of a frame
    for rate, size in reversed(list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))):
        first, last = reach_back(first - reach, last + reach, rate, size)
    return max(-first, last) + 3
