"""What lines in the lexicon do for words that a recogniser does not write. Nothing is trained in between.

    python experiments/bench_lexicon.py --whisper FOLDER_OF_whisper-tiny.en --corpus CORPUS
    python experiments/bench_lexicon.py --work FOLDER [--words l t z] [--steps 1500]

The first transcribes the sentences of LJSpeech whose text is known, puts all words that were missed into one
lexicon, and transcribes them again: by prompt, by bias, and by both. The second, in the folder of asr_grid.py
after that has run, trains a CTC model from nothing on the clips of the speaker in which none of the words is
said, and transcribes those in which one is, before and after the words are added to the lexicon as they are
said, and the held-out clips without them, which must not suffer.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from asr_grid import HERE, SUBJECT, measure, test_clips, train, truth
from bench_surfacing import make_copy
from bench_transcribe import Sentence, ljspeech
from tqdm import tqdm

from understudy.data.ctc import CtcRecognizer
from understudy.data.lexicon import Entry, add_to_lexicon, read_lexicon
from understudy.data.manifest import Clip, read_manifest
from understudy.data.text import tokens, word_error_rate
from understudy.data.whisper import WhisperRecognizer
from understudy.tables import print_table, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--whisper", help="folder or name of a Whisper model")
    parser.add_argument("--corpus", type=Path, help="holds speech/ljspeech")
    parser.add_argument("--work", type=Path, help="folder of workspaces and runs")
    parser.add_argument("--words", nargs="+", default=["l", "t", "z"], help="of grid_letters.tsv")
    parser.add_argument("--steps", type=int, default=1500, help="of training")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.whisper:
        with_whisper(arguments.whisper, ljspeech(arguments.corpus / "speech" / "ljspeech"))
    if arguments.work:
        with_ctc(arguments.work, arguments.words, arguments.steps)


def with_whisper(folder: str, sentences: Sequence[Sentence]) -> None:
    texts = [tokens(sentence.text) for sentence in sentences]

    def heard(**settings: Any) -> list[list[str]]:
        recognizer = WhisperRecognizer(pretrained=folder, **settings)
        recognizer.setup()
        return [tokens(recognizer.recognize([s.samples])[0].text) for s in tqdm(sentences, leave=False)]

    found = {"none": heard()}
    missed = [{*text} - {*other} for text, other in zip(texts, found["none"], strict=True)]
    missed = [{word for word in words if word.isalpha() and len(word) > 2} for words in missed]
    with TemporaryDirectory() as passing:
        lexicon = Path(passing, "lexicon.tsv")
        add_to_lexicon(lexicon, [Entry(word) for word in sorted(set().union(*missed))])
        given = {"lexicon": str(lexicon)}
        found["shown as prompt"] = heard(**given, lexicon_bias=0.0)
        found["bias alone"] = heard(**given, lexicon_prompt=False)
        found["both, as by default"] = heard(**given)
    rows = []
    for name, written in found.items():
        right = sum(len(words & {*other}) for words, other in zip(missed, written, strict=True))
        rate = word_error_rate([" ".join(t) for t in texts], [" ".join(w) for w in written])
        rows.append([name, sum(map(len, missed)), right, rate])
    print_table(["lexicon", "words missed at first", "now written", "WER"], rows)
    print(", ".join(sorted(set().union(*missed))))


def with_ctc(work: Path, chosen: Sequence[str], steps: int) -> None:
    words, workspace = set(chosen), work / SUBJECT
    clips = read_manifest(workspace / "manifests" / "transcribe.jsonl")
    having = [clip for clip in clips if words & set(truth(clip).split())]
    without = work / f"{SUBJECT}_without_{'_'.join(chosen)}"
    letters = read_lexicon(HERE / "grid_letters.tsv")
    lexicon = without / "lexicon.tsv"
    if not without.exists():
        make_copy(workspace, without, [{"clip": clip.id, "drop": "held out"} for clip in having])
        add_to_lexicon(lexicon, [entry for entry in letters if entry.word not in words])
    folder = train(without, "ctc", "experiment=asr_grid_ctc", f"trainer.max_steps={steps}")
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
    write_json(work / "lexicon.json", rows)


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
