"""Character CTC (Graves et al., 2006) on wav2vec2, HuBERT, w2v-BERT, pretrained or from nothing."""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.optim import Optimizer

from understudy.data.hub import load_pretrained
from understudy.data.lexicon import read_lexicon, spoken_forms, written_forms
from understudy.data.manifest import Clip
from understudy.data.media import SAMPLE_RATE
from understudy.data.speech_datamodule import SpeechBatch
from understudy.data.text import spoken
from understudy.data.word_times import spell
from understudy.errors import UserError
from understudy.train.asr import SpeechRecognition, sounds_of

WINDOW, HOP = 400, 160  # samples: of log-mels, as all extractors make them
UNHEARD_OF = 100.0  # loss of a text that cannot be said in that time


class CtcTraining(SpeechRecognition):
    """`pretrained` is a hub's name or a folder; without one, `network` is made and trained from nothing.

    `network` has the arguments of a Hugging Face config and its `model_type`; `alphabet` are the letters
    that a model from nothing writes. Masks (SpecAugment) and dropout are settings of the network. A word
    that the `lexicon` has is learnt as it is said there ("eff" for "F"): what sounds alike is spelled alike.
    """

    def __init__(
        self,
        *,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        pretrained: str | None = None,
        network: Mapping[str, Any] | None = None,
        alphabet: str = "abcdefghijklmnopqrstuvwxyz'",
        language: str = "en",
        lexicon: str | None = None,
        freeze_feature_encoder: bool = False,
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
        if not pretrained and not network:
            raise UserError("model.pretrained=NAME or FOLDER, or model.network for one from nothing")
        if freeze_feature_encoder and not pretrained:
            raise UserError("model.freeze_feature_encoder=true: a model from nothing has nothing to keep")
        self.pretrained, self.keeps_weights = pretrained, freeze_feature_encoder
        self.config_of_network = dict(network or {})
        self.alphabet = alphabet
        self.lexicon = lexicon
        self.freeze_feature_encoder = freeze_feature_encoder

    def configure_model(self) -> None:
        if hasattr(self, "network"):
            return
        from transformers import AutoModelForCTC, Wav2Vec2Processor

        if self.pretrained:
            network, self.processor = load_pretrained(
                AutoModelForCTC,
                Wav2Vec2Processor,
                self.pretrained,
                instead="give its folder, or model.pretrained=null to train a small one from nothing",
                ctc_loss_reduction="mean",
                ctc_zero_infinity=True,
            )
        else:
            network, self.processor = from_nothing(self.config_of_network, self.alphabet)
        if self.freeze_feature_encoder:
            network.freeze_feature_encoder()
        self.network = network.train()
        tokenizer = self.processor.tokenizer
        self.characters: dict[str, int] = tokenizer.get_vocab()
        self.blank: int = tokenizer.pad_token_id
        between = self.characters.get(tokenizer.word_delimiter_token)
        if between is None:
            raise UserError(f"{self.pretrained}: has no character between words; take another model")
        self.between: int = between
        entries = read_lexicon(Path(self.lexicon)) if self.lexicon else []
        self.said = spoken_forms(entries, self.language)
        self.written = written_forms(entries, self.language)

    def features(self, batch: SpeechBatch) -> dict[str, Tensor]:
        """What the network takes: sound of like loudness, and where it ends if the model wants that."""
        found = self.processor.feature_extractor(
            sounds_of(batch), sampling_rate=SAMPLE_RATE, return_tensors="pt", padding=True
        )
        return {name: values.to(self.device) for name, values in found.items()}

    def logits(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """(batch, frames, characters) in full precision, and how many frames each clip has."""
        logits = self.network(**self.features(batch)).logits.float()
        return logits, self.frames(batch["lengths"]).to(self.device)

    def frames(self, samples: Tensor) -> Tensor:
        """How many frames so many samples make: log-mels are put together, waves go through convolutions."""
        stride = getattr(self.processor.feature_extractor, "stride", None)
        if stride is None:
            made: Tensor = self.network._get_feat_extract_output_lengths(samples)
            return made
        return ((samples - WINDOW) // HOP + 1) // stride

    def losses(self, batch: SpeechBatch, *, passing_over: bool = False) -> Tensor:
        """(batch,) the negative log likelihood of a clip's text over its characters.

        Of a text that cannot be said in that time it is infinite, or 0 where that is passed over.
        """
        logits, frames = self.logits(batch)
        labels = [torch.tensor(self.encode(text)) for text in batch["text"]]
        lengths = torch.tensor([len(label) for label in labels])
        losses = F.ctc_loss(
            logits.log_softmax(-1).transpose(0, 1),
            pad_sequence(labels, batch_first=True).to(self.device),
            frames,
            lengths.to(self.device),
            blank=self.blank,
            reduction="none",
            zero_infinity=passing_over,
        )
        return losses / lengths.to(self.device)

    def loss(self, batch: SpeechBatch) -> Tensor:
        return self.losses(batch, passing_over=True).mean()  # sped up, a text may not fit any more

    @torch.inference_mode()
    def token_losses(self, batch: SpeechBatch) -> list[float]:
        found: list[float] = self.losses(batch).clamp(max=UNHEARD_OF).tolist()
        return found

    @torch.inference_mode()
    def transcribe(self, batch: SpeechBatch) -> list[str]:
        """The likeliest character of each frame; a recogniser searches better, with words and their order."""
        logits, frames = self.logits(batch)
        likeliest = [
            row[:length] for row, length in zip(logits.argmax(-1).cpu(), frames.tolist(), strict=True)
        ]
        texts: list[str] = self.processor.batch_decode(likeliest)
        return [" ".join(self.written.get(word, word) for word in text.lower().split()) for text in texts]

    def encode(self, text: str) -> list[int]:
        """The characters of a text, a mark between its words."""
        numbers: list[int] = []
        for word in self.words(text):
            numbers += [self.between] * bool(numbers) + spell(word, self.characters)
        return numbers

    def words(self, text: str) -> list[str]:
        """Of a text, as they are said."""
        return [part for word in spoken(text, self.language) for part in self.said.get(word, [word])]

    def complaint(self, clip: Clip) -> str | None:
        letters = {letter for word in self.words(clip["text"]) for letter in word}
        foreign = {letter for letter in letters if not spell(letter, self.characters)}
        if foreign:
            return f"the model's alphabet has no {' '.join(sorted(foreign))}"
        numbers = self.encode(clip["text"])
        if not numbers:
            return "the text has no word that is spoken"
        repeated = sum(a == b for a, b in pairwise(numbers))
        if len(numbers) + repeated > int(self.frames(torch.tensor(round(clip.duration * SAMPLE_RATE)))):
            return "more text than can be said in that time"
        return None

    def save_pretrained(self, folder: Path) -> str:
        self.network.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        return type(self.network).__name__


def from_nothing(config: Mapping[str, Any], alphabet: str) -> tuple[Any, Any]:
    """A network with random weights, and the processor that belongs to it."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import (
        AutoConfig,
        AutoModelForCTC,
        SeamlessM4TFeatureExtractor,
        Wav2Vec2BertProcessor,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Processor,
    )

    characters = ["<pad>", "|", "<unk>", *dict.fromkeys(alphabet)]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = Path(folder) / "vocab.json"
        vocabulary.write_text(json.dumps({c: k for k, c in enumerate(characters)}), encoding="utf-8")
        tokenizer = Wav2Vec2CTCTokenizer(str(vocabulary), bos_token=None, eos_token=None)
    own = {"vocab_size": len(characters), "pad_token_id": tokenizer.pad_token_id}
    try:
        network = AutoModelForCTC.from_config(AutoConfig.for_model(**config, **own))
    except (ValueError, TypeError, AttributeError, AssertionError, StrictDataclassError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"model.network: makes no network of characters ({reason})") from None
    if network.main_input_name == "input_features":
        return network, Wav2Vec2BertProcessor(SeamlessM4TFeatureExtractor(), tokenizer)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    return network, Wav2Vec2Processor(extractor, tokenizer)
