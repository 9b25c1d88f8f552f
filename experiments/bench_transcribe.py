"""What each transcriber is worth: error rates, speed, and how well its confidence and word times serve.

    python experiments/bench_transcribe.py CORPUS [--whisper FOLDER ...] [--ctc FOLDER]

CORPUS holds `speech/ljspeech` (recordings and `metadata.csv`) and `grid` (a folder a speaker, sentences
named after their words, `.align` beside them with the true times of words).

    WER, CER         word and character error rate, of normalised text
    cost             seconds of computing on one core for a second of sound
    confidence, fit  rank correlation with the WER of a clip, over all clips: -1 would sort them by it
    start, end       error of a word's borders in milliseconds: half are below p50, 95 of 100 below p95;
                     a transcriber's own times are of the words that it got right
"""

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from tqdm import tqdm

from understudy.data.media import SAMPLE_RATE, Seconds, read_audio
from understudy.data.recognizers import Recognizer, SphinxRecognizer, Transcript, Word
from understudy.data.text import character_error_rate, spoken, tokens, word_error_rate
from understudy.data.transcribe import fit_of
from understudy.data.whisper import WhisperRecognizer
from understudy.data.word_times import Aligner, CtcAligner, SphinxAligner
from understudy.tables import print_table

GRID = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {"z": "zero", **{str(digit): spoken(str(digit))[0] for digit in range(1, 10)}},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
ALIGN_RATE = 25000  # units a second in a file of times


@dataclass
class Sentence:
    samples: np.ndarray
    text: str
    words: Sequence[tuple[Seconds, Seconds, str]] = ()

    @property
    def duration(self) -> Seconds:
        return len(self.samples) / SAMPLE_RATE


def ljspeech(folder: Path) -> list[Sentence]:
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    return [Sentence(read_audio(folder / f"{name}.flac"), text) for name, _, text in rows]


def grid(folder: Path, sentences: int) -> list[Sentence]:
    """As many, evenly over what there is."""
    paths = sorted(path for path in folder.glob("*.mp4") if path.with_suffix(".align").exists())
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(sentences, len(paths))).round().astype(int))
    return [grid_sentence(paths[k]) for k in tqdm(chosen, desc=folder.name, leave=False)]


def grid_sentence(path: Path) -> Sentence:
    text = " ".join(table[letter] for table, letter in zip(GRID, path.stem, strict=True))
    rows = [line.split() for line in path.with_suffix(".align").read_text().splitlines()]
    words = [(int(a) / ALIGN_RATE, int(b) / ALIGN_RATE, w) for a, b, w in rows if w not in ("sil", "sp")]
    return Sentence(read_audio(path), text, words)


def transcribe(recognizer: Recognizer, sentences: list[Sentence]) -> tuple[list[Transcript], float]:
    """What it hears, and what that costs."""
    began = time.process_time()
    heard = [recognizer.recognize([s.samples])[0] for s in tqdm(sentences, leave=False)]
    return heard, (time.process_time() - began) / sum(s.duration for s in sentences)


def border_errors(found: Sequence[Word], truth: Sequence[tuple[Seconds, Seconds, str]]) -> np.ndarray:
    """(borders, 2): seconds from the true start and end of words that both have; nan for one inside "F2"."""
    heard: list[tuple[str, float, float]] = []
    for word in found:
        parts = spoken(word.text)
        for k, part in enumerate(parts):
            start = word.start if k == 0 else np.nan
            heard.append((part, start, word.end if k == len(parts) - 1 else np.nan))
    matcher = SequenceMatcher(None, [word for word, _, _ in heard], [word for _, _, word in truth], False)
    pairs = [(b.a + k, b.b + k) for b in matcher.get_matching_blocks() for k in range(b.size)]
    errors = [[heard[i][1] - truth[j][0], heard[i][2] - truth[j][1]] for i, j in pairs]
    return np.array(errors).reshape(-1, 2)


