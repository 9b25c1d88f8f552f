"""Causal language models of transformers: what is asked of them, and one from nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from understudy.errors import UserError


def token_losses(network: Any, ids: Tensor, mask: Tensor, learnt: Tensor, *, dropout: float = 0.0) -> Tensor:
    """(batch, tokens - 1) the negative log likelihood of all tokens but the first, 0 where not `learnt`.

    All are (batch, tokens); `dropout` is of what the first layer is given. A vocabulary is large: only where
    it is asked for anything is made of the network's states. Its last layer has to be a matrix alone.
    """
    embedded = F.dropout(network.get_input_embeddings()(ids), dropout, training=dropout > 0)
    decoder = network.get_decoder()
    states = decoder(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state
    learnt = learnt[:, 1:]
    logits = network.get_output_embeddings()(states[:, :-1][learnt]).float()  # (learnt tokens, vocabulary)
    found = F.cross_entropy(logits, ids[:, 1:][learnt], reduction="none")
    return torch.zeros(learnt.shape, device=ids.device).masked_scatter(learnt, found)


@torch.no_grad()
def generate(
    network: Any, prompts: Sequence[Sequence[int]], *, end: int, longest: int, temperature: float
) -> list[list[int]]:
    """What follows each prompt until the token `end`, without it; the likeliest where `temperature` is 0."""
    size = max(map(len, prompts))
    device = network.get_input_embeddings().weight.device
    ids = torch.tensor([[0] * (size - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (size - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    chance = {"do_sample": True, "temperature": temperature, "top_p": 0.95, "top_k": 0}
    written: Tensor = network.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=longest,
        eos_token_id=end,
        pad_token_id=end,
        **(chance if temperature > 0 else {"do_sample": False}),
    )
    rows: list[list[int]] = written[:, size:].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def network_from_nothing(settings: Mapping[str, Any], *, dropout: float) -> Any:
    """A network with random weights; `settings` are those of a Hugging Face config, with its `model_type`.

    `dropout` is of attention.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.for_model(**settings, attention_dropout=dropout)
        return AutoModelForCausalLM.from_config(config)
    except (ValueError, TypeError, AttributeError, AssertionError, StrictDataclassError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"model.network: makes no language model ({reason})") from None


def with_adapters(network: Any, *, rank: int, alpha: int, dropout: float, modules: str | list[str]) -> Any:
    """Low-rank adapters (Hu et al., 2021) on the layers that `modules` names; all else is frozen."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=modules, task_type="CAUSAL_LM"
    )
    try:
        return get_peft_model(network, settings)
    except ValueError as error:
        raise UserError(f"model.lora_*: {str(error).splitlines()[0]}") from None
