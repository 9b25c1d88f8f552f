"""Whether a model writes as the person does: their answers, the base's and the model's, side by side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from understudy.data.writing_style import FEATURES, counts, distances, habits

REAL = "real"
SHOWN = {
    "length": "words in a message",
    "lines": "messages in a row",
    "ending": "last character",
    "capitals": "letters",
    "emoji": "emoji",
}
LABELS = 8  # of each feature, the most frequent ones


class StyleReport:
    """Of texts by who wrote them; "real" are the person's own answers to the same prompts.

    `favourites` are words that they prefer, as `favourite_words` finds them in the training dialogues.
    """

    def __init__(self, texts: Mapping[str, Sequence[str]], favourites: Sequence[str]) -> None:
        assert REAL in texts
        self.texts, self.favourites = texts, list(favourites)
        self.counts = {who: counts(some) for who, some in texts.items()}

    def values(self) -> dict[str, dict[str, float]]:
        """By who: means and shares, favourite words a hundred, and divergences from the real, in bits."""
        found = {}
        for who, some in self.texts.items():
            words = self.counts[who]["words"]
            favourites = 100 * sum(words[word] for word in self.favourites) / max(words.total(), 1)
            found[who] = {f"style/{name}": value for name, value in habits(some).items()}
            found[who]["style/favourites"] = favourites
            if who != REAL:
                apart = distances(some, self.texts[REAL])
                found[who] |= {f"distance/{name}": value for name, value in apart.items()}
        return found

    def favourite_rates(self) -> list[list[Any]]:
        """A row for each favourite word: how often it is said, of a thousand words, by whom."""
        words = [own["words"] for own in self.counts.values()]
        return [
            [favourite, *(1000 * own[favourite] / max(own.total(), 1) for own in words)]
            for favourite in self.favourites
        ]

    def plot(self) -> Figure:
        """Distributions, and how often favourite words are said."""
        figure = Figure(figsize=(13, 7), layout="constrained")
        *places, last = figure.subplots(2, 3).flat
        assert len(places) == len(SHOWN) < len(FEATURES)
        for place, (name, title) in zip(places, SHOWN.items(), strict=True):
            every = sum((own[name] for own in self.counts.values()), Counter[str]())
            labels = [label for label, _ in self.counts[REAL][name].most_common(LABELS)]
            labels += [label for label, _ in every.most_common(LABELS) if label not in labels]
            if name in ("length", "lines"):
                labels.sort(key=lambda label: int(label.split("-")[0]))
            self._bars(place, name, labels[:LABELS])
            place.set_title(title)
        self._bars(last, "words", self.favourites[:LABELS])
        last.set_title("favourite words")
        places[0].legend()
        return figure

    def _bars(self, place: Any, feature: str, labels: Sequence[str]) -> None:
        width = 0.8 / len(self.counts)
        for k, (who, own) in enumerate(self.counts.items()):
            total = max(own[feature].total(), 1)
            at = [x + k * width for x in range(len(labels))]
            place.bar(at, [own[feature][label] / total for label in labels], width, label=who)
        middle = 0.4 - width / 2
        if feature == "emoji":  # fonts for plots have none
            labels = [
                label if label.isascii() else " ".join(f"U+{ord(c):X}" for c in label) for label in labels
            ]
        place.set_xticks([x + middle for x in range(len(labels))], labels, rotation=30, fontsize=8)
