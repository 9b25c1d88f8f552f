"""The language model as a part of the twin: a folder that `from_pretrained` loads."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from understudy.errors import UserError
from understudy.train.checkpoint import base_of
from understudy.train.lm import LanguageModelTraining
from understudy.train.module import TwinModule

TOLERANCE = 1e-3  # of probabilities
CARD = """# Language model

Answers as the person writes from whose chats it was made. Give it only to who has that person's consent, and
remember that those who wrote to them were not asked; what it writes must be marked as generated.

| | |
|---|---|
| model | {model} |
| fine-tuned from | {base} |
| parameters | {parameters:,} |
| dialogues trained on | {dialogues} |
| steps trained | {step} |

`AutoModelForCausalLM` and `AutoTokenizer` load this folder; the tokenizer has the chat template.
`persona.json` says who is spoken as: its `system_prompt` stood before every conversation that was learnt, and
has to stand before those that are led. What is written agrees with what was trained to {parity:.1e}, as
probabilities of the next token.
"""


def export_lm(module: TwinModule, checkpoint: dict[str, Any], folder: Path, **_: object) -> None:
    """Write the model with its adapters merged, its tokenizer and the persona card into `folder`.

    Raises `UserError` when what is written says something else than what was trained.
    """
    from transformers import AutoModelForCausalLM

    assert isinstance(module, LanguageModelTraining)
    ids = module.chat.prompt([], "How are you?", module.card.system_prompt())
    vocabulary = len(module.chat.tokenizer)
    before = next_tokens(module.network, ids, vocabulary)
    network = module.merged()
    ends = network.generation_config.eos_token_id or []
    ends = [ends] if isinstance(ends, int) else ends
    network.generation_config.update(
        eos_token_id=list(dict.fromkeys([module.chat.end_of_turn, *ends])),
        pad_token_id=module.chat.end_of_turn,
    )
    network.save_pretrained(folder)
    module.chat.tokenizer.save_pretrained(folder)
    written = AutoModelForCausalLM.from_pretrained(folder).eval()
    parity = float((before - next_tokens(written, ids, vocabulary)).abs().max())
    if parity > TOLERANCE:
        raise UserError(
            f"the exported model's probabilities differ from the trained one's by {parity:.1e}; export again"
        )
    print(f"what is exported agrees with what was trained to {parity:.1e}")
    module.card.save(folder)
    card = CARD.format(
        model=type(network).__name__,
        base=base_of(checkpoint),
        parameters=sum(p.numel() for p in written.parameters()),
        dialogues=module.learnt["number"]["train"],
        step=checkpoint["global_step"],
        parity=parity,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


@torch.inference_mode()
def next_tokens(network: Any, ids: list[int], vocabulary: int) -> Tensor:
    """(tokens, vocabulary) probabilities, of tokens that there are: a network may have room for more."""
    logits: Tensor = network(input_ids=torch.tensor([ids])).logits[0, :, :vocabulary]
    return logits.float().softmax(-1)
