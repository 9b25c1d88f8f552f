"""How well a language model foretells what a person writes, beside the one it began with."""

import math
from collections import defaultdict


class LanguageMetrics:
    """Perplexity of tokens and bits of characters, all texts together; and what else is put in.

    Perplexities compare models with the same tokens, bits a character all.
    """

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, int, int]] = {}  # loss in nats, tokens, characters
        self.others: dict[str, dict[str, float]] = defaultdict(dict)

    def reset(self) -> None:
        """Forget all but the model that nothing changes."""
        self.sums = {who: sums for who, sums in self.sums.items() if who == "base"}
        self.others = defaultdict(dict, {who: v for who, v in self.others.items() if who != "tuned"})

    def update(self, who: str, loss: float, tokens: int, characters: int) -> None:
        """`loss` is a sum over so many tokens, which write so many characters."""
        before = self.sums.get(who, (0.0, 0, 0))
        self.sums[who] = before[0] + loss, before[1] + tokens, before[2] + characters

    def put(self, who: str, values: dict[str, float]) -> None:
        self.others[who].update(values)

    def summary(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for who, (loss, tokens, characters) in sorted(self.sums.items(), reverse=True):  # tuned, base
            found[who] = {
                "perplexity": math.exp(min(loss / max(tokens, 1), 80.0)),
                "bits_per_character": loss / math.log(2) / max(characters, 1),
            }
        for who, values in self.others.items():
            found.setdefault(who, {}).update(values)
        return found
