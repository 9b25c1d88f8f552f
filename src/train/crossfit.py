"""The verb `crossfit`: every transcript judged by a model that learnt from the others."""

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from tqdm import tqdm

from understudy.data.held_out import HELD_OUT, Judgement, read_held_out, write_held_out
from understudy.data.manifest import Clip
from understudy.data.review.desk import Desk
from understudy.data.review.query import select
from understudy.data.review.suspicion import Suspicion
from understudy.data.review.vocabulary import Vocabulary
from understudy.data.speech_datamodule import SpeechDataModule
from understudy.data.text import character_error_rate
from understudy.data.training_notes import learnt_from
from understudy.errors import UserError
from understudy.tables import print_table, write_json
from understudy.train.asr import SpeechRecognition
from understudy.train.checkpoint import module_class

NO_MATTER = ("enable_progress_bar", "log_every_n_steps", "num_workers")  # for what comes out
SHOWN = 10  # of the most doubtful clips


def crossfit(
    *,
    model: DictConfig,
    data: DictConfig,
    trainer: DictConfig,
    progress: DictConfig,
    workspace: str,
    run: str,
    folds: int,
    transcripts: str,
    seed: int,
    threads: int | None,
) -> int:
    """Train `folds` models, each on all clips but its own part, and write `WORKSPACE/held_out.jsonl`.

    A fold that is done stands in `WORKSPACE/runs/asr/RUN/fold_K.jsonl` and is not done again, unless
    settings, clips or texts have changed since.
    """
    kind = module_class(model)
    if not issubclass(kind, SpeechRecognition):
        raise UserError(f"model: {kind.__name__} hears nothing; take model=asr_ctc or model=asr_whisper")
    if threads:
        torch.set_num_threads(threads)
    if folds < 2:
        raise UserError(f"folds={folds}: give 2 or more, so that there are others to learn from")
    parts: list[SpeechDataModule] = [
        # nothing is chosen by validation, so as little as can be is kept for it
        instantiate(data, folds=folds, fold=fold, transcripts=transcripts, val_share=0.0, _convert_="all")
        for fold in range(folds)
    ]
    clips = parts[0].transcribed()
    if len(clips) < folds:
        raise UserError(f"folds={folds}: there are only {len(clips)} clips with a text; give fewer folds")
    pretrained = model.get("pretrained")
    if pretrained and (seen := learnt_from(Path(pretrained)) & {clip.id for clip in clips}):
        raise UserError(
            f"model.pretrained={pretrained}: has learnt from {len(seen)} of the clips that it shall judge; "
            "give the model that it was made from"
        )
    folder = Path(workspace) / "runs" / kind.role / str(run)
    settings = {name: plain(part) for name, part in (("model", model), ("data", data), ("trainer", trainer))}
    settings |= {"folds": folds, "transcripts": transcripts, "seed": seed}
    begin(settings | {"clips": [[c.id, c.start, c.end, c["text"]] for c in clips]}, folder)
    print(f"run          {folder}\ntensorboard  tensorboard --logdir {folder}")
    for fold, part in enumerate(parts):
        path = folder / f"fold_{fold}.jsonl"
        if path.exists():
            print(f"fold {fold + 1} of {folds}  is done")
            continue
        print(f"fold {fold + 1} of {folds}")
        pl.seed_everything(seed, workers=True, verbose=False)
        lightning = trainer_in(path.with_suffix(""), trainer, progress)
        module = instantiate(model, _convert_="all")
        write_held_out(path, judge(lightning, module, part, f"{folder.name}/{path.stem}"))
    judgements = [j for fold in range(folds) for j in read_held_out(folder / f"fold_{fold}.jsonl").values()]
    write_held_out(Path(workspace) / HELD_OUT, judgements)
    tell(clips, judgements, Path(workspace))
    return 0


def plain(value: Any) -> Any:
    """Settings that decide what comes out, as JSON."""
    if isinstance(value, DictConfig):
        value = OmegaConf.to_container(value, resolve=True)
    return {name: content for name, content in value.items() if name not in NO_MATTER}


def begin(settings: dict[str, Any], folder: Path) -> None:
    """Keep the folds that are done if they were made with these settings and clips; else none."""
    path = folder / "settings.json"
    if path.exists() and json.loads(path.read_text("utf-8")) != settings:
        print(f"{folder}: begun anew; settings, clips or texts have changed")
        for fold in folder.glob("fold_*.jsonl"):
            fold.unlink()
    write_json(path, settings)


def trainer_in(folder: Path, trainer: DictConfig, progress: DictConfig) -> pl.Trainer:
    """A trainer that leaves nothing but what TensorBoard shows."""
    shutil.rmtree(folder, ignore_errors=True)  # of one that was stopped
    made: pl.Trainer = instantiate(
        trainer,
        logger=TensorBoardLogger(folder, name="", version="", default_hp_metric=False),
        callbacks=[instantiate(progress)],
        enable_checkpointing=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=folder,
    )
    return made


def judge(
    lightning: pl.Trainer, module: SpeechRecognition, data: SpeechDataModule, name: str
) -> list[Judgement]:
    """Train `module` on all but the fold of `data`, and hear what it makes of that."""
    try:
        lightning.fit(module, datamodule=data)
    except SystemExit:  # what Lightning makes of Ctrl-C
        print("the same command goes on with this fold")
        raise KeyboardInterrupt from None
    module.to(lightning.strategy.root_device).eval()
    fold = {clip.id: clip for clip in data.split["test"]}
    found = []
    for batch in tqdm(data.test_dataloader() if data.split["test"] else (), desc="judging"):
        heard, losses = module.transcribe(batch), module.token_losses(batch)
        for clip_id, other, loss in zip(batch["clip"], heard, losses, strict=True):
            found.append(judgement(fold[clip_id], other, loss, module.language, name))
    # a text that cannot be what is said there, as far as the model can tell, is as doubtful as can be
    worst = max((j.loss for j in found), default=1.0)
    impossible = [clip for clip in data.untested if clip.duration <= module.longest]
    return found + [judgement(clip, "", worst, module.language, name) for clip in impossible]


def judgement(clip: Clip, heard: str, loss: float, language: str, model: str) -> Judgement:
    error = character_error_rate([clip["text"]], [heard], language)
    return Judgement(
        clip=clip.id,
        start=clip.start,
        end=clip.end,
        text=clip["text"],
        heard=" ".join(heard.split()),
        error=round(error, 4) if math.isfinite(error) else 1.0,
        loss=round(loss, 4),
        model=model,
    )


def by_doubt(workspace: Path) -> list[str]:
    """All clips, the most doubtful first: in the order in which `understudy review` shows them."""
    desk = Desk(workspace, "transcribe", Suspicion(), Vocabulary(workspace))
    return select(desk, {"status": "todo,edited,doubted,confirmed"})


def tell(clips: Sequence[Clip], judgements: Iterable[Judgement], workspace: Path) -> None:
    """How many were judged, how well they were heard, and which are the most doubtful."""
    found = {j.clip: j for j in judgements}
    mean = sum(j.error for j in found.values()) / max(len(found), 1)
    print(f"judged         {len(found)} of {len(clips)} clips; on average {mean:.1%} is heard otherwise")
    worst = [found[name] for name in by_doubt(workspace) if name in found][:SHOWN]
    rows = [[j.clip, j.text, j.heard, j.error, j.loss] for j in worst]
    print_table(["most doubtful", "text", "heard", "error", "loss"], rows)
    print(f"held out       {workspace / HELD_OUT}\nreview         shows them first")
