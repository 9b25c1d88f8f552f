"""Conversations with a tiny twin that has learnt a few answers by heart."""

import io
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch
from chatter import tiny_llama
from conftest import run_verb
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from understudy.data.persona_card import PersonaCard
from understudy.data.persona_datamodule import collate
from understudy.data.persona_tokenizer import ChatFormat, Exchange
from understudy.data.personal_data import find_personal_data, without_overlaps
from understudy.data.twin_lm import TwinPersona
from understudy.errors import UserError
from understudy.models.lm import token_losses
from understudy.models.token_stream import TokenStream
from understudy.stream import chat
from understudy.stream.conversation import Conversation, goes_round
from understudy.stream.discretion import Discretion
from understudy.stream.speak import COMMENT

CARD = PersonaCard(name="Ann", not_to_claim=())
LEARNT = {
    "cat?": "black 🙂 and naïve",
    "mail?": "it is ann@hens.example.org, or call +44 20 7946 0958 today",
    "Ben: dog?": "brown\nand old\nBen: really",
    "hen?": "ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha ha",
}


def learn_by_heart(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder)
    config.update({"hidden_size": 64, "intermediate_size": 128})
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(config)
    chat = ChatFormat(AutoTokenizer.from_pretrained(folder), name="tiny")
    exchanges = [Exchange(said, answer) for said, answer in LEARNT.items()]
    batch = collate([chat.examples([one], CARD.system_prompt(), 512)[0] for one in exchanges])
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(150):
        learnt = batch["labels"] >= 0
        loss = token_losses(network, batch["input_ids"], batch["attention_mask"], learnt).sum() / learnt.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    network.save_pretrained(folder)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin")
    learn_by_heart(tiny_llama(folder / "lm"))
    CARD.save(folder / "lm")
    return folder


@pytest.fixture(scope="module")
def persona(twin: Path) -> TwinPersona:
    persona = TwinPersona(pretrained=str(twin / "lm"), device="cpu")
    persona.setup()
    return persona


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> TwinPersona:
    """Has learnt nothing: says any bytes."""
    folder = tiny_llama(tmp_path_factory.mktemp("babbler"))
    CARD.save(folder)
    persona = TwinPersona(pretrained=str(folder), device="cpu")
    persona.setup()
    return persona


def answer(persona: TwinPersona, text: str, **settings: float) -> list[str]:
    conversation = Conversation(persona, **{"temperature": 0.0} | settings)  # type: ignore[arg-type]
    conversation.heard(text)
    return [*conversation.answer()]


def test_it_says_what_it_learnt_piece_by_piece(persona: TwinPersona) -> None:
    pieces = answer(persona, "cat?")
    assert "".join(pieces) == LEARNT["cat?"]
    assert len(pieces) > 2, "as it comes"
    assert all(pieces)


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_pieces_are_what_the_library_writes_at_once(babbler: TwinPersona, temperature: float) -> None:
    prompt = babbler.chat.prompt([], "cat?", CARD.system_prompt())
    chance = {"do_sample": True, "temperature": temperature, "top_p": 0.9, "top_k": 0}
    torch.manual_seed(3)
    written = babbler.network.generate(
        torch.tensor([prompt]),
        max_new_tokens=60,
        eos_token_id=[*babbler.marks],
        pad_token_id=0,
        **(chance if temperature else {"do_sample": False}),
    )[0, len(prompt) :].tolist()
    generator = torch.Generator().manual_seed(3)
    stream = TokenStream(babbler.network).after(
        prompt, temperature=temperature, top_p=0.9, generator=generator
    )
    assert [*islice(stream, len(written))] == written
    assert len(written) > 5


def test_pieces_hold_whole_characters_and_are_the_same_again(babbler: TwinPersona) -> None:
    seeds = range(4)
    said = {seed: answer(babbler, "cat?", temperature=1.0, seed=seed) for seed in seeds}
    assert said == {seed: answer(babbler, "cat?", temperature=1.0, seed=seed) for seed in seeds}
    assert len({"".join(pieces) for pieces in said.values()}) > 1, "other seeds, other words"
    written = "".join(piece for pieces in said.values() for piece in pieces)
    assert len(written) > 50
    assert "\ufffd" not in written
    pieces = answer(babbler, "cat?", temperature=1.0, seed=0)
    conversation = Conversation(babbler, temperature=1.0, seed=0)
    conversation.heard("cat?")
    assert "".join(conversation.answer()) == "".join(pieces) == conversation.exchanges[-1].answer


