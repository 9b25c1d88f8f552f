"""A language model that writes token by token, and reads what it knows already only once."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper
from transformers.cache_utils import DynamicLayer


class TokenStream:
    """Continues prompts with a causal language model of transformers.

    Keys and values of the tokens with which a prompt begins like what was read or written before are reused
    where the network has attention of the plain kind; with another the prompt is read anew.
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self._read: list[int] = []  # the tokens in the cache
        self._cache = DynamicCache(config=network.config)

    @torch.inference_mode()
    def after(
        self, prompt: Sequence[int], *, temperature: float, top_p: float, generator: torch.Generator
    ) -> Iterator[int]:
        """Token after token, without end; the likeliest where `temperature` is 0.

        Chance is drawn from the likeliest tokens that together have `top_p` (Holtzman et al., 2020).
        """
        chance: Any = LogitsProcessorList()
        if temperature > 0:
            chance.append(TemperatureLogitsWarper(temperature))
        if top_p < 1:
            chance.append(TopPLogitsWarper(top_p))
        unread = self._unread([*prompt])
        while True:
            ids = torch.tensor([unread], device=generator.device)
            found = self.network(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
            self._read += unread
            logits = chance(ids, found.logits[:, -1].float())  # (1, vocabulary)
            if temperature > 0:
                token = int(torch.multinomial(logits.softmax(-1), 1, generator=generator))
            else:
                token = int(logits.argmax())
            yield token
            unread = [token]

    def _unread(self, prompt: list[int]) -> list[int]:
        """What of the prompt is not in the cache, one token at least; all else is removed from there."""
        pairs = zip(self._read, prompt[:-1], strict=False)
        known = next((k for k, (one, other) in enumerate(pairs) if one != other), None)
        if known is None:
            known = min(len(self._read), len(prompt) - 1)
        whole = self._cache.get_seq_length() == len(self._read)  # not interrupted while it read
        if known and whole and all(type(layer) is DynamicLayer for layer in self._cache.layers):
            self._cache.crop(known - len(self._read))
        else:
            known, self._cache = 0, DynamicCache(config=self.network.config)
        self._read = prompt[:known]
        return prompt[known:]
