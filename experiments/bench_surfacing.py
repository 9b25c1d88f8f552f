"""How well wrong transcripts are brought to light, where it is known which ones are wrong.

    python experiments/bench_surfacing.py WORKSPACE ... [--share 0.05] [--seed 0] [--folder FOLDER]
        [--json FILE] -- model=asr_ctc trainer.max_steps=1000 ...

Of each prepared WORKSPACE whose transcripts a person confirmed, a copy is made (its recordings are linked)
in which that share of the texts is spoilt: a third has a word of another transcript in place of its own, a
third lacks a word, and a third is another clip's text. `understudy crossfit` runs on the copy, with the
settings after `--`; in a FOLDER that is given, a run that was stopped goes on. Then the clips are ranked.

    review      the order in which `understudy review` shows them
    error       of the model that had not seen the clip, alone
    loss        the same model's surprise at the text, alone
    confidence  of the transcriber of `prepare`, which saw no text
    random      the mean of many orders

    found among K  share of the K spoilt texts that stand in the first K places (there, precision is recall)
    first tenth    share of the spoilt texts that stand in the first tenth of the list, of all and by kind
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_module
from hydra.utils import call
from tqdm import tqdm

from understudy.data.edits import EDITS, apply_edits
from understudy.data.held_out import HELD_OUT, read_held_out
from understudy.data.manifest import Clip, json_lines, read_manifest
from understudy.data.review.suspicion import known
from understudy.data.text import tokens
from understudy.errors import UserError
from understudy.tables import print_table, write_json
from understudy.train.crossfit import by_doubt

KINDS = ("wrong word", "dropped word", "other text")
COPIED = ("manifests", "lexicon.tsv", EDITS)
LEFT_OUT = ("runs", "twin", "twins", "review", HELD_OUT)
ORDERS = 200  # random ones


def make_copy(workspace: Path, folder: Path, edits: Sequence[dict[str, Any]]) -> None:
    """A workspace with more edits, which links to the recordings; it has its name once it is whole."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for entry in workspace.resolve().iterdir():
        if entry.name.startswith(".") or entry.name in LEFT_OUT:
            continue
        if entry.name not in COPIED:
            (partial / entry.name).symlink_to(entry)
        elif entry.is_dir():
            shutil.copytree(entry, partial / entry.name)
        else:
            shutil.copy(entry, partial / entry.name)
    with (partial / EDITS).open("a", encoding="utf-8") as file:
        file.write("\n" + json_lines(edits))
    partial.rename(folder)


def confirmed(workspace: Path) -> list[Clip]:
    """Clips whose text is known to be right, as the manifest and the edits have them."""
    clips, _, _ = apply_edits(read_manifest(workspace / "manifests" / "transcribe.jsonl"), workspace / EDITS)
    return [clip for clip in clips if clip.fields.get("reviewed") and tokens(clip.fields.get("text") or "")]


def spoil(clips: Sequence[Clip], share: float, rng: np.random.Generator) -> dict[str, tuple[str, str]]:
    """By clip, the kind of corruption and the text that is now said to be right."""
    number = max(round(share * len(clips)), len(KINDS))
    vocabulary = sorted({word for clip in clips for word in clip["text"].split()})
    found: dict[str, tuple[str, str]] = {}
    for k in rng.permutation(len(clips)):
        if len(found) == number:
            break
        kind = KINDS[len(found) % len(KINDS)]
        words = clips[k]["text"].split()
        if len(words) < 2:
            continue
        place = int(rng.integers(len(words)))
        if kind == "wrong word":
            said = [*words[:place], str(rng.choice(vocabulary)), *words[place + 1 :]]
        elif kind == "dropped word":
            said = [*words[:place], *words[place + 1 :]]
        else:
            said = clips[int(rng.integers(len(clips)))]["text"].split()
        if tokens(" ".join(said)) not in ([], tokens(clips[k]["text"])):
            found[clips[k].id] = (kind, " ".join(said))
    if len(found) < number:
        raise UserError(f"{len(clips)} confirmed clips are too few, or too much alike, to spoil {number}")
    return found