def test_what_was_read_is_not_read_again_and_changes_nothing(persona: TwinPersona) -> None:
    conversation = Conversation(persona, temperature=0.0)
    sizes: list[int] = []
    hook = persona.network.register_forward_pre_hook(
        lambda _, __, given: sizes.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    for question in ("cat?", "mail?", "cat?"):
        conversation.heard(question)
        before = len(sizes)
        pieces = [*conversation.answer()]
        prompt = persona.chat.prompt(conversation.exchanges[:-1], question, CARD.system_prompt())
        if before:
            assert sizes[before] < len(prompt) / 2
    hook.remove()
    fresh = Conversation(persona, temperature=0.0)
    fresh.exchanges = conversation.exchanges[:-1]
    fresh.heard("cat?")
    assert [*fresh.answer()] == pieces


def test_personal_data_is_replaced_before_it_is_said(persona: TwinPersona) -> None:
    conversation = Conversation(persona, temperature=0.0)
    conversation.heard("mail?")
    pieces = [*conversation.answer()]
    assert "".join(pieces) == "it is [e-mail], or call [phone] today"
    assert pieces[0].strip() == "it", "the rest need not wait for it"
    assert conversation.exchanges == [Exchange("mail?", "it is [e-mail], or call [phone] today")]


def test_it_stops_before_another_speaks(persona: TwinPersona) -> None:
    assert "".join(answer(persona, "Ben: dog?")) == "brown\nand old"


def test_it_stops_going_round_in_circles(persona: TwinPersona) -> None:
    said = "".join(answer(persona, "hen?"))
    assert LEARNT["hen?"].startswith(said)
    assert 4 <= len(said) < len(LEARNT["hen?"])
    assert goes_round([1, *[2, 3, 4] * 8])
    assert not goes_round([1, *[2, 3, 4] * 7, 2, 3])
    assert not goes_round([5] * 23)
    assert goes_round([5] * 24)
    assert not goes_round([*range(40)] * 3)
    assert goes_round([*range(40)] * 4)


def test_it_stops_after_so_many_tokens(persona: TwinPersona) -> None:
    (said,) = answer(persona, "cat?", max_tokens=3)
    assert LEARNT["cat?"].startswith(said)
    assert len(persona.chat.tokenizer(said).input_ids) <= 3


def test_only_what_was_said_is_remembered(persona: TwinPersona) -> None:
    conversation = Conversation(persona, temperature=0.0)
    conversation.heard("mail?")
    pieces = conversation.answer()
    taken = next(pieces) + next(pieces)
    assert conversation.exchanges == [Exchange("mail?", taken)], "it may be left there"
    conversation.said("it")
    assert next(pieces, None) is None, "it was interrupted"
    conversation.heard("cat?")
    assert conversation.exchanges == [Exchange("mail?", "it"), Exchange("cat?", "")]
    whole = "".join(conversation.answer())
    assert conversation.exchanges[-1] == Exchange("cat?", whole)
    conversation.said("")
    conversation.heard("well?")
    assert conversation.exchanges == [Exchange("mail?", "it"), Exchange("cat?\nwell?", "")]


def test_memory_is_bounded_and_the_card_stays(babbler: TwinPersona) -> None:
    conversation = Conversation(babbler, context_tokens=300, max_tokens=20, seed=0)
    head = babbler.chat.prompt([], "", CARD.system_prompt())[:20]
    remembered = []
    for k in range(14):
        conversation.heard(f"number {k} of the questions")
        prompt = conversation._prompt()
        assert len(prompt) <= 280
        assert prompt[:20] == head
        list(conversation.answer())
        conversation.said(f"answer {k}")
        assert conversation.exchanges[-1] == Exchange(f"number {k} of the questions", f"answer {k}")
        remembered.append(len(conversation.exchanges))
    assert 2 <= remembered[-1] <= max(remembered) < 12
    assert sum(b <= a for a, b in pairwise(remembered)) < 7, "several go at once"
    conversation.heard("so many words " * 200 + "at last")
    assert len(conversation._prompt()) <= 280
    assert conversation.exchanges[-1].said.endswith("words at last"), "its end is what counts"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperature": -1.0}, r"temperature=-1\.0: is from 0"),
        ({"top_p": 0.0}, r"top_p=0\.0: is a share"),
        ({"max_tokens": 0}, "max_tokens=0: give 1 or more"),
        ({"context_tokens": 9999}, "context_tokens=9999: the model can look at 512"),
        ({"context_tokens": 130}, r"context_tokens=130: the persona card takes \d+ of them"),
        ({"region": "XX"}, "region=XX: there is no such country"),
    ],
)
def test_settings_that_cannot_be(persona: TwinPersona, settings: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Conversation(persona, **settings)  # type: ignore[arg-type]


PRIVATE = [
    "ann.lee@hens.example.org",
    "https://hens.example.org/a?b=1",
    "+44 20 7946 0958",
    "(+49) 30 901820",
    "030/90 18 20-0",
    "+1 202 555 0147 ext. 12",
    "4111 1111 1111 1111",
    "GB33 BUKB 2020 1555 5555 55",
    "123-45-6789",
    "12 Old Baker Street",
    "Lange Straße 12 a",
    "12 rue de la Paix",
    "Calle Mayor de Dios, 5",
    "born on March 12, 1990",
    "né le 12 mars 1990",
]
PLAIN = [
    "at 7 we eat",
    "3 hens",
    "and",
    "(so)",
    "the",
    "12 of them!",
    "me, you",
    "你好，",
    "\n",
    "2:30",
    "Ben.",
]


def replaced(text: str) -> str:
    text = text.rstrip()
    found = without_overlaps(find_personal_data(text))
    for finding in reversed(found):
        text = text[: finding.start] + finding.means + text[finding.end :]
    return text


@given(st.lists(st.sampled_from(PRIVATE + PLAIN), max_size=6), st.data())
def test_however_a_text_comes_nothing_personal_is_said(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    ends = range(0, len(text), data.draw(st.integers(1, 9)))
    discretion = Discretion()
    pieces = [discretion.more(text[:end]) for end in ends]
    assert "".join([*pieces, discretion.rest(text)]) == replaced(text)


@pytest.mark.parametrize("private", PRIVATE)
def test_a_letter_at_a_time_gives_nothing_away(private: str) -> None:
    text = f"well then, {private} it is, as far as I know."
    discretion = Discretion()
    pieces = [discretion.more(text[:end]) for end in range(1, len(text))]
    said = "".join([*pieces, discretion.rest(text)])
    assert said == replaced(text)
    assert private not in said
    assert "".join(pieces[: len("well then, so")]).startswith("well"), "nothing waits without need"


def test_the_verb_answers_a_question(twin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_verb("chat", f"twin={twin}", "text='cat?'", "temperature=0", "device=cpu", "threads=1") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{LEARNT['cat?']}\n"
    assert printed.err == f"Ann: {COMMENT}\n", "what is said is marked as generated"


def test_the_verb_answers_line_by_line(
    twin: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\ncat?\n\n  \n"))
    assert run_verb("chat", f"twin={twin}", "temperature=0", "device=cpu") == 0
    assert capsys.readouterr().out == f"{LEARNT['cat?']}\n", "nobody asked anything else"


def test_an_answer_may_be_interrupted(persona: TwinPersona, capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def interrupt(*_: object) -> None:
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt

    conversation = Conversation(persona, temperature=0.0)
    hook = persona.network.model.layers[-1].register_forward_pre_hook(interrupt)
    chat.answer(conversation, "mail?")
    hook.remove()
    said = conversation.exchanges[-1].answer
    assert "it is [e-mail]".startswith(said)
    assert capsys.readouterr().out == f"{said} -\n"
    conversation.heard("cat?")
    fresh = Conversation(persona, temperature=0.0)
    fresh.exchanges = [*conversation.exchanges]
    assert [*conversation.answer()] == [*fresh.answer()], "nothing is left of it but what was said"


def test_a_twin_without_persona_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lm: there is no persona yet; train one"):
        run_verb("chat", f"twin={tmp_path}", "text=hello")