def border_row(name: str, errors: Sequence[np.ndarray]) -> list[Any]:
    together = np.abs(np.concatenate(errors)) * 1000
    p50, p95 = (np.nanpercentile(together, share, axis=0) for share in (50, 95))
    return [name, len(together), *(f"{value:.0f}" for value in (p50[0], p95[0], p50[1], p95[1]))]


def fit(sentence: Sentence, text: str, aligner: Aligner) -> float:
    return fit_of(aligner.align(sentence.samples, text)) or 0.0


def compare_recognizers(
    recognizers: dict[str, Recognizer], aligner: Aligner, sets: dict[str, list[Sentence]]
) -> list[list[Any]]:
    """Prints their error rates and how well these can be guessed; gives rows of their word times."""
    rates, signs, borders = [], [], []
    for name, recognizer in recognizers.items():
        recognizer.setup()
        pairs: list[tuple[Sentence, Transcript]] = []
        for place, sentences in sets.items():
            heard, cost = transcribe(recognizer, sentences)
            texts, truth = [transcript.text for transcript in heard], [s.text for s in sentences]
            words = sum(len(tokens(text)) for text in truth)
            wer, cer = word_error_rate(truth, texts), character_error_rate(truth, texts)
            rates.append([name, place, len(sentences), words, wer, cer, cost])
            pairs += zip(sentences, heard, strict=True)
        wrong = [word_error_rate([s.text], [t.text]) for s, t in pairs]
        told = [t.confidence for _, t in pairs], [fit(s, t.text, aligner) for s, t in pairs]
        signs.append([name, len(pairs), *(float(spearmanr(wrong, sign).statistic) for sign in told)])
        borders.append(
            border_row(f"{name}, its own text", [border_errors(t.words, s.words) for s, t in pairs])
        )
    print_table(["transcriber", "recordings", "clips", "words", "WER", "CER", "cost"], rates)
    print_table(["sign of errors", "clips", "confidence", "fit"], signs)
    return borders


def compare_aligners(aligners: dict[str, Aligner], timed: list[Sentence]) -> list[list[Any]]:
    """Prints how well they tell a text from another one; gives rows of their word times."""
    fits, borders = [], []
    for name, aligner in aligners.items():
        found = [border_errors(aligner.align(s.samples, s.text), s.words) for s in timed]
        borders.append(border_row(f"{name}, the true text", found))
        for whose, texts in (("its own", timed), ("another's", timed[7:] + timed[:7])):
            values = [fit(s, other.text, aligner) for s, other in zip(timed, texts, strict=True)]
            fits.append([f"{name}, {whose}", len(values), *np.percentile(values, (1, 5, 50, 95, 99))])
    print_table(["fit of a clip and a text", "clips", "p1", "p5", "p50", "p95", "p99"], fits)
    return borders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--whisper", nargs="*", default=[], help="folders or names of Whisper models")
    parser.add_argument("--ctc", nargs="*", default=[], help="folders or names of CTC models, for word times")
    parser.add_argument("--sentences", type=int, default=80, help="of GRID's speaker s1")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sets = {"LJSpeech": ljspeech(arguments.corpus / "speech" / "ljspeech")}
    for speaker, count in (("s1", arguments.sentences), ("s26", 10), ("s31", 10)):
        sets[f"GRID {speaker}"] = grid(arguments.corpus / "grid" / speaker, count)
    recognizers: dict[str, Recognizer] = {"pocketsphinx": SphinxRecognizer()}
    recognizers |= {Path(name).name: WhisperRecognizer(pretrained=name) for name in arguments.whisper}
    aligners: dict[str, Aligner] = {"pocketsphinx": SphinxAligner()}
    aligners |= {Path(name).name: CtcAligner(pretrained=name) for name in arguments.ctc}
    for aligner in aligners.values():
        aligner.setup()
    borders = compare_recognizers(recognizers, aligners["pocketsphinx"], sets)
    borders += compare_aligners(aligners, [s for sentences in sets.values() for s in sentences if s.words])
    print_table(["word times of GRID", "words", "start p50", "p95", "end p50", "p95"], borders)


if __name__ == "__main__":
    main()
