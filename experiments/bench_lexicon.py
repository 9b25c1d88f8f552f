"""What a line in the lexicon does for words that a recogniser was never trained on.

    python experiments/bench_lexicon.py --work FOLDER [--words l t z] [--steps 1500]

FOLDER is that of asr_grid.py, after it has run. A CTC model is trained from nothing on the same speaker, on
all clips but those in which one of the words is said; these it then transcribes before and after the words
are added to the lexicon, as they are said, and the held-out clips without them, which must not suffer.
Nothing is trained in between.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from asr_grid import HERE, SUBJECT, measure, test_clips, train, truth
from bench_surfacing import make_copy

from understudy.data.ctc import CtcRecognizer
from understudy.data.lexicon import add_to_lexicon, read_lexicon
from understudy.data.manifest import Clip, read_manifest
from understudy.tables import print_table, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of workspaces and runs")
    parser.add_argument("--words", nargs="+", default=["l", "t", "z"], help="of grid_letters.tsv")
    parser.add_argument("--steps", type=int, default=1500, help="of training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    words, workspace = set(arguments.words), arguments.work / SUBJECT
    clips = read_manifest(workspace / "manifests" / "transcribe.jsonl")
    having = [clip for clip in clips if words & set(truth(clip).split())]
    without = arguments.work / f"{SUBJECT}_without_{'_'.join(arguments.words)}"
    letters = read_lexicon(HERE / "grid_letters.tsv")
    lexicon = without / "lexicon.tsv"
    if not without.exists():
        make_copy(workspace, without, [{"clip": clip.id, "drop": "held out"} for clip in having])
        add_to_lexicon(lexicon, [entry for entry in letters if entry.word not in words])
    folder = train(without, "ctc", "experiment=asr_grid_ctc", f"trainer.max_steps={arguments.steps}")
    assert not words & set((folder / "sentences.txt").read_text().split())

    others = [clip for clip in test_clips(workspace) if clip not in having]
    recognizer = CtcRecognizer(pretrained=str(folder), lexicon=str(lexicon))
    rows = []
    for when in ("before", "after"):
        if when == "after":
            add_to_lexicon(lexicon, [entry for entry in letters if entry.word in words])
        for weight in (1.0, 0.0):
            hearing = replace(recognizer, language_model_weight=weight)
            hearing.setup()
            for name, some in (("with the words", having), ("held out, without", others)):
                rows.append([when, weight, name, *score(hearing, some, workspace, words)])
    print_table(
        ["lexicon", "n-gram", "clips", "number", "WER", "words found", "written where not said"], rows
    )
    write_json(arguments.work / "lexicon.json", rows)


def score(
    recognizer: CtcRecognizer, clips: list[Clip], workspace: Path, words: set[str]
) -> tuple[int, float, float, float]:
    """How many clips, the error rate, and the share of clips in which the words stand rightly and wrongly."""
    found = measure(recognizer, clips, workspace)
    both = [
        (set(truth(c).split()) & words, set(h.split()) & words)
        for c, h in zip(clips, found["heard"], strict=True)
    ]
    right = sum(bool(said & written) for said, written in both) / len(clips)
    wrong = sum(bool(written - said) for said, written in both) / len(clips)
    return len(clips), found["wer"], right, wrong


if __name__ == "__main__":
    main()
