"""What was planted is found, and what was not is not."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from chatter import settings_for, write_chatter
from conftest import run_verb

from understudy.data.persona_datamodule import PersonaDataModule
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.lm import LanguageModelTraining
from understudy.train.memorisation import canaries_told, copied, exposure, longest_shared, shared, verbatim

TRAINING = ["the quick brown fox jumps over the lazy dog today, you know", "my code is 12 34 56"]


def test_longest_copy() -> None:
    assert longest_shared(["so the brown fox JUMPS, over"], TRAINING) == 4
    assert longest_shared(["nothing here", "dog my"], TRAINING) == 1, "a copy does not go from text to text"
    assert longest_shared(["zebra"], TRAINING) == longest_shared([], TRAINING) == 0
    assert longest_shared([TRAINING[0]], TRAINING) == 12
    assert shared(["the lazy dog"], TRAINING, 2) == {("the", "lazy"), ("lazy", "dog")}


def test_copied_is_a_share_of_texts_and_not_what_the_base_says_too() -> None:
    texts = ["Quick brown fox jumps over the lazy dog!", "no", "the fox", "the lazy dog today"]
    assert copied(texts, TRAINING) == 0.25
    assert copied(texts, TRAINING, without=[TRAINING[0]]) == 0
    assert copied([], TRAINING) == 0
    found = verbatim({"tuned": texts, "base": texts[1:], "real": texts}, TRAINING)
    assert found["tuned"] == found["real"] == {"longest_copy": 8, "copied": 0.25}
    assert found["base"] == {"longest_copy": 4, "copied": 0}


@pytest.fixture(scope="module")
def chatter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was told to a model that has learnt it by heart."""
    workspace = write_chatter(tmp_path_factory.mktemp("chatter"), 20)
    settings = [*settings_for(workspace), "run=parrot", "model.optimizer.lr=5e-3", "model.dropout=0"]
    settings += ["data.canaries=1", "data.canary_repeats=10", "data.batches_per_epoch=100"]
    assert run_verb("train", *settings, "trainer.max_steps=100", "~callbacks.samples") == 0
    return workspace


def test_a_planted_secret_is_told_and_others_are_not(chatter: Path) -> None:
    checkpoint = read_checkpoint(chatter / "runs" / "lm" / "parrot" / "checkpoints" / "last.ckpt")
    module = load_module(checkpoint)
    assert isinstance(module, LanguageModelTraining)
    data = PersonaDataModule(workspace=str(chatter), canaries=1)
    data.setup()
    data.speak(module.chat, module.card)
    assert canaries_told(module, data) == {"exposure": 6.0, "extracted": 1.0}
    rng = random.Random(0)
    never = [replace(data.canaries[0], secret=f"{k} {k} {k}") for k in (17, 38, 55, 61)]
    system = module.card.system_prompt()
    assert sum(exposure(module, canary, system, rng) for canary in never) / len(never) < 4
    data.canaries = never
    assert canaries_told(module, data)["extracted"] == 0
    data.canaries = []
    assert canaries_told(module, data) == {}
