"""Fine-tuning of Whisper.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Optimizer

from understudy.data.hub import load_pretrained
from understudy.data.lexicon import read_lexicon
from understudy.data.manifest import Clip
from understudy.data.media import SAMPLE_RATE
from understudy.data.speech_datamodule import SpeechBatch
from understudy.data.text import spoken
from understudy.data.whisper import prompt_text, start_tokens
from understudy.errors import UserError
from understudy.models.whisper import POSITIONS_PER_SECOND, hear_at_once
from understudy.train.asr import SpeechRecognition, sounds_of

IGNORED = -100  # a label that no loss counts
TOKENS_PER_SECOND = 12  # twice what the fastest speakers need: a text that runs on is cut short there
PROMPTED = 10  # words of the lexicon at most


class WhisperTraining(SpeechRecognition):
    """`pretrained` is a hub's name or a folder; all of it is trained, or adapters of rank `lora_rank`.

    With a `window` below 30 the model hears no more than that at once, and costs as much less. `mask_*`
    are SpecAugment (Park et al., 2019): how much of time and of frequency is hidden. A share `prompted`
    of the clips is trained behind words of the `lexicon`, those that are said in it and others, so that the
    model goes on heeding them.
    """

    def __init__(
        self,
        *,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        pretrained: str = "openai/whisper-small",
        language: str = "en",
        window: int = 30,  # seconds
        lora_rank: int | None = None,
        lora_alpha: int = 64,
        lora_dropout: float = 0.05,
        lora_modules: Sequence[str] = ("q_proj", "v_proj"),
        freeze_encoder: bool = False,
        dropout: float = 0.0,
        mask_time_prob: float = 0.05,
        mask_time_length: int = 10,  # hundredths of a second
        mask_feature_prob: float = 0.05,
        mask_feature_length: int = 10,  # of the mel bands
        lexicon: str | None = None,
        prompted: float = 0.25,
        warmup_steps: int = 50,
        decay_steps: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(
            optimizer=optimizer,
            warmup_steps=warmup_steps,
            decay_steps=decay_steps,
            language=language,
            seed=seed,
        )
        if not 1 <= window <= 30:
            raise UserError(f"model.window={window}: Whisper hears 1 to 30 seconds at once")
        self.pretrained: str = pretrained
        self.window, self.longest = window, window
        self.keeps_weights = lora_rank is not None or freeze_encoder
        self.lora_rank, self.lora_alpha, self.lora_dropout = lora_rank, lora_alpha, lora_dropout
        self.lora_modules = list(lora_modules)
        self.freeze_encoder = freeze_encoder
        self.config_of_training = {
            "dropout": dropout,
            "apply_spec_augment": mask_time_prob > 0 or mask_feature_prob > 0,
            "mask_time_prob": mask_time_prob,
            "mask_time_length": mask_time_length,
            "mask_feature_prob": mask_feature_prob,
            "mask_feature_length": mask_feature_length,
        }
        self.lexicon, self.prompted = lexicon, prompted

    def configure_model(self) -> None:
        if hasattr(self, "network"):
            return
        from peft import LoraConfig, get_peft_model
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        network, self.processor = load_pretrained(
            WhisperForConditionalGeneration,
            WhisperProcessor,
            self.pretrained,
            instead="give its folder, model.pretrained=FOLDER, or take model=asr_ctc, which needs none",
            **self.config_of_training,
        )
        self.settings = network.generation_config
        languages = [name.strip("<|>") for name in getattr(self.settings, "lang_to_id", None) or {}] or ["en"]
        if self.language not in languages:
            raise UserError(f"model.language={self.language}: {self.pretrained} knows {', '.join(languages)}")
        heard = network.config.max_source_positions // POSITIONS_PER_SECOND
        if self.window > heard:
            raise UserError(
                f"model.window={self.window}: {self.pretrained} hears {heard} seconds at once; "
                f"give model.window={heard}"
            )
        hear_at_once(network, self.processor.feature_extractor, self.window)
        if self.freeze_encoder:
            network.get_encoder().requires_grad_(False)
        if self.lora_rank is not None:
            adapters = LoraConfig(
                r=self.lora_rank,
                lora_alpha=self.lora_alpha,
                lora_dropout=self.lora_dropout,
                target_modules=self.lora_modules,
            )
            try:
                network = get_peft_model(network, adapters)
            except ValueError as error:
                raise UserError(f"model.lora_*: {str(error).splitlines()[0]}") from None
        self.network = network.train()
        entries = read_lexicon(Path(self.lexicon)) if self.lexicon else []
        self.words = [entry.word for entry in entries]
        try:
            self.prompt_of(self.words)
        except ValueError as error:
            raise UserError(f"{self.lexicon}: cannot be shown to Whisper ({error})") from None

    def features(self, batch: SpeechBatch) -> Tensor:
        """(batch, n_mels, time), padded to the window."""
        with torch.autocast(self.device.type, enabled=False):  # spectra want full precision
            found = self.processor.feature_extractor(
                sounds_of(batch), sampling_rate=SAMPLE_RATE, return_tensors="pt", device=str(self.device)
            )
        mel: Tensor = found.input_features.to(self.device)
        return mel

    def labels(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """What the decoder reads, and what it shall write next: both (batch, tokens)."""
        start = start_tokens(self.settings, self.language)
        read, write = [], []
        for text in batch["text"]:
            before = self.prompt(text) + start
            tokens = self.encode(text)
            read.append(torch.tensor(before + tokens))
            write.append(torch.tensor([IGNORED] * (len(before) - 1) + tokens + [self.settings.eos_token_id]))
        return (
            pad_sequence(read, True, self.settings.eos_token_id).to(self.device),
            pad_sequence(write, True, IGNORED).to(self.device),
        )

    def encode(self, text: str) -> list[int]:
        tokens: list[int] = self.processor.tokenizer(f" {text.strip()}", add_special_tokens=False).input_ids
        return tokens

    def prompt(self, text: str) -> list[int]:
        """While training, for some clips: the lexicon's words that are said, among others that are not."""
        if not (self.training and self.words) or np.random.random() >= self.prompted:
            return []
        number = min(np.random.randint(1, PROMPTED + 1), len(self.words))
        said = set(spoken(text, self.language))
        shown = {word for word in self.words if said.intersection(spoken(word, self.language))}
        shown.update(np.random.choice(self.words, number, replace=False).tolist())
        return self.prompt_of(np.random.permutation(sorted(shown)).tolist())

    def prompt_of(self, words: Sequence[str]) -> list[int]:
        """Tokens that show `words`, cut where text needs the room; none for none."""
        tokens = self.processor.get_prompt_ids(prompt_text(words)).tolist() if words else []
        prompt: list[int] = tokens[: self._longest_text() // 2]
        return prompt

    def logits(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """(batch, tokens, vocabulary) in full precision, and what was to be written."""
        read, write = self.labels(batch)
        found = self.network(input_features=self.features(batch), decoder_input_ids=read)
        return found.logits.float(), write

    def loss(self, batch: SpeechBatch) -> Tensor:
        logits, write = self.logits(batch)
        return F.cross_entropy(logits.flatten(0, 1), write.flatten(), ignore_index=IGNORED)

    @torch.inference_mode()
    def token_losses(self, batch: SpeechBatch) -> list[float]:
        logits, write = self.logits(batch)
        losses = F.cross_entropy(logits.transpose(1, 2), write, ignore_index=IGNORED, reduction="none")
        means: list[float] = (losses.sum(1) / (write != IGNORED).sum(1)).tolist()
        return means

    @torch.inference_mode()
    def transcribe(self, batch: SpeechBatch) -> list[str]:
        multilingual = getattr(self.settings, "lang_to_id", None)
        written = self.network.generate(
            input_features=self.features(batch),
            max_new_tokens=min(TOKENS_PER_SECOND * self.window, self._longest_text()),
            **({"language": self.language, "task": "transcribe"} if multilingual else {}),
        )
        texts: list[str] = self.processor.batch_decode(written, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _longest_text(self) -> int:
        positions: int = self.network.config.max_target_positions
        return positions - 8  # where a text begins

    def complaint(self, clip: Clip) -> str | None:
        heard = self.processor.feature_extractor.chunk_length
        if round(clip.duration * SAMPLE_RATE) > heard * SAMPLE_RATE:
            return f"longer than the {heard} s that the model hears at once (model.window)"
        if len(self.encode(clip["text"])) > self._longest_text() // 2:  # the other half is for prompts
            return "more text than the model writes at once"
        return None

    def save_pretrained(self, folder: Path) -> str:
        network = self.network.merge_and_unload() if self.lora_rank is not None else self.network
        network.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        return type(network).__name__
