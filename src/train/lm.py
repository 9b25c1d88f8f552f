"""Fine-tuning of a language model on what one person writes, or a small one from nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from tqdm import tqdm
from transformers import get_cosine_schedule_with_warmup

from understudy.data.hub import load_pretrained, model_name
from understudy.data.persona_card import PersonaCard
from understudy.data.persona_datamodule import ChatBatch, PersonaDataModule
from understudy.data.persona_tokenizer import (
    IGNORED,
    ChatFormat,
    tokenizer_from_nothing,
    tokenizer_of,
    written_tokenizer,
)
from understudy.errors import UserError
from understudy.models.lm import generate, network_from_nothing, token_losses, with_adapters
from understudy.train.lm_base import NetworkBase, TrigramBase
from understudy.train.lm_metrics import LanguageMetrics
from understudy.train.module import TwinModule

LEARNT = "learnt"  # in a checkpoint: what from, up to when, behind which card
AT_ONCE = 16  # prompts that are answered together


class LanguageModelTraining(TwinModule):
    """`pretrained` is a hub's name or a folder; adapters of rank `lora_rank` are trained, or all of it.

    Without one, `network` (arguments of a Hugging Face config, and its `model_type`) is made and trained from
    nothing, with tokens that are found in the training dialogues. `dropout` is of attention, and of what
    the first layer is given. Only the subject's turns are learnt. "base" is the model before training; of one
    from nothing, trigrams of the same tokens.
    """

    role = "lm"
    headline = ("perplexity/tuned", "perplexity/base", "loss/val")
    strict_loading = False  # what is not trained is not in a checkpoint
    network: Any
    chat: ChatFormat
    base: NetworkBase | TrigramBase

    def __init__(
        self,
        *,
        optimizer: Callable[[Iterable[Tensor]], Optimizer],
        pretrained: str | None = None,
        network: Mapping[str, Any] | None = None,
        lora_rank: int | None = None,
        lora_alpha: int = 32,
        lora_dropout: float = 0.1,
        lora_modules: str | Sequence[str] = "all-linear",
        dropout: float = 0.0,
        warmup_steps: int = 20,
        decay_steps: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not pretrained and not network:
            raise UserError("model.pretrained=NAME or FOLDER, or model.network for one from nothing")
        if lora_rank is not None and not pretrained:
            raise UserError("model.lora_rank: a model from nothing has nothing to adapt; give null")
        self.make_optimizer = optimizer
        self.pretrained, self.config_of_network = pretrained, dict(network or {})
        self.lora_rank, self.lora_alpha, self.lora_dropout = lora_rank, lora_alpha, lora_dropout
        self.lora_modules = lora_modules if isinstance(lora_modules, str) else list(lora_modules)
        self.dropout = dropout
        self.warmup_steps, self.decay_steps = warmup_steps, decay_steps
        self.seed = seed
        self.metrics: LanguageMetrics = LanguageMetrics()
        self.learnt: dict[str, Any] = {}

    def configure_model(self) -> None:
        if hasattr(self, "network"):
            return
        if not self.pretrained:
            self.network = network_from_nothing(self.config_of_network, dropout=self.dropout).train()
            return
        network, tokenizer = self._load()
        self.chat = ChatFormat(tokenizer, name=self.pretrained)
        if self.lora_rank is not None:
            network = with_adapters(
                network,
                rank=self.lora_rank,
                alpha=self.lora_alpha,
                dropout=self.lora_dropout,
                modules=self.lora_modules,
            )
        self.network = network.train()

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        assert self.pretrained
        return load_pretrained(
            AutoModelForCausalLM,
            AutoTokenizer,
            self.pretrained,
            instead="give its folder, model.pretrained=FOLDER, or take model=lm_small, which needs none",
            dtype=torch.float32,
            attention_dropout=self.dropout,
        )

    def setup(self, stage: str) -> None:
        # data without a datamodule is for whoever gives it to check
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, PersonaDataModule):
            return
        self.configure_model()
        if stage == "fit":
            if not self.pretrained:
                size = self.config_of_network["vocab_size"]
                tokenizer = tokenizer_from_nothing(data.conversations(), size)
                self.chat = ChatFormat(tokenizer, name="model.network")
            data.speak(self.chat, data.card)
            self.learnt = {
                "dialogues": data.digest(),
                "number": {name: len(part) for name, part in data.split.items()},
                "until": data.learnt_until(),
                "card": data.card.to_json(),
                "base": self.base_of_frozen(),
                "tokenizer": None if self.pretrained else written_tokenizer(self.chat.tokenizer),
            }
        else:
            data.test_after(self.learnt["until"])  # the split may have changed with the chats
            data.speak(self.chat, self.card)
        if self.pretrained:
            adapted = self.lora_rank is not None
            self.base = NetworkBase(self.network, None if adapted else lambda: self._load()[0])
        else:
            self.base = TrigramBase(
                [example.labels for example in data.examples["train"]],
                end=self.chat.end_of_turn,
                vocabulary=len(self.chat.tokenizer),
                seed=self.seed,
            )

    @property
    def card(self) -> PersonaCard:
        """Behind which it has learnt to answer."""
        return PersonaCard.from_json(self.learnt["card"])

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer([p for p in self.parameters() if p.requires_grad])
        decay_steps = self.decay_steps if self.decay_steps > 0 else 10**9  # nobody knows how long it will be
        schedule = get_cosine_schedule_with_warmup(optimizer, self.warmup_steps, decay_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def token_losses(self, batch: ChatBatch, network: Any = None) -> Tensor:
        """(batch, tokens - 1) the negative log likelihood of each token that is learnt, 0 of the others."""
        learnt = batch["labels"] != IGNORED
        dropout = self.dropout if self.training else 0.0
        return token_losses(
            network or self.network, batch["input_ids"], batch["attention_mask"], learnt, dropout=dropout
        )

    def training_step(self, batch: ChatBatch, batch_idx: int) -> Tensor:
        # chance depends on the step alone, so a run that is resumed draws what it would have drawn
        torch.manual_seed((self.seed * 1_000_003 + self.current_epoch * 10_007 + batch_idx) % 2**32)
        loss = self.token_losses(batch).sum() / learnt_tokens(batch)
        self.log("loss/train", loss.detach(), batch_size=len(batch["input_ids"]), prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()
        self._base_is_known = "base" in self.metrics.sums

    def validation_step(self, batch: ChatBatch, batch_idx: int) -> None:
        tokens, characters = learnt_tokens(batch), int(batch["characters"].sum())
        loss = float(self.token_losses(batch).sum())
        self.metrics.update("tuned", loss, tokens, characters)
        self.log("loss/val", loss / tokens, batch_size=tokens)
        if not self._base_is_known:
            self.metrics.update("base", self.base_loss(batch), tokens, characters)

    def on_validation_epoch_end(self) -> None:
        if isinstance(self.base, NetworkBase):
            self.base.forget()
        for who, values in self.metrics.summary().items():
            self.log_dict({f"{name}/{who}": value for name, value in values.items()})
        self.log("perplexity", self.metrics.summary()["tuned"]["perplexity"], prog_bar=True, logger=False)

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def base_loss(self, batch: ChatBatch) -> float:
        """Of what is learnt in a batch, by the base."""
        if isinstance(self.base, TrigramBase):
            return self.base.loss(batch["labels"].tolist())
        with self.base.before() as network:
            return float(self.token_losses(batch, network).sum())

    def answer(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        base: bool = False,
        longest: int = 64,
        temperature: float = 0.8,
    ) -> list[str]:
        """What the model, or the base, says to each prompt, in `longest` tokens at most.

        The likeliest where `temperature` is 0. The same for the same seed; training's chance stays as it was.
        """
        if base and isinstance(self.base, TrigramBase):
            return [self._text(row) for row in self.base.answers(len(prompts), longest)]
        order = sorted(range(len(prompts)), key=lambda k: len(prompts[k]))
        groups = [order[k : k + AT_ONCE] for k in range(0, len(order), AT_ONCE)]
        found = [""] * len(prompts)
        with (
            self._who_answers(base) as network,
            torch.random.fork_rng([self.device] if self.device.type == "cuda" else []),
        ):
            torch.manual_seed(self.seed)
            for group in tqdm(groups, "answering", unit="batch", delay=2, leave=False):
                said = generate(
                    network,
                    [prompts[k] for k in group],
                    end=self.chat.end_of_turn,
                    longest=longest,
                    temperature=temperature,
                )
                for k, row in zip(group, said, strict=True):
                    found[k] = self._text(row)
        return found

    def _who_answers(self, base: bool) -> AbstractContextManager[Any]:
        if not base:
            return nullcontext(self.network)
        assert isinstance(self.base, NetworkBase)
        return self.base.before()

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self.chat.tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        frozen = {n for n, p in self.named_parameters(remove_duplicate=False) if not p.requires_grad}
        state: Mapping[str, Tensor] = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: weights for name, weights in state.items() if name not in frozen}
        checkpoint[LEARNT] = self.learnt

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        before = checkpoint[LEARNT]
        if before["base"] != self.base_of_frozen():
            raise UserError(
                f"{self.pretrained}: is not the model any more that this run fine-tuned ({before['base']}); "
                "its adapters fit no other"
            )
        if self.learnt and self.learnt != before:
            raise UserError("dialogues have changed since this run was begun; run=NAME starts another")
        self.learnt = before
        if before["tokenizer"]:
            self.chat = ChatFormat(tokenizer_of(before["tokenizer"]), name="model.network")

    def base_of_frozen(self) -> str | None:
        """The name of the model of which weights are kept as they are, and so are in no checkpoint."""
        return model_name(self.pretrained) if self.pretrained and self.lora_rank is not None else None

    def merged(self) -> Any:
        """The network without adapters, which says the same; what is trained cannot be trained on."""
        network = self.network.merge_and_unload() if self.lora_rank is not None else self.network
        if not self.pretrained:
            network.resize_token_embeddings(len(self.chat.tokenizer))  # as many as were found
        return network


def learnt_tokens(batch: ChatBatch) -> int:
    return int((batch["labels"][:, 1:] != IGNORED).sum())
