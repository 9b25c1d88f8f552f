"""The command as a person meets it: help, one readable line for every mistake, exit codes."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Command, find_command, prepare_settings

from understudy.__main__ import verbs

ROOT = Path(__file__).parents[1]


def test_the_program_says_what_it_can_do(understudy: Command) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        done = understudy(*arguments)
        assert done.returncode == 0
        assert done.stderr == ""
        for verb, what in verbs().items():
            assert f"{verb} " in done.stdout
            assert what in done.stdout
            assert len(what) > 20


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_explains_itself(verb: str, understudy: Command, tmp_path: Path) -> None:
    done = understudy(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(f"understudy {verb}: ")
    examples = done.stdout.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert examples
    assert examples[0].strip().startswith(f"understudy {verb} ")
    assert all(line.strip().startswith("understudy ") for line in examples)  # what goes with it
    assert "Settings:" in done.stdout
    assert "Powered by Hydra" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_knows_choices_that_were_made(understudy: Command) -> None:
    done = understudy("prepare", "subject=folder", "--help")
    assert done.returncode == 0
    assert "understudy.data.subject.Subject" in done.stdout


def test_help_into_a_pipe_that_closes() -> None:
    done = subprocess.run(
        f"'{find_command()}' prepare --help | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("understudy prepare")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prepar"], "no verb 'prepar'; did you mean prepare?"),
        (["dance"], "the verbs are"),
        (["prepare"], "choose subject=...: demo, folder"),
        (["train", "subject=demo"], "choose model=...: "),
        (["train", "model=sda"], "choose subject=...: "),
        (["prepare", "subject=dmeo"], "there is no subject=dmeo; choose one of demo, folder"),
        (["train", "model=sad", "subject=demo"], "there is no model=sad; choose one of "),
        (["prepare", "subject=folder"], "prepare also needs subject.name=..."),
        (["evaluate", "subject=demo"], "evaluate also needs ckpt=..."),
        (["export", "subject=demo"], "export also needs ckpt=..."),
        (["chat"], "chat also needs twin=..."),
        (["chat", "twin=t"], "there is no persona yet"),
        (["animate", "twin=t", "image=i"], "animate also needs out=..."),
        (["prepare", "subject=demo", "stages.faces.min_fce_size=3"], "min_fce_size"),
        (["prepare", "subject=demo", "primt=3"], "primt"),
        (["train", "model=sda", "subject=demo", "trainer.maxsteps=3"], "maxsteps"),
        (["train", "model=sda", "subject=demo", "model.generator.width"], "model.generator.width"),
        (["prepare", "subject=demo", "experiment=nothing"], "experiment"),
        (["prepare", "subject=folder", "subject.name=a", "subject.sources=[/no/such]"], "/no/such"),
        (["prepare", "subject=folder", "subject.name=a", "subject.sources=[]"], "say where"),
        (["prepare", "subject=folder", "subject.name=a/b", "subject.sources=[x]"], "plain name"),
        (["train", "model=sda", "subject=demo", "trainer.accelerator=gup"], "gup"),
        (["evaluate", "subject=demo", "ckpt=no.ckpt"], "no.ckpt: there is no such file"),
        (["prepare", "subject=demo", "landmarks.model_path=no.task"], "no.task"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str], said: str, understudy: Command, tmp_path: Path
) -> None:
    done = understudy(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("understudy: ")
    assert said in line
    assert "Traceback" not in done.stdout


def test_the_module_is_the_command(understudy: Command, tmp_path: Path) -> None:
    for arguments in (["--help"], ["prepare", "--help"], ["prepare", "subject=dmeo"]):
        command = understudy(*arguments, cwd=tmp_path)
        module = understudy(*arguments, cwd=tmp_path, module=True)
        assert module.returncode == command.returncode
        assert (module.stdout, module.stderr) == (command.stdout, command.stderr)


def test_prepare_from_the_command(recordings: Path, understudy: Command, tmp_path: Path) -> None:
    """A table at the end; what cannot be read is listed there and in the exit code, not as a crash."""
    folder = shutil.copytree(recordings, tmp_path / "some recordings")
    (folder / "take 2.mp4").write_text("my notes")
    (folder / "take 1.mp4").unlink()
    workspace = tmp_path / "the workspace"
    settings = prepare_settings(folder, workspace)
    done = understudy("prepare", *settings, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["scrape", "2", "1", "0", "1", "0"] in [row[:6] for row in rows]
    assert ["faces", "1", "1", "0", "0", "0"] in [row[:6] for row in rows]
    assert "take 2.mp4: cannot be read" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert (workspace / "contact_sheet.png").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"some recordings", "the workspace"}

    (folder / "take 2.mp4").unlink()
    again = understudy("prepare", *settings, "prune_stale=true", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert ["faces", "1", "1", "0", "0", "1"] in [line.split()[:6] for line in again.stdout.splitlines()]


def test_a_workspace_that_cannot_be(recordings: Path, understudy: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("my notes")
    for workspace in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "workspace"):
        done = understudy("prepare", *prepare_settings(recordings, workspace))
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "notes.txt" in line
    assert (tmp_path / "notes.txt").read_text() == "my notes"


def test_every_package_is_installed() -> None:
    """The list in setup.cfg is written by hand: what it lacks would be missing from a wheel."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = config["options"]["packages"].split()
    found = {
        ".".join(["understudy", *path.parent.relative_to(ROOT / "src").parts])
        for path in (ROOT / "src").rglob("*.py")
    }
    assert sorted(listed) == sorted(found | {"understudy.conf"})
    assert listed == sorted(listed)
    assert all((ROOT / "src" / Path(*name.split(".")[1:]) / "__init__.py").exists() for name in found)
