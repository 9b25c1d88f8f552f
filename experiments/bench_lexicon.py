"""What a line in the lexicon does for a word that a recogniser was never trained on.

    python experiments/bench_lexicon.py --work FOLDER [--word green] [--steps 1500]

FOLDER is that of asr_grid.py, after it has run. A CTC model is trained from nothing on the same speaker, on
all clips but those in which the word is said; these it then transcribes before and after the word is added to
the lexicon, and the held-out clips without it, which must not suffer. Nothing is trained in between.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from asr_grid import HERE, SUBJECT, measure, test_clips, train, truth
from bench_surfacing import make_copy

from understudy.data.ctc import CtcRecognizer
from understudy.data.lexicon import Entry, add_to_lexicon
from understudy.data.manifest import Clip, read_manifest
from understudy.tables import print_table, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of workspaces and runs")
    parser.add_argument("--word", default="green")
    parser.add_argument("--steps", type=int, default=1500, help="of training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    word, workspace = arguments.word, arguments.work / SUBJECT
    clips = read_manifest(workspace / "manifests" / "transcribe.jsonl")
    having = [clip for clip in clips if word in truth(clip).split()]
    without = arguments.work / f"{SUBJECT}_without_{word}"
    if not without.exists():
        make_copy(workspace, without, [{"clip": clip.id, "drop": f"has {word}"} for clip in having])
    letters = HERE / "grid_letters.tsv"
    folder = train(
        without,
        "ctc",
        "experiment=asr_grid_ctc",
        f"model.lexicon={letters}",
        f"trainer.max_steps={arguments.steps}",
    )
    lexicon = without / "lexicon.tsv"
    shutil.copy(letters, lexicon)
    recognizer = CtcRecognizer(pretrained=str(folder), lexicon=str(lexicon))
    assert word not in (folder / "sentences.txt").read_text().split()

    others = [clip for clip in test_clips(workspace) if clip not in having]
    rows = []
    for when in ("before", "after"):
        if when == "after":
            add_to_lexicon(lexicon, [Entry(word, source="bench")])
        hearing = replace(recognizer)
        hearing.setup()
        for name, some in ((f"clips with {word}", having), ("held-out clips without", others)):
            rows.append([when, name, *of_interest(hearing, some, workspace, word)])
    print_table(["lexicon", "clips of", "clips", "WER", f"{word} written"], rows)
    write_json(arguments.work / "lexicon.json", rows)


def of_interest(
    recognizer: CtcRecognizer, clips: list[Clip], workspace: Path, word: str
) -> tuple[int, float, float]:
    """How many clips, the error rate, and the share in which the word is written."""
    found = measure(recognizer, clips, workspace)
    return len(clips), found["wer"], sum(word in text.split() for text in found["heard"]) / len(clips)


if __name__ == "__main__":
    main()
