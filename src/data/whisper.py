"""Whisper, of any size, from the hub or from a folder, through transformers.

The text comes from `generate`. One more pass of the decoder over what was written, all tokens at
once, tells how probable each token was and what moment of the sound it looked at: confidence and
the times of words, however the text was searched for.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from understudy.data.hub import load_pretrained, model_name, pick_device
from understudy.data.lexicon import read_lexicon
from understudy.data.media import SAMPLE_RATE, Seconds
from understudy.data.recognizers import Transcript, Word
from understudy.errors import UserError


@dataclass(kw_only=True)
class WhisperRecognizer:
    """`pretrained` is a hub's name or a folder; `language` a code, or None to detect it clip by clip.

    On a GPU it computes in 16 bits and in batches of one size, filled up where clips are few: how sums
    are rounded depends on a batch's size, and what a clip gives shall not depend on its company.
    Confidence is the mean probability of the text's tokens, its end included, without the lexicon's bias.
    """

    pretrained: str = "openai/whisper-small"
    language: str | None = None
    num_beams: int = 1
    max_tokens: int = 224  # of one clip; a text that runs this far repeats itself
    lexicon: str | None = None  # a lexicon.tsv; it may be missing
    lexicon_prompt: bool = True  # its words are shown to the model before each clip, as many as fit
    lexicon_bias: float = 1.0  # logit, added to what goes on with a word of weight 1; 0 adds none
    device: str = "auto"
    clips_at_once: int | None = None  # 16 on a GPU; more than 1 gains nothing on a CPU

    @property
    def model_id(self) -> str:
        return self._name

    @cached_property
    def _name(self) -> str:  # reads all of a folder: once
        language = self.language or "any language"
        name = f"whisper {model_name(self.pretrained)}, {language}, {self.num_beams} beams"
        name += f", {self.max_tokens} tokens"
        if not self._weights or not (self.lexicon_prompt or self.lexicon_bias):
            return name
        words = hashlib.sha256(repr(self._weights).encode()).hexdigest()[:12]
        shown = "shown and " if self.lexicon_prompt else ""
        return f"{name}, words {words} {shown}biased by {self.lexicon_bias}"

    @property
    def batch_size(self) -> int:
        return self.clips_at_once or (16 if pick_device(self.device).type == "cuda" else 1)

    def __getstate__(self) -> dict[str, Any]:  # loaded models do not travel
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def setup(self) -> None:
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        device = pick_device(self.device)
        self._model, self._processor = load_pretrained(
            WhisperForConditionalGeneration,
            WhisperProcessor,
            self.pretrained,
            instead="give its folder, asr.pretrained=FOLDER, or take asr=sphinx, which needs none",
            dtype=torch.float16 if device.type == "cuda" else torch.float32,
        )
        self._model.to(device)
        self._settings = self._model.generation_config
        # without the table of languages it is a model of English alone
        table: dict[str, int] = getattr(self._settings, "lang_to_id", None) or {}
        self._languages = {token.strip("<|>"): number for token, number in table.items()}
        known = list(self._languages) or ["en"]
        if self.language and self.language not in known:
            raise UserError(f"language={self.language}: {self.pretrained} knows {', '.join(sorted(known))}")
        self._prompt, self._biases = self._make_prompt(), self._make_biases()

    def recognize(self, batch: Sequence[np.ndarray]) -> list[Transcript]:
        """Raises `UserError` for a clip that is longer than the model hears."""
        found: list[Transcript] = []
        for first in range(0, len(batch), self.batch_size):
            clips = list(batch[first : first + self.batch_size])
            filled = clips + clips[-1:] * (self.batch_size - len(clips))
            found += self._recognize(filled)[: len(clips)]
        return found

    @torch.inference_mode()
    def _recognize(self, clips: Sequence[np.ndarray]) -> list[Transcript]:
        longest = self._processor.feature_extractor.chunk_length
        for samples in clips:
            if len(samples) > longest * SAMPLE_RATE:
                seconds = len(samples) / SAMPLE_RATE
                raise UserError(f"{seconds:.1f} s at once: Whisper hears {longest}; cut into shorter clips")
        inputs = self._processor(list(clips), sampling_rate=SAMPLE_RATE, return_tensors="pt")
        mel = inputs.input_features.to(self._model.device, self._model.dtype)  # (batch, n_mels, time)
        sound = self._model.get_encoder()(mel)  # (batch, time / 2, channels)
        languages, sure, no_speech = self._listen(sound)
        written = self._model.generate(
            encoder_outputs=sound,
            num_beams=self.num_beams,
            max_new_tokens=min(self.max_tokens, self._places - 8 - len(self._prompt)),
            prompt_ids=torch.tensor(self._prompt, device=self._model.device) if self._prompt else None,
            sequence_bias=self._biases or None,
            **({"language": languages, "task": "transcribe"} if self._languages else {}),
        )
        texts = [row[row < self._settings.eos_token_id].tolist() for row in written]
        transcripts = []
        for k, (tokens, chances, looks) in enumerate(self._read(sound, languages, texts)):
            times = self._times(looks, len(clips[k]) / SAMPLE_RATE) if tokens else []
            words = self._words(tokens, chances, times)
            text = " ".join(word.text for word in words)
            confidence = sum(chances) / len(chances)
            transcripts.append(Transcript(text, confidence, languages[k], words, sure[k], no_speech[k]))
        return transcripts

    def _listen(self, sound: Any) -> tuple[list[str], list[float | None], list[float]]:
        """Of each clip its language, how probable that is, and how probable it is that nobody speaks."""
        batch = len(sound.last_hidden_state)
        start = torch.full((batch, 1), self._settings.decoder_start_token_id, device=self._model.device)
        logits = self._model(encoder_outputs=sound, decoder_input_ids=start).logits[:, 0].float()
        # the one before is "no speech" in every Whisper, under several names
        no_speech = logits.softmax(-1)[:, self._settings.no_timestamps_token_id - 1].tolist()
        if self.language or not self._languages:
            return [self.language or "en"] * batch, [None] * batch, no_speech
        chances = logits[:, list(self._languages.values())].softmax(-1)  # (batch, languages)
        names = list(self._languages)
        return [names[k] for k in chances.argmax(-1)], chances.amax(-1).tolist(), no_speech

    def _read(
        self, sound: Any, languages: Sequence[str], texts: Sequence[list[int]]
    ) -> Iterator[tuple[list[int], list[float], tuple[Tensor, ...]]]:
        """Each text's tokens, how probable they and its end were, and where each of these looked.

        The last is of each layer (1, heads, tokens + 1, time / 2).
        """
        settings = self._settings
        rows, begins = [], []
        for language, text in zip(languages, texts, strict=True):
            start = start_tokens(settings, language)
            rows.append(torch.tensor(self._prompt + start + text + [settings.eos_token_id]))
            begins.append(len(self._prompt + start) - 1)  # where the first token is foretold
        tokens = pad_sequence(rows, True, settings.eos_token_id).to(self._model.device)
        self._model.set_attn_implementation("eager")  # slower, and alone in telling where it looked
        found = self._model(encoder_outputs=sound, decoder_input_ids=tokens, output_attentions=True)
        self._model.set_attn_implementation("sdpa")
        foretold = found.logits[:, :-1].float().softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
        for k, (text, first) in enumerate(zip(texts, begins, strict=True)):
            after = first + len(text) + 1
            looks = tuple(layer[k : k + 1, :, first:after].float() for layer in found.cross_attentions)
            yield text, foretold[k, first:after].tolist(), looks

    def _times(self, looks: tuple[Tensor, ...], duration: Seconds) -> list[Seconds]:
        """When each token begins, and the text ends: the path that follows the attention."""
        from transformers.generation import GenerateEncoderDecoderOutput

        layers, heads = len(looks), looks[0].shape[1]
        # models say which heads follow the sound; where one does not, those of the later layers
        later = [[layer, head] for layer in range(layers // 2, layers) for head in range(heads)]
        attention: Any = {"sequences": torch.zeros(1, 1), "cross_attentions": (looks,)}
        times: Tensor = self._model._extract_token_timestamps(
            GenerateEncoderDecoderOutput(**attention),
            getattr(self._settings, "alignment_heads", None) or later,
            num_frames=max(round(duration * 100), 2),
            num_input_ids=0,
        )
        return [float(time) for time in times[0, :-1]]

    @property
    def _places(self) -> int:
        """How many tokens the prompt, the marks of the start and the text may be, all together."""
        return int(self._model.config.max_target_positions)

    @cached_property
    def _weights(self) -> dict[str, float]:
        """The lexicon's words, the weightiest first."""
        entries = read_lexicon(Path(self.lexicon)) if self.lexicon else []
        weights: dict[str, float] = {}
        for entry in sorted(entries, key=lambda entry: -entry.weight):
            weights.setdefault(entry.word, entry.weight)  # a word that is said in two ways counts once
        return weights

    def _make_prompt(self) -> list[int]:
        """Tokens that read as what was said before: the lexicon's words, as many as Whisper takes."""
        prompt: list[int] = []
        words: list[str] = []
        for word in self._weights if self.lexicon_prompt else ():
            words.append(word)
            try:
                longer = self._processor.get_prompt_ids(prompt_text(words)).tolist()
            except ValueError as error:
                raise UserError(f"{self.lexicon}: {word!r} cannot be shown to Whisper ({error})") from None
            if len(longer) >= self._places // 2:
                break
            prompt = longer
        return prompt

    def _make_biases(self) -> dict[tuple[int, ...], float]:
        """What is added to the last of these tokens, after the others; how a word begins is not favoured.

        Many words begin alike, so only what goes on with one, or is all of it, tells that it is meant.
        """
        biases: dict[tuple[int, ...], float] = {}
        for word, weight in self._weights.items() if self.lexicon_bias else ():
            tokens = self._processor.tokenizer(" " + word, add_special_tokens=False).input_ids
            bias = self.lexicon_bias + math.log(weight)
            for length in range(min(2, len(tokens)), len(tokens) + 1):
                biases.setdefault(tuple(tokens[:length]), bias)
        return biases

    def _words(self, tokens: list[int], chances: list[float], times: list[Seconds]) -> tuple[Word, ...]:
        """What stands between spaces; a token's first character tells whether a space comes before it."""
        tokenizer = self._processor.tokenizer
        spelled = tokenizer.convert_ids_to_tokens(tokens)
        begins = [k for k, token in enumerate(spelled) if k == 0 or token[0] in "ĠĊ"]
        words = []
        for first, after in pairwise([*begins, len(tokens)]):
            parts = tokenizer.decode(tokens[first:after]).split()  # one, but for rare kinds of space
            confidence = sum(chances[first:after]) / (after - first)
            borders = np.linspace(times[first], times[after], len(parts) + 1).tolist()
            words += [
                Word(*span, part, confidence) for part, span in zip(parts, pairwise(borders), strict=True)
            ]
        return tuple(words)


def prompt_text(words: Sequence[str]) -> str:
    """Words of a lexicon as if they had just been said; what comes next is punctuated as they are."""
    return ", ".join(words) + "."


def start_tokens(settings: Any, language: str) -> list[int]:
    """What the decoder reads before the first token of a text without timestamps.

    `settings` is a generation config; a model of English alone is not told the language.
    """
    languages: dict[str, int] = getattr(settings, "lang_to_id", None) or {}
    spoken = [languages[f"<|{language}|>"], settings.task_to_id["transcribe"]] if languages else []
    return [settings.decoder_start_token_id, *spoken, settings.no_timestamps_token_id]
