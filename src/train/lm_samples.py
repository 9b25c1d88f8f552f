"""What a language model answers, to read in TensorBoard, and what can be measured of it."""

import html
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import TensorBoardLogger

from understudy.data.manifest import json_lines, write_atomically
from understudy.data.persona_datamodule import PersonaDataModule, Prompt
from understudy.data.splits import Split
from understudy.data.writing_style import favourite_words
from understudy.tables import print_table, write_json
from understudy.train.lm import LanguageModelTraining
from understudy.train.memorisation import canaries_told, verbatim
from understudy.train.style import REAL, StyleReport

EARLIER = "earlier"  # the person in the training months: how far one is from oneself


class PersonaSamples(pl.Callback):
    """Answers to `prompts` held-out questions: the person's, the base's and the model's.

    At every validation a table of the first `rows`, the numbers of `StyleReport`, and its picture; after a
    test all answers, that report and what was memorised, in `RUN/evaluation/`. An answer has `longest`
    tokens at most.
    """

    def __init__(
        self, *, prompts: int = 12, rows: int = 8, longest: int = 48, temperature: float = 0.8
    ) -> None:
        self.prompts, self.rows = prompts, rows
        self.longest, self.temperature = longest, temperature
        self.of_base: list[str] = []

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LanguageModelTraining)
        data = getattr(trainer, "datamodule", None)
        if trainer.sanity_checking or not isinstance(data, PersonaDataModule):
            return
        asked, report = self.report(pl_module, data, "val")
        if not asked:
            return
        for who, values in report.values().items():
            pl_module.metrics.put(who, values)
        if isinstance(trainer.logger, TensorBoardLogger):
            writer, step = trainer.logger.experiment, trainer.global_step
            writer.add_text("answers", self.table(asked, report), step)
            writer.add_figure("style", report.plot(), step)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LanguageModelTraining)
        data = getattr(trainer, "datamodule", None)
        assert isinstance(data, PersonaDataModule)
        asked, report = self.report(pl_module, data, "test")
        if not asked:
            print("nobody is answered in the test split: there is no style to compare")
            return
        for who, values in report.values().items():
            pl_module.metrics.put(who, values)
        generated = {who: texts for who, texts in report.texts.items() if who != EARLIER}
        for who, values in verbatim(generated, data.texts("train")).items():
            pl_module.metrics.put(who, values)
        pl_module.metrics.put("tuned", canaries_told(pl_module, data))
        self.save(Path(trainer.default_root_dir), asked, report)

    def report(
        self, module: LanguageModelTraining, data: PersonaDataModule, split: Split
    ) -> tuple[list[Prompt], StyleReport]:
        """The questions, and everybody's answers to them."""
        asked = data.prompts(split, self.prompts)
        ids = [prompt.ids for prompt in asked]
        options = {"longest": self.longest, "temperature": self.temperature}
        if not self.of_base:
            self.of_base = module.answer(ids, base=True, **options)  # type: ignore[arg-type]
        texts = {
            REAL: [prompt.answer for prompt in asked],
            "base": self.of_base,
            "tuned": module.answer(ids, **options),  # type: ignore[arg-type]
            EARLIER: [prompt.answer for prompt in data.prompts("train", self.prompts)],
        }
        others = (turn.text for d in data.split["train"] for turn in d.turns if not turn.subject)
        return asked, StyleReport(texts, favourite_words(data.answers("train"), others))

    def table(self, asked: list[Prompt], report: StyleReport) -> str:
        """Markdown."""
        lines = ["said | person | base | tuned", "--- | --- | --- | ---"]
        answers = zip(*(report.texts[who] for who in (REAL, "base", "tuned")), strict=True)
        for prompt, texts in list(zip(asked, answers, strict=True))[: self.rows]:
            cells = (html.escape(text).replace("|", "&#124;") for text in (prompt.said, *texts))
            lines.append(" | ".join(cells).replace("\n", "<br>"))
        return "\n".join(lines)

    def save(self, folder: Path, asked: list[Prompt], report: StyleReport) -> None:
        """All of it as files, and what is no number on stdout."""
        folder.mkdir(parents=True, exist_ok=True)
        answers = zip(*(report.texts[who] for who in (REAL, "base", "tuned")), strict=True)
        rows = [
            {"said": prompt.said, "real": real, "base": base, "tuned": tuned}
            for prompt, (real, base, tuned) in zip(asked, answers, strict=True)
        ]
        write_atomically(folder / "answers.jsonl", json_lines(rows))
        header, favourites = ["favourite word", *report.texts], report.favourite_rates()
        write_json(folder / "style.json", {"values": report.values(), "favourites": [header, *favourites]})
        report.plot().savefig(folder / "style.png", dpi=110)
        print_table(header, favourites[: self.rows])