def crossfit(workspace: Path, overrides: Sequence[str]) -> None:
    subject = ["subject=folder", "subject.name=bench", "subject.sources=[]", f"workspace='{workspace}'"]
    with initialize_config_module("understudy.conf", version_base="1.3"):
        call(compose("crossfit", [*subject, "transcripts=reviewed", *overrides]).verb)


def rankings(clips: Sequence[Clip], workspace: Path, rng: np.random.Generator) -> dict[str, list[list[str]]]:
    """Orders of the clips' names, the most doubtful first; what is alike in a sign stands at random."""
    held_out = read_held_out(workspace / HELD_OUT)
    names = [clip.id for clip in clips]
    signs = {
        "error": {name: judgement.error for name, judgement in held_out.items()},
        "loss": {name: judgement.loss for name, judgement in held_out.items()},
        "confidence": {c.id: -value for c in clips if (value := known(c, "confidence")) is not None},
    }

    def shuffled() -> list[str]:
        return [names[k] for k in rng.permutation(len(names))]

    by_sign = {
        sign: [sorted(shuffled(), key=lambda name: -values.get(name, -np.inf))]
        for sign, values in signs.items()
        if values
    }
    review = [name for name in by_doubt(workspace) if name in set(names)]
    return {"review": [review], **by_sign, "random": [shuffled() for _ in range(ORDERS)]}


def found_in(orders: Sequence[Sequence[str]], wanted: set[str], first: int) -> float:
    """The share of `wanted` among the first ones, on average over the orders."""
    return float(np.mean([len(wanted.intersection(order[:first])) / len(wanted) for order in orders]))


def measure(
    workspace: Path, folder: Path, share: float, seed: int, overrides: Sequence[str]
) -> list[dict[str, Any]]:
    clips = confirmed(workspace)
    spoilt = spoil(clips, share, np.random.default_rng(seed))
    copy = folder / f"{workspace.resolve().name}_{share:g}_{seed}"
    if not copy.exists():
        edits = [
            {"id": f"spoilt_{k}", "clip": name, "set": {"text": text, "reviewed": True}}
            for k, (name, (_, text)) in enumerate(spoilt.items())
        ]
        make_copy(workspace, copy, edits)
    crossfit(copy, overrides)
    tenth = -(-len(clips) // 10)
    parts = {kind: {name for name, (its, _) in spoilt.items() if its == kind} for kind in KINDS}
    return [
        {
            "workspace": workspace.resolve().name,
            "clips": len(clips),
            "spoilt": len(spoilt),
            "ranked by": sign,
            "found among K": found_in(orders, set(spoilt), len(spoilt)),
            "first tenth": found_in(orders, set(spoilt), tenth),
            **{kind: found_in(orders, names, tenth) for kind, names in parts.items()},
        }
        for sign, orders in rankings(clips, copy, np.random.default_rng(seed)).items()
    ]


def main() -> None:
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("workspaces", type=Path, nargs="+")
    parser.add_argument("--share", type=float, default=0.05, help="of the transcripts that is spoilt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the copies; a passing one if not given")
    parser.add_argument("--json", type=Path, help="where to write the table, too")
    arguments = parser.parse_args(given[:cut])
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.folder or Path(passing)
        rows = [
            row
            for workspace in tqdm(
                arguments.workspaces, desc="workspaces", disable=len(arguments.workspaces) == 1
            )
            for row in measure(workspace, folder, arguments.share, arguments.seed, given[cut + 1 :])
        ]
        print_table(list(rows[0]), [list(row.values()) for row in rows])
        path = arguments.json or (arguments.folder and arguments.folder / "surfacing.json")
        if path:
            settings = {"share": arguments.share, "seed": arguments.seed, "settings": given[cut + 1 :]}
            write_json(path, {**settings, "rows": rows})


if __name__ == "__main__":
    main()
