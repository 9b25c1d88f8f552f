"""The persona card: who is spoken as, how they write, what must not be claimed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from understudy.errors import UserError

CARD = "persona.json"  # beside an exported language model
NOT_TO_CLAIM = (
    "to be a human being",
    "to know numbers, addresses or passwords of anybody",
)


@dataclass(frozen=True, kw_only=True)
class PersonaCard:
    """`system_prompt` is what a model is trained behind, so it has to stand before every conversation."""

    name: str
    about: str = ""  # who they are
    style: str = ""  # how they write
    not_to_claim: Sequence[str] = NOT_TO_CLAIM

    def system_prompt(self) -> str:
        parts = [f"You are {self.name}, chatting."]
        parts += [sentence(text) for text in (self.about, self.style) if text.strip()]
        if self.not_to_claim:
            parts.append(f"Never claim {', or '.join(self.not_to_claim)}.")
        return " ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"not_to_claim": list(self.not_to_claim)}

    @classmethod
    def from_json(cls, card: dict[str, Any]) -> Self:
        return cls(**card | {"not_to_claim": tuple(card["not_to_claim"])})

    def save(self, folder: Path) -> None:
        """As `persona.json`, with the prompt written out for whoever loads the model without us."""
        card = self.to_json() | {"system_prompt": self.system_prompt()}
        (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Of an exported model. Raises `UserError` where there is none or it is not as it was written."""
        path = folder / CARD
        try:
            card = json.loads(path.read_text("utf-8"))
            card.pop("system_prompt", None)
            return cls.from_json(card)
        except FileNotFoundError:
            raise UserError(f"{path}: there is no persona card; export the model again") from None
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise UserError(f"{path}: is not as it was written ({error!r}); export the model again") from None


def sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
