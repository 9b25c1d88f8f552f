"""Every shipped setting: each root with each choice composes, and its nodes can be made."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import yaml
from conftest import config_of
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from understudy.__main__ import verbs
from understudy.errors import UserError
from understudy.train.module import TwinModule
from understudy.train.trainer import make_trainer

CONF = Path(__file__).parents[1] / "conf"
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def groups_of(verb: str) -> dict[str, list[str]]:
    """The groups that a verb chooses from, and their choices."""
    defaults = yaml.safe_load((CONF / f"{verb}.yaml").read_text())["defaults"]
    named = [group for entry in defaults if isinstance(entry, dict) for group in entry]
    groups = [group for group in named if group != "experiment"]
    return {g: sorted(path.stem for path in (CONF / g).glob("*.yaml")) for g in groups}


def combinations() -> Iterator[Any]:
    """Each choice of each group once, the first of the others beside it."""
    for verb in verbs():
        groups = groups_of(verb)
        first = {group: choices[0] for group, choices in groups.items()}
        seen = set()
        for group, choices in groups.items() or [("", [""])]:
            for choice in choices:
                chosen = {**first, group: choice} if group else {}
                overrides = tuple(f"{g}={c}" for g, c in chosen.items())
                if overrides not in seen:
                    seen.add(overrides)
                    yield pytest.param(verb, overrides, id=" ".join([verb, *overrides]))


def filled(verb: str, *overrides: str, workspace: Path) -> DictConfig:
    """A verb's settings with something in the place of what a person has to give."""
    config = config_of(verb, *overrides)
    for name, value in (
        ("subject.name", "someone"),
        ("subject.sources", ["a.mp4"]),
        ("ckpt", "a.ckpt"),
        ("twin", "twin"),
        ("image", "a.png"),
        ("audio", "a.wav"),
        ("text", "Hello."),
        ("out", "a.mp4"),
        ("run", "a run"),
    ):
        if OmegaConf.is_missing(*parent_of(config, name)):
            OmegaConf.update(config, name, value)
    config.workspace = str(workspace)
    return config


def parent_of(config: DictConfig, name: str) -> tuple[Any, str]:
    folder, _, last = name.rpartition(".")
    parent = OmegaConf.select(config, folder) if folder else config
    return (parent if parent is not None else OmegaConf.create({}), last)


def targets(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node that names what is to be made of it."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node
        for name, value in node.items():
            yield from targets(value, f"{path}.{name}" if path else name)


@pytest.mark.parametrize(("verb", "overrides"), [*combinations()])
def test_every_choice_composes_and_no_argument_is_unknown(
    verb: str, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    config = OmegaConf.to_container(filled(verb, *overrides, workspace=tmp_path), resolve=True)
    assert isinstance(config, dict)
    assert not [name for name, value in flat(config) if value == "???"]
    nodes = dict(targets(config))
    assert "verb" in nodes
    for path, node in nodes.items():
        arguments = {name: value for name, value in node.items() if not name.startswith("_")}
        made = get_object(node["_target_"])
        signature = inspect.signature(made)
        partial = node.get("_partial_", False)
        if made is make_trainer:
            signature = inspect.signature(pl.Trainer.__init__)
            arguments["self"] = None
        try:
            (signature.bind_partial if partial else signature.bind)(**arguments)
        except TypeError as error:
            pytest.fail(f"{path} ({node['_target_']}): {error}")


def flat(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from flat(value, f"{path}.{name}")
    else:
        yield path, node


@pytest.mark.parametrize(("verb", "overrides"), [*combinations()])
def test_every_node_can_be_made(verb: str, overrides: tuple[str, ...], tmp_path: Path) -> None:
    """But for the verb itself, which would run."""
    exported = tmp_path / "twin" / "asr" / "config.json"  # asr=twin looks what lies there
    exported.parent.mkdir(parents=True)
    exported.write_text('{"model_type": "wav2vec2"}')
    config = filled(verb, *overrides, workspace=tmp_path)
    made = {}
    for name in config:
        node = config[name]
        if name == "verb" or not isinstance(node, DictConfig):
            continue
        try:
            made[name] = instantiate(node, _convert_="all")  # as the verbs do
        except Exception as error:
            # what needs a machine or a package that is not here has to say so in a line
            cause = error.__cause__ or error
            assert isinstance(cause, UserError), (name, cause)
            assert "trainer=gpu" in overrides or "landmarks=face_alignment" in overrides, cause
    assert config.verb._target_.startswith("understudy.")
    assert callable(get_object(config.verb._target_))


@pytest.mark.parametrize("verb", verbs())
def test_the_first_line_of_a_root_says_what_it_does(verb: str) -> None:
    first = (CONF / f"{verb}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")


def test_every_choice_says_what_it_is() -> None:
    """A comment on the first line, but where the class's own name says it (stages)."""
    for path in sorted(CONF.glob("*/*.yaml")):
        if path.parent.name != "stages":
            assert path.read_text().startswith("# "), path


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(name: str, tmp_path: Path) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    given = [] if "override /subject" in text else ["subject=demo"]
    config = filled("train", f"experiment={name}", *given, workspace=tmp_path)
    plain = OmegaConf.to_container(config, resolve=True)
    for path, node in targets(plain):
        arguments = {k: v for k, v in node.items() if not k.startswith("_")}
        if get_object(node["_target_"]) is not make_trainer and not node.get("_partial_"):
            inspect.signature(get_object(node["_target_"])).bind(**arguments), path
    assert isinstance(instantiate(config.model, _convert_="all"), TwinModule)


def test_a_subject_s_files_lie_under_its_name() -> None:
    assert config_of("prepare", "subject=demo").workspace == "workspace/demo"
    config = config_of("train", "model=sda", "subject=folder", "subject.name=anna")
    assert (config.workspace, config.data.workspace) == ("workspace/anna", "workspace/anna")
