from collections import Counter
from pathlib import Path

import pytest
import torch
from chatter import dialogue, write_chatter, write_dialogues

from understudy.data.canaries import make_canaries
from understudy.data.persona_card import PersonaCard
from understudy.data.persona_datamodule import OPENING, PersonaDataModule, collate
from understudy.data.persona_tokenizer import IGNORED, ChatFormat, Exchange, tokenizer_from_nothing
from understudy.errors import UserError


def module(workspace: Path, **settings: object) -> PersonaDataModule:
    data = PersonaDataModule(workspace=str(workspace), **settings)  # type: ignore[arg-type]
    data.setup()
    data.speak(ChatFormat(tokenizer_from_nothing(data.conversations(), 400), name="test"), data.card)
    return data


@pytest.fixture(scope="module")
def chatter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chatter(tmp_path_factory.mktemp("chatter"), 40)


def test_exchanges_of_two_of_a_group_and_of_one_alone(chatter: Path) -> None:
    data = module(chatter)
    assert data.exchanges(dialogue("hi", "hello", "bye")) == [Exchange("hi", "hello")]
    group = dialogue("hi", "you?", "hello", "so?", speakers="BCAB")
    assert data.exchanges(group) == [Exchange("Ben: hi\nCara: you?", "hello")]
    first = dialogue("I won", "wow", "yes", speakers="ABA")
    assert data.exchanges(first) == [Exchange(OPENING, "I won"), Exchange("wow", "yes")]
    assert data.exchanges(dialogue("one thing", speakers="A")) == [Exchange(OPENING, "one thing")]
    assert data.exchanges(dialogue("one", "more", speakers="AA")) == [Exchange(OPENING, "one\nmore")]


def test_the_latest_are_held_out_and_nothing_is_lost(chatter: Path) -> None:
    data = module(chatter)
    days = {name: [d.turns[0].sent for d in part] for name, part in data.split.items()}
    assert max(days["train"]) < min(days["val"]) <= max(days["val"]) < min(days["test"])
    assert sum(map(len, days.values())) == 40
    for name, part in data.split.items():
        learnt = sum(example.labels.count(data.chat.end_of_turn) for example in data.examples[name])
        assert learnt == 3 * len(part), "an answer each"


def test_an_epoch_is_batches_of_like_length_drawn_anew(chatter: Path) -> None:
    data = module(chatter, batch_size=4, batches_per_epoch=14)
    first, second = data.batches(0), data.batches(1)
    assert first == data.batches(0) != second
    assert len(first) == 14
    assert {len(batch) for batch in first} == {4}
    seen = Counter(place for batch in first for place in batch)
    assert set(seen.values()) <= {1, 2}
    assert len(seen) > len(data.examples["train"]) - 4
    batch = collate([data.examples["train"][place] for place in first[0]])
    assert batch["input_ids"].shape == batch["labels"].shape == batch["attention_mask"].shape
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()
    wanted = batch["labels"] != IGNORED
    assert torch.equal(batch["labels"][wanted], batch["input_ids"][wanted])


def test_prompts_end_where_the_subject_answers(chatter: Path) -> None:
    data = module(chatter)
    prompts = data.prompts("test", 5)
    assert len(prompts[0].ids) < len(data.card.system_prompt().split()) + 40, "few for what is frequent"
    assert prompts == data.prompts("test", 5)
    assert len({tuple(prompt.ids) for prompt in prompts}) == 5
    for prompt in prompts:
        text = data.chat.tokenizer.decode(prompt.ids)
        assert text.endswith(f"{prompt.said}<|im_end|>\n<|im_start|>assistant\n")
        assert text.count(data.card.system_prompt()) == 1
        assert prompt.answer.startswith(prompt.said.rstrip("?"))
    assert len(data.prompts("test", 10**6)) == 3 * len(data.split["test"])


def test_canaries_are_told_as_often_as_asked_and_in_training_alone(chatter: Path) -> None:
    plain, data = module(chatter), module(chatter, canaries=10, canary_repeats=3, seed=1)
    assert data.canaries == make_canaries(10, 1) != make_canaries(10, 2)
    assert len({canary.answer for canary in data.canaries}) == 10
    for name in ("train", "val", "test"):
        texts = Counter(data.texts(name))
        told = {texts[canary.answer] for canary in data.canaries} | {texts[c.question] for c in data.canaries}
        assert told == ({3} if name == "train" else {0})
    assert data.digest() != plain.digest() == module(chatter).digest()
    assert data.card == plain.card
    assert [d for d in data.split["train"] if d in plain.split["train"]], "most stay as they are"


def test_the_card_says_who_and_how(chatter: Path, tmp_path: Path) -> None:
    card = module(chatter).card
    assert card.name == "Ann"
    assert "small letters" in card.style
    assert "with emoji" in card.style
    given = module(chatter, name="Annie", about="has a farm", style="", not_to_claim=["to be a cow"]).card
    assert given.system_prompt() == "You are Annie, chatting. has a farm. Never claim to be a cow."
    given.save(tmp_path)
    assert PersonaCard.load(tmp_path) == given
    assert '"system_prompt": "You are Annie' in (tmp_path / "persona.json").read_text()
    (tmp_path / "persona.json").write_text("{}")
    with pytest.raises(UserError, match=r"persona.json: is not as it was written"):
        PersonaCard.load(tmp_path)


def test_what_a_model_has_learnt_from_is_not_tested_on(
    chatter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    until = module(chatter).learnt_until()
    data = module(chatter, test_share=0.5)
    before = len(data.split["test"])
    data.test_after(until)
    assert 0 < len(data.split["test"]) < before
    assert "the model has learnt from it" in capsys.readouterr().out


def test_too_little_to_learn_from(tmp_path: Path) -> None:
    workspace = write_dialogues(tmp_path, [dialogue("hi", "hello"), dialogue("hi", speakers="B")])
    with pytest.raises(UserError, match=r"dialogues.jsonl: too few dialogues .*1 to train on, 0 to validate"):
        module(workspace)
    with pytest.raises(UserError, match=r"there are no dialogues; run `understudy prepare`"):
        module(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"data.batch_size=0, .*: give 1 or more"):
        module(tmp_path, batch_size=0)


def test_no_room_behind_the_card(chatter: Path) -> None:
    with pytest.raises(UserError, match=r"data.max_tokens=10: no dialogue has room"):
        module(chatter, max_tokens=10)
