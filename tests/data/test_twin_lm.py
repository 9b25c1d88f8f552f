"""The persona in its folder."""

import pickle
import shutil
from pathlib import Path

import pytest
from chatter import tiny_llama

from understudy.data.persona_card import CARD, PersonaCard
from understudy.data.twin_lm import TwinPersona
from understudy.errors import UserError


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_llama(tmp_path_factory.mktemp("lm"))
    PersonaCard(name="Ann", about="She keeps hens").save(folder)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported, tmp_path / "lm")


def test_it_is_as_it_was_exported(folder: Path) -> None:
    persona = TwinPersona(pretrained=str(folder), device="cpu")
    persona.setup()
    assert persona.card == PersonaCard(name="Ann", about="She keeps hens")
    assert persona.longest == 512
    assert persona.chat.end_of_turn in persona.marks
    assert not persona.network.training
    again = pickle.loads(pickle.dumps(persona))
    assert again == persona
    assert not hasattr(again, "network"), "only settings travel"


def test_its_name_changes_with_its_card(folder: Path) -> None:
    persona = TwinPersona(pretrained=str(folder))
    before = persona.model_id
    PersonaCard(name="Bea").save(folder)
    assert persona.model_id == before, "it is read once"
    assert TwinPersona(pretrained=str(folder)).model_id != before


def test_what_is_no_persona_is_told(folder: Path) -> None:
    nowhere = TwinPersona(pretrained="no/where/lm")
    with pytest.raises(UserError, match=r"no/where/lm: there is no persona yet; train one .*export"):
        nowhere.setup()
    with pytest.raises(UserError, match="there is no persona yet"):
        _ = nowhere.model_id
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"lm: cannot be loaded as AutoModelForCausalLM .*export the model"):
        TwinPersona(pretrained=str(folder)).setup()
    (folder / CARD).unlink()
    with pytest.raises(UserError, match=r"persona\.json: there is no persona card"):
        TwinPersona(pretrained=str(folder)).setup()
