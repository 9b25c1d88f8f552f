"""How well speech is recognised, beside the transcripts that were there before."""

from understudy.data.speech_datamodule import SpeechBatch
from understudy.data.text import character_error_rate, word_error_rate


class SpeechMetrics:
    """Word and character error rates of all clips together.

    "draft" is what the transcriber of `prepare` wrote, where it has written something.
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self.reset()

    def reset(self) -> None:
        self.texts: list[str] = []
        self.found: dict[str, list[str]] = {"tuned": [], "draft": []}

    def update(self, batch: SpeechBatch, found: list[str]) -> None:
        self.texts += batch["text"]
        self.found["tuned"] += found
        self.found["draft"] += batch["heard"]

    def summary(self) -> dict[str, dict[str, float]]:
        return {
            who: {
                "wer": word_error_rate(self.texts, found, self.language),
                "cer": character_error_rate(self.texts, found, self.language),
            }
            for who, found in self.found.items()
            if who == "tuned" or any(found)
        }
