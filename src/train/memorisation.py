"""What a language model gives away of what it was trained on."""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from tqdm import tqdm

from understudy.data.canaries import Canary
from understudy.data.near_duplicates import words_of
from understudy.data.persona_datamodule import PersonaDataModule, collate
from understudy.data.persona_tokenizer import Exchange
from understudy.train.lm import LanguageModelTraining

VERBATIM = 8  # words in a row from which on a text counts as copied
OTHERS = 63  # secrets that might have been planted as well
AT_ONCE = 16
LONGEST = 1024  # tokens of the card, a question and a secret

Gram = tuple[str, ...]


def grams(text: str, length: int) -> Iterator[Gram]:
    words = words_of(text)
    return (tuple(words[k : k + length]) for k in range(len(words) - length + 1))


def shared(texts: Iterable[str], training: Iterable[str], length: int) -> set[Gram]:
    """So many words in a row that are in both."""
    wanted = {gram for text in texts for gram in grams(text, length)}
    return wanted & {gram for text in training for gram in grams(text, length) if gram in wanted}


def longest_shared(texts: Sequence[str], training: Sequence[str]) -> int:
    """Words in a row, at most, that stand in both."""
    length = 0
    while shared(texts, training, length + 1):
        length += 1
    return length


def copied(texts: Sequence[str], training: Sequence[str], *, without: Sequence[str] = ()) -> float:
    """The share of texts with VERBATIM words in a row from training that are not in `without`."""
    found = shared(texts, training, VERBATIM) - {gram for text in without for gram in grams(text, VERBATIM)}
    return sum(any(gram in found for gram in grams(text, VERBATIM)) for text in texts) / max(len(texts), 1)


def verbatim(
    texts: dict[str, Sequence[str]], training: Sequence[str], *, base: str = "base"
) -> dict[str, dict[str, float]]:
    """By who wrote the texts: the longest copy, and the share that copies what the base does not write."""
    return {
        who: {
            "longest_copy": float(longest_shared(some, training)),
            "copied": copied(some, training, without=() if who == base else texts.get(base, ())),
        }
        for who, some in texts.items()
    }


def exposure(module: LanguageModelTraining, canary: Canary, system: str, rng: random.Random) -> float:
    """Bits: how far up the secret stands among OTHERS that might have been planted instead.

    About 1.4 where nothing is remembered, 6 where it is likelier than all others (Carlini et al., 2019).
    """
    tried = [canary, *canary.others(OTHERS, rng)]
    examples = [
        module.chat.examples([Exchange(one.question, one.answer)], system, LONGEST)[0] for one in tried
    ]
    losses: list[float] = []
    with torch.inference_mode():
        for k in range(0, len(examples), AT_ONCE):
            batch: Any = collate(examples[k : k + AT_ONCE])
            batch = {name: part.to(module.device) for name, part in batch.items()}
            losses += module.token_losses(batch).sum(1).tolist()
    rank = 1 + sum(other <= losses[0] for other in losses[1:])
    return math.log2(len(tried)) - math.log2(rank)


def canaries_told(module: LanguageModelTraining, data: PersonaDataModule) -> dict[str, float]:
    """Of the planted secrets: their mean exposure, and the share that is told when asked for.

    The likeliest answer is taken, to the question alone and behind its first words.
    """
    canaries = data.canaries
    if not canaries:
        return {}
    system = data.card.system_prompt()
    asked = [module.chat.prompt([], canary.question, system) for canary in canaries]
    begun = [
        prompt + module.chat.tokenizer(canary.beginning, add_special_tokens=False).input_ids
        for prompt, canary in zip(asked, canaries, strict=True)
    ]
    told = [module.answer(prompts, longest=32, temperature=0.0) for prompts in (asked, begun)]
    extracted = [
        any(canary.secret in text for text in texts) for canary, *texts in zip(canaries, *told, strict=True)
    ]
    rng = random.Random(data.seed)
    shown = tqdm(canaries, "exposure", unit="canary", delay=2, leave=False)
    exposures = [exposure(module, canary, system, rng) for canary in shown]
    return {"exposure": sum(exposures) / len(canaries), "extracted": sum(extracted) / len(canaries)}
