"""How well speech is recognised, beside the transcripts that were there before."""

from collections.abc import Sequence

from understudy.data.speech_datamodule import SpeechBatch
from understudy.data.text import character_error_rate, word_error_rate


class SpeechMetrics:
    """Word and character error rates of all clips together.

    "draft" is what the transcriber of `prepare` wrote, of the clips of which that is known.
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self.reset()

    def reset(self) -> None:
        self.pairs: dict[str, list[tuple[str, str]]] = {
            "tuned": [],
            "draft": [],
        }  # the text, and what was heard

    def update(self, batch: SpeechBatch, found: Sequence[str]) -> None:
        for who, heard in (("tuned", found), ("draft", batch["heard"])):
            both = zip(batch["text"], heard, strict=True)
            self.pairs[who] += [(text, other) for text, other in both if other is not None]

    def summary(self) -> dict[str, dict[str, float]]:
        return {who: self._rates(pairs) for who, pairs in self.pairs.items() if pairs}

    def _rates(self, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
        texts, heard = [text for text, _ in pairs], [other for _, other in pairs]
        return {
            "wer": word_error_rate(texts, heard, self.language),
            "cer": character_error_rate(texts, heard, self.language),
        }
