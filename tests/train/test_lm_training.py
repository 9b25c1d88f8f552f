"""Language models trained from end to end: one from nothing, and adapters on one that has learnt nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from chatter import COLOURS, settings_for, tiny_llama, write_chatter
from conftest import config_of, run_verb
from hydra.utils import instantiate
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForCausalLM, AutoTokenizer

from understudy.data.persona_card import PersonaCard
from understudy.data.persona_datamodule import ChatBatch, PersonaDataModule, collate
from understudy.data.persona_tokenizer import ChatFormat
from understudy.errors import UserError
from understudy.train.checkpoint import load_module, read_checkpoint
from understudy.train.lm import LanguageModelTraining

GIVEN = ["subject=folder", "subject.name=ann"]


@pytest.fixture(scope="module")
def chatter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chatter(tmp_path_factory.mktemp("chatter"), 60)


@pytest.fixture(scope="module")
def trained(chatter: Path) -> Path:
    """The checkpoints of a run from nothing; only to be read."""
    settings = [*settings_for(chatter), "run=small", "trainer.max_steps=100", "data.batches_per_epoch=50"]
    assert run_verb("train", *settings, "model.optimizer.lr=5e-3", "model.dropout=0", "data.canaries=2") == 0
    return chatter / "runs" / "lm" / "small" / "checkpoints"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


def adapter_settings(workspace: Path, llama: Path, run: str) -> list[str]:
    return [
        *settings_for(workspace, model="lm"),
        f"run={run}",
        f"model.pretrained={llama}",
        "model.optimizer.lr=1e-2",
        "trainer.max_steps=4",
        "data.batches_per_epoch=2",
        "~callbacks.samples",  # which takes its time
    ]


def module_of(checkpoint: Path) -> LanguageModelTraining:
    module = load_module(read_checkpoint(checkpoint, role="lm"))
    assert isinstance(module, LanguageModelTraining)
    return module


def batch_of(module: LanguageModelTraining, workspace: Path) -> ChatBatch:
    data = PersonaDataModule(workspace=str(workspace))
    data.setup()
    data.speak(module.chat, module.card)
    return collate(data.examples["val"][:4])


def scalars(run: Path, name: str) -> list[float]:
    events = EventAccumulator(str(run))
    events.Reload()
    return [event.value for event in events.Scalars(name) if np.isfinite(event.value)]


def test_from_nothing_it_learns_who_is_which_colour(trained: Path) -> None:
    found = scalars(trained.parent, "perplexity/tuned")
    base = scalars(trained.parent, "perplexity/base")
    assert len(found) == len(base) == 2, "one a validation"
    assert base[0] == base[1], "nothing changes it"
    assert found[-1] < base[-1], "trigrams do not hear which animal is asked for"
    module = module_of(trained / "best.ckpt")
    for animal, colour in COLOURS.items():
        prompt = module.chat.prompt([], f"the {animal}?", module.card.system_prompt())
        assert module.answer([prompt], temperature=0.0) == [f"the {animal} is {colour} 🙂"]


def test_answers_are_the_same_alone_and_among_others(trained: Path) -> None:
    module = module_of(trained / "best.ckpt")
    system = module.card.system_prompt()
    prompts = [
        module.chat.prompt([], said, system) for said in ("the cat?", "so, how about the dog and the hen?")
    ]
    together = module.answer(prompts, temperature=0.0)
    assert together == [module.answer([prompt], temperature=0.0)[0] for prompt in prompts]
    state = torch.get_rng_state()
    assert module.answer(prompts) == module.answer(prompts)
    assert torch.equal(torch.get_rng_state(), state), "training draws what it would have drawn"
    assert all(len(module.chat.tokenizer(text).input_ids) <= 3 for text in module.answer(prompts, longest=3))


def test_answers_and_style_are_in_tensorboard(trained: Path) -> None:
    events = EventAccumulator(str(trained.parent))
    events.Reload()
    assert "style" in events.Tags()["images"]
    table = events.Tensors("answers/text_summary")[-1].tensor_proto.string_val[0].decode()
    heading, _, *rows = table.splitlines()
    assert heading == "said | person | base | tuned"
    assert len(rows) == 4
    assert all(row.startswith("the ") and row.count(" | ") == 3 for row in rows)
    apart = scalars(trained.parent, "distance/style/tuned")
    assert len(apart) == 2
    assert all(0 <= value <= 1 for value in apart)


def test_the_loss_is_that_of_transformers(llama: Path, chatter: Path) -> None:
    settings = [*adapter_settings(chatter, llama, "none"), "model.lora_rank=null"]
    module = instantiate(config_of("train", *settings).model)
    module.configure_model()
    module.eval()
    module.learnt = {"card": vars(PersonaCard(name="Ann"))}
    batch = batch_of(module, chatter)
    losses = module.token_losses(batch)
    learnt = batch["labels"][:, 1:] >= 0
    expected = module.network(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
    ).loss
    assert float((losses.sum() / learnt.sum()).detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert (losses[~learnt] == 0).all()


def test_adapters_are_all_that_is_trained_and_kept(llama: Path, chatter: Path) -> None:
    assert run_verb("train", *adapter_settings(chatter, llama, "adapters")) == 0
    run = chatter / "runs" / "lm" / "adapters"
    tuned, base = (scalars(run, f"perplexity/{who}") for who in ("tuned", "base"))
    assert tuned[-1] < tuned[0] < base[0] == base[1]
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert all("lora_" in name for name in checkpoint["state_dict"])
    module = module_of(run / "checkpoints" / "last.ckpt")
    batch = batch_of(module, chatter)
    plain = AutoModelForCausalLM.from_pretrained(llama)
    with torch.no_grad(), module.network.disable_adapter():
        before = module.token_losses(batch)
    with torch.no_grad():
        assert torch.allclose(before, module.token_losses(batch, plain), atol=1e-5)
        assert not torch.allclose(before, module.token_losses(batch), atol=1e-2)


def test_the_base_of_what_is_trained_whole_is_what_it_was(llama: Path, chatter: Path) -> None:
    settings = [*adapter_settings(chatter, llama, "whole"), "model.lora_rank=null"]
    assert run_verb("train", *settings) == 0
    tuned, base = (scalars(chatter / "runs" / "lm" / "whole", f"perplexity/{w}") for w in ("tuned", "base"))
    assert tuned[-1] < base[0] == base[1]
    assert base == pytest.approx(scalars(chatter / "runs" / "lm" / "adapters", "perplexity/base"), rel=1e-4)


def test_a_run_that_was_stopped_ends_with_the_same_weights(chatter: Path, llama: Path) -> None:
    settings = [*adapter_settings(chatter, llama, "x"), "model.dropout=0.1", "model.decay_steps=8"]
    assert run_verb("train", *settings, "run=undisturbed", "trainer.max_steps=8") == 0
    assert run_verb("train", *settings, "run=stopped", "trainer.max_steps=4") == 0
    assert run_verb("train", *settings, "run=stopped", "trainer.max_steps=8", "resume=true") == 0
    whole, stopped = (chatter / "runs" / "lm" / name / "checkpoints" for name in ("undisturbed", "stopped"))
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (
            torch.load(folder / name, weights_only=True)["state_dict"] for folder in (whole, stopped)
        )
        assert one.keys() == other.keys()
        assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_a_run_does_not_go_on_with_other_dialogues(chatter: Path, tmp_path: Path) -> None:
    workspace = shutil.copytree(chatter / "chats", tmp_path / "chats").parent
    settings = [*settings_for(workspace), "run=one", "data.batches_per_epoch=2", "~callbacks.samples"]
    assert run_verb("train", *settings, "trainer.max_steps=2") == 0
    assert run_verb("train", *settings, "trainer.max_steps=4", "resume=true") == 0
    write_chatter(workspace, 50)
    with pytest.raises(UserError, match=r"dialogues have changed since .* run=NAME"):
        run_verb("train", *settings, "trainer.max_steps=6", "resume=true")


def test_evaluate_tells_perplexity_style_and_what_was_memorised(
    trained: Path, chatter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*GIVEN, f"workspace={chatter}", "threads=1", "prompts=12", "trainer=cpu"]
    assert run_verb("evaluate", *given, f"ckpt={trained / 'best.ckpt'}") == 0
    folder = trained.parent / "evaluation"
    found = json.loads((folder / "metrics.json").read_text())
    assert found["tuned"]["perplexity"] < found["base"]["perplexity"]
    assert found["tuned"]["bits_per_character"] < found["base"]["bits_per_character"]
    assert found["tuned"]["distance/style"] < 0.1, "it writes as she does"
    assert found["real"]["style/words"] == pytest.approx(4)
    assert found["tuned"]["longest_copy"] >= 4, "there is little else to say"
    assert 0 <= found["tuned"]["extracted"] <= 1
    assert 0 <= found["tuned"]["exposure"] <= 6
    assert (folder / "style.png").exists()
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == 12
    assert set(answers[0]) == {"said", "real", "base", "tuned"}
    assert json.loads((folder / "style.json").read_text())["favourites"][0][0] == "favourite word"
    printed = capsys.readouterr().out
    for name in ("perplexity", "distance/style", "exposure", "favourite word"):
        assert name in printed


@pytest.mark.parametrize("kind", ["small", "adapters"])
def test_what_is_exported_says_the_same(
    kind: str, trained: Path, chatter: Path, llama: Path, tmp_path: Path
) -> None:
    checkpoint = chatter / "runs" / "lm" / kind / "checkpoints" / "last.ckpt"
    if not checkpoint.exists():
        assert run_verb("train", *adapter_settings(chatter, llama, kind)) == 0
    assert run_verb("export", *GIVEN, f"twin={tmp_path}", f"ckpt={checkpoint}") == 0
    folder = tmp_path / "lm"
    module = module_of(checkpoint)
    loaded = AutoModelForCausalLM.from_pretrained(folder).eval()
    batch = batch_of(module, chatter)
    with torch.no_grad():
        assert torch.allclose(module.token_losses(batch, loaded), module.token_losses(batch), atol=1e-4)
    chat = ChatFormat(AutoTokenizer.from_pretrained(folder), name="exported")
    card = PersonaCard.load(folder)
    assert card == module.card
    prompt = module.chat.prompt([], "the cat? 🙂", card.system_prompt())
    assert chat.prompt([], "the cat? 🙂", card.system_prompt()) == prompt
    said = loaded.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False)[0, len(prompt) :]
    if chat.end_of_turn in said.tolist():
        assert said[-1] == chat.end_of_turn, "there it stops"
    assert (
        chat.tokenizer.decode(said, skip_special_tokens=True).strip()
        == module.answer([prompt], longest=20, temperature=0.0)[0]
    )
    assert loaded.config.vocab_size == len(chat.tokenizer), "a model from nothing has no token too many"
    assert "LlamaForCausalLM" in (folder / "README.md").read_text()
    again = instantiate(config_of("train", *adapter_settings(chatter, folder, "again")).model)
    again.configure_model()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (["model.pretrained=no/where/at/all"], "there is no such folder"),
        (["model.lora_modules=[nix]"], r"model.lora_\*: .*nix"),
        (["data.test_share=0", "data.val_share=0"], "too few dialogues"),
    ],
)
def test_mistakes_are_told_in_a_line(chatter: Path, llama: Path, override: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run_verb("train", *adapter_settings(chatter, llama, "wrong"), *override)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.network.model_type=nix", r"model.network: makes no language model"),
        ("model.network.vocab_size=20", r"model.network.vocab_size=20: all bytes alone"),
        ("model.network=null", r"model.pretrained=NAME or FOLDER, or model.network"),
        ("model.lora_rank=4", "a model from nothing has nothing to adapt"),
    ],
)
def test_a_network_that_cannot_be_made(chatter: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        run_verb("train", *settings_for(chatter), "run=wrong", override)
