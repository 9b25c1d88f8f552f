"""What a speech recogniser hears, to read and to listen to in TensorBoard."""

import html
from difflib import SequenceMatcher
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger

from understudy.data.media import SAMPLE_RATE
from understudy.data.speech_datamodule import SpeechBatch
from understudy.data.text import tokens, word_error_rate


class SampleTable(pl.Callback):
    """A table of the first `clips` held-out clips at every validation: text, what was heard, what differs."""

    def __init__(self, *, clips: int = 12) -> None:
        self.clips = clips
        self.rows: list[str] = []
        self.sounding: set[str] = set()

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.rows = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: SpeechBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not isinstance(trainer.logger, TensorBoardLogger) or trainer.sanity_checking:
            return
        for k, (name, text, found) in enumerate(
            zip(batch["clip"], batch["text"], outputs["heard"], strict=True)
        ):
            if len(self.rows) == self.clips:
                return
            rate = word_error_rate([text], [found])
            cells = (name, html.escape(text), html.escape(found), difference(text, found), f"{rate:.0%}")
            self.rows.append(" | ".join(cell.replace("|", "&#124;") for cell in cells))
            if name not in self.sounding:
                self.sounding.add(name)
                sound = batch["audio"][k, : int(batch["lengths"][k])].float().cpu()
                trainer.logger.experiment.add_audio(f"sound/{name}", sound, trainer.global_step, SAMPLE_RATE)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(trainer.logger, TensorBoardLogger) and self.rows:
            heading = "clip | text | heard | difference | WER\n--- | --- | --- | --- | ---\n"
            table = heading + "\n".join(self.rows)
            trainer.logger.experiment.add_text("samples", table, trainer.global_step)


def difference(text: str, found: str) -> str:
    """Markdown: words that were not heard struck out, words that were made up in bold."""
    before, after = tokens(text), tokens(found)
    parts = []
    for _, a0, a1, b0, b1 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if before[a0:a1] == after[b0:b1]:
            parts.append(" ".join(before[a0:a1]))
            continue
        parts += [f"~~{html.escape(word)}~~" for word in before[a0:a1]]
        parts += [f"**{html.escape(word)}**" for word in after[b0:b1]]
    return " ".join(parts)
