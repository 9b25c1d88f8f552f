"""A language model of n-grams, estimated from a person's sentences and written for the beam search.

Witten-Bell smoothing leaves the more for what was never seen after some words, the more different
words have followed them: almost nothing in a closed grammar, much in ordinary text. It needs no more
than a few sentences, where Kneser-Ney's counts of counts are empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from understudy.data.manifest import write_atomically

if TYPE_CHECKING:
    from nltk.lm import WittenBellInterpolated

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_NEVER = -99.0  # the logarithm of no probability at all, as ARPA files have it

_Words = tuple[str, ...]


def fit_ngrams(
    sentences: Sequence[Sequence[str]], words: Iterable[str] = (), *, order: int = 3
) -> "WittenBellInterpolated":
    """A model of `order` (2 or more) from sentences, each a list of words without spaces.

    `words` may be said too, as if each had been said, anywhere, as often as the sentences' mean word.
    Where there are no sentences, they follow one another in any order.
    """
    from nltk.lm import NgramCounter, WittenBellInterpolated
    from nltk.util import everygrams

    shown = tqdm(sentences or [[]], desc="counting words", unit="sentence", delay=2, leave=False)
    counts = NgramCounter(everygrams([BEGIN, *sentence, END], max_len=order) for sentence in shown)
    del counts.unigrams[BEGIN]  # it stands before a sentence, and never is what comes next
    said = [count for word, count in counts.unigrams.items() if word != END]
    mean = sum(said) / len(said) if said else 1
    for word in words:
        counts.unigrams[word] += mean
    return WittenBellInterpolated(order, counter=counts)


def write_arpa(path: Path, model: "WittenBellInterpolated") -> None:
    """All that `model` says, as a table that KenLM reads.

    What was seen after a context stands there with its probability; anything else has that of the
    shorter context, times the longer one's share for what it has not seen.
    """
    seen: dict[_Words, float] = {
        (word,): model.estimator.unigram_score(word) for word in model.counts.unigrams
    }
    tables = [{(BEGIN,): 0.0, (UNKNOWN,): 0.0} | seen]
    shares: dict[_Words, float] = {}
    for length in range(2, model.order + 1):
        found: dict[_Words, float] = {}
        contexts = model.counts[length].items()
        for context, followers in tqdm(contexts, desc="language model", unit="context", delay=2, leave=False):
            for word in followers:
                own, shares[context] = model.estimator.alpha_gamma(word, context)
                found[*context, word] = own + shares[context] * tables[-1][*context[1:], word]
        tables.append(found)
    lines = ["\\data\\", *(f"ngram {length}={len(table)}" for length, table in enumerate(tables, 1))]
    for length, table in enumerate(tables, 1):
        lines += ["", f"\\{length}-grams:", *_rows(table, shares)]
    write_atomically(path, "\n".join([*lines, "", "\\end\\", ""]))


def _rows(table: Mapping[_Words, float], shares: Mapping[_Words, float]) -> Iterable[str]:
    """Logarithms of 10: of each probability, and of what the words leave to shorter contexts."""
    for words, probability in table.items():
        logarithm = log10(probability) if probability else _NEVER
        share = f"\t{log10(shares[words]):.7f}" if words in shares else ""
        yield f"{logarithm:.7f}\t{' '.join(words)}{share}"
