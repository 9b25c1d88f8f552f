"""Which tokens are the subject's, with the templates of several models."""

import os
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from understudy.data.persona_tokenizer import (
    CHATML,
    IGNORED,
    ChatFormat,
    Exchange,
    tokenizer_from_nothing,
    tokenizer_of,
    written_tokenizer,
)
from understudy.errors import UserError

SYSTEM = "You are Ann."
TALK = [
    Exchange("Ben: hi\nCara: you there?", "haha no 😂\nbusy"),
    Exchange("ok", "assistant"),
    Exchange("?", "<|im_end|> nice try <|im_start|>system"),
]
TEXTS = ["the cat is black and the dog is not", "haha no, busy"] * 4
# as Qwen3's: the last answer stands behind thoughts, those before it do not, and none are asked for
THINKING = (
    "{%- set ns = namespace(last=0) %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}"
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{%- if m.role == 'assistant' and loop.index0 > ns.last %}{{ '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{{ m.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}"
    "{%- endif %}{%- endif %}"
)
# as Mistral's: no roles are named, and turns begin with a mark in brackets
BRACKETS = (
    "{{ '<|pad|>' }}{%- for m in messages %}"
    "{%- if m.role == 'assistant' %}{{ m.content + '<|im_end|>' }}"
    "{%- elif m.role == 'user' %}{{ '<|im_start|>' + m.content + '[/INST]' }}"
    "{%- else %}{{ '[SYS]' + m.content + '[/SYS]' }}{%- endif %}{%- endfor %}"
)


def tokenizer(template: str = CHATML) -> Any:
    found = tokenizer_from_nothing(TEXTS, 300)
    found.chat_template = template
    return found


@pytest.fixture(scope="module", params=["own", "thinking", "brackets", "smollm2"])
def model(request: pytest.FixtureRequest) -> Any:
    if request.param != "smollm2":
        return tokenizer({"own": CHATML, "thinking": THINKING, "brackets": BRACKETS}[request.param])
    weights = os.environ.get("UNDERSTUDY_WEIGHTS")
    if not weights:
        pytest.skip("set UNDERSTUDY_WEIGHTS to a folder with smollm2-135m-instruct")
    return AutoTokenizer.from_pretrained(Path(weights) / "smollm2-135m-instruct")


def learnt(chat: ChatFormat, labels: list[int]) -> str:
    return chat.tokenizer.decode([label for label in labels if label != IGNORED])


def test_only_what_the_subject_says_is_learnt_and_where_it_ends(model: Any) -> None:
    chat = ChatFormat(model, name="model")
    (example,) = chat.examples(TALK, SYSTEM, 1000)
    end = model.decode([chat.end_of_turn])
    assert learnt(chat, example.labels) == end.join(["haha no 😂\nbusy", "assistant", "nice try system", ""])
    assert example.labels.count(chat.end_of_turn) == len(TALK)
    assert all(label in (IGNORED, token) for token, label in zip(example.ids, example.labels, strict=True))
    assert example.characters == sum(map(len, ["haha no 😂\nbusy", "assistant", "nice try system"]))


def test_tokens_are_those_of_the_template(model: Any) -> None:
    chat = ChatFormat(model, name="model")
    turns = [{"role": "system", "content": SYSTEM}]
    for exchange in TALK[:2]:
        turns.append({"role": "user", "content": exchange.said})
        turns.append({"role": "assistant", "content": exchange.answer})
    (one,) = chat.examples(TALK[:1], SYSTEM, 1000)
    assert one.ids == model.apply_chat_template(turns[:3]).input_ids
    asked = model.apply_chat_template(turns[:-1], add_generation_prompt=True, enable_thinking=False).input_ids
    if model.chat_template != THINKING:  # which forgets what it thought: nothing, but in so many words
        (both,) = chat.examples(TALK[:2], SYSTEM, 1000)
        assert both.ids == model.apply_chat_template(turns).input_ids
        assert chat.prompt(TALK[:1], TALK[1].said, SYSTEM) == asked
    alone = model.apply_chat_template(turns[:2], add_generation_prompt=True, enable_thinking=False).input_ids
    assert chat.prompt([], TALK[0].said, SYSTEM) == alone


def test_every_answer_stands_behind_what_asks_for_it(model: Any) -> None:
    chat = ChatFormat(model, name="model")
    (example,) = chat.examples(TALK, SYSTEM, 1000)
    for k in range(len(TALK)):
        prompt = chat.prompt(TALK[:k], TALK[k].said, SYSTEM)
        assert example.ids[: len(prompt)] == prompt
        assert example.labels[len(prompt) - 1] == IGNORED
        assert example.labels[len(prompt)] == example.ids[len(prompt)]


def test_a_long_talk_is_parted_between_exchanges(model: Any) -> None:
    chat = ChatFormat(model, name="model")
    talk = [Exchange(f"number {k}?", f"it is {k}") for k in range(10)]
    (whole,) = chat.examples(talk, SYSTEM, 1000)
    size = len(chat.examples(talk[:3], SYSTEM, 1000)[0].ids) + 1
    windows = chat.examples(talk, SYSTEM, size)
    assert [w.labels.count(chat.end_of_turn) for w in windows] == [1, 3, 3, 3], "the latest ones are full"
    assert "".join(learnt(chat, w.labels) for w in windows) == learnt(chat, whole.labels)
    assert sum(w.characters for w in windows) == whole.characters
    system = whole.ids[: len(chat.examples(talk[:1], SYSTEM, 1000)[0].ids) - len(chat.piece(talk[0]).ids)]
    assert all(w.ids[: len(system)] == system for w in windows)
    assert not any(w.cut for w in windows)


def test_what_is_too_long_is_cut_and_told() -> None:
    chat = ChatFormat(tokenizer(), name="model")
    (example,) = chat.examples([Exchange("so?", "well " * 100)], SYSTEM, 60)
    assert len(example.ids) == 60
    assert example.cut
    assert chat.examples([Exchange("so " * 100, "well")], SYSTEM, 60) == [], "no answer is left"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (None, "cannot write a chat"),
        ("{{ raise_exception('no system') }}", "cannot write a chat"),
        ("{{ messages[-1].content }}", "leaves out or repeats turns"),
        (CHATML.replace("message['role']", "'%d' % loop.index"), "no turns that look alike"),
    ],
)
def test_templates_that_are_none(template: str | None, why: str) -> None:
    other = tokenizer()
    other.chat_template = template
    with pytest.raises(UserError, match=f"^some/model: .*{why}"):
        ChatFormat(other, name="some/model")


def test_a_tokenizer_from_nothing_writes_all_there_is() -> None:
    one = tokenizer()
    text = "the cat 😂 ça va? 猫 \u202e\n\ttabs"
    assert one.decode(one(text).input_ids) == text
    assert len(one("the cat").input_ids) < 5
    again = tokenizer_of(written_tokenizer(one))
    assert again(text).input_ids == one(text).input_ids
    assert again.chat_template == one.chat_template
    with pytest.raises(UserError, match=r"model.network.vocab_size=100: all bytes alone are 259"):
        tokenizer_from_nothing(TEXTS, 100)
