"""The twin's persona from its folder: a language model, and the card that stands before what it says."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from understudy.data.hub import load_pretrained, model_name, pick_device
from understudy.data.persona_card import PersonaCard
from understudy.data.persona_tokenizer import ChatFormat
from understudy.errors import UserError


@dataclass(kw_only=True)
class TwinPersona:
    """An exported `twin/lm`: settings that become a model in `setup`, as with a recogniser."""

    pretrained: str
    device: str = "auto"

    @cached_property
    def model_id(self) -> str:  # reads all of a folder: once
        self._folder()
        return f"lm {model_name(self.pretrained)}"

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def _folder(self) -> Path:
        folder = Path(self.pretrained)
        if not (folder / "config.json").exists():
            raise UserError(
                f"{folder}: there is no persona yet; train one (understudy train model=lm) and export it "
                "(understudy export ckpt=CHECKPOINT)"
            )
        return folder

    def setup(self) -> None:
        """Load the network. Raises `UserError` where there is none, or it is not as it was written."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.card = PersonaCard.load(self._folder())
        self.network: Any
        self.network, tokenizer = load_pretrained(
            AutoModelForCausalLM,
            AutoTokenizer,
            self.pretrained,
            instead="export the model again",
            dtype=torch.float32,
        )
        self.chat = ChatFormat(tokenizer, name=self.pretrained)
        self.device_used = pick_device(self.device)
        self.network.to(self.device_used)
        # no mark is a part of an answer: whichever comes, the turn is over
        self.marks = frozenset([*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()])

    @property
    def longest(self) -> int | None:
        """Tokens that the network can look at, None where it does not say."""
        found: int | None = getattr(self.network.config, "max_position_embeddings", None)
        return found
