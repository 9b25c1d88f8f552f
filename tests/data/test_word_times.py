import pickle
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly
from tiny_models import tiny_ctc

from understudy.data.demo.voice import VOICES, Utterance, speak
from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.data.recognizers import Word
from understudy.data.word_times import Aligner, CtcAligner, SphinxAligner, align_characters
from understudy.errors import UserError

BLANK, SPACE, A, B, C = range(5)


@pytest.fixture(scope="module")
def said() -> Utterance:
    return speak("Please call my brother and tell him that the children are at school.", voice=VOICES["one"])


@pytest.fixture(scope="module")
def voice(said: Utterance) -> np.ndarray:
    return resample_poly(said.samples, 2, 3).astype(np.float32)


@pytest.fixture(scope="module")
def sphinx() -> SphinxAligner:
    aligner: SphinxAligner = pickle.loads(pickle.dumps(SphinxAligner()))
    aligner.setup()
    return aligner


@pytest.fixture(scope="module")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> CtcAligner:
    aligner = CtcAligner(pretrained=str(tiny_ctc(tmp_path_factory.mktemp("ctc"))))
    aligner: CtcAligner = pickle.loads(pickle.dumps(aligner))  # type: ignore[no-redef]
    aligner.setup()
    return aligner


def sung(path: str, probability: float) -> torch.Tensor:
    """Log probabilities (frames, 5) of a model that is this sure of one character a frame."""
    order = "-|abc"
    rest = (1 - probability) / (len(order) - 1)
    rows = [[probability if name == wanted else rest for name in order] for wanted in path]
    return torch.tensor(rows).log()


@pytest.mark.parametrize("space", [SPACE, None])
def test_frames_of_words(space: int | None) -> None:
    heard = sung("--aab--||--c-", 0.9) if space else sung("--aab------c-", 0.9)
    found = align_characters(heard, [[A, B], [C]], blank=BLANK, between=space)
    assert [span[:2] for span in found] == [(2, 5), (11, 12)]
    assert [span[2] for span in found] == pytest.approx([0.9, 0.9])


def test_the_path_is_the_most_probable_one() -> None:
    heard = sung("-a-a--b-", 0.8)
    # one "a" for two: the blanks around the other are better spent there than on a doubtful frame
    assert [s[:2] for s in align_characters(heard, [[A], [A], [B]], blank=BLANK)] == [(1, 2), (3, 4), (6, 7)]
    # a letter that was never heard: whichever frame it takes, it is as improbable
    (_, (start, end, sure)) = align_characters(heard, [[A], [C]], blank=BLANK)
    assert (end - start, sure) == (1, pytest.approx(0.05))


def test_a_word_without_a_letter_takes_what_is_left() -> None:
    heard = sung("-a-----b-", 0.9)
    first, unknown, last = align_characters(heard, [[A], [], [B]], blank=BLANK)
    assert (first[:2], unknown, last[:2]) == ((1, 2), (2, 7, 0.0), (7, 8))


def test_what_does_not_fit() -> None:
    heard = sung("-ab-", 0.9)
    assert len(align_characters(heard, [[A], [B], [C], [A]], blank=BLANK)) == 4
    assert align_characters(heard, [[A], [B], [C], [A], [B]], blank=BLANK) == []
    assert align_characters(heard, [[A, A], [B, B]], blank=BLANK) == [], "equal letters need a blank between"
    assert align_characters(heard, [[A], [B], [C]], blank=BLANK, between=SPACE) == []
    assert align_characters(heard, [], blank=BLANK) == []


def in_order(words: tuple[Word, ...], duration: float) -> bool:
    times = [time for word in words for time in (word.start, word.end)]
    return times == sorted(times) and times[0] >= 0 and times[-1] <= duration + 1e-6


ANY = ["sphinx", "ctc"]


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("text", ["Please", "Call — 2 (or Blorbquist’s) 日本 naïve №9, 12%!", "’ tell ♪"])
def test_any_text_keeps_its_words(
    name: str, text: str, voice: np.ndarray, request: pytest.FixtureRequest
) -> None:
    aligner: Aligner = request.getfixturevalue(name)
    words = aligner.align(voice, text)
    assert [word.text for word in words] == text.split()
    assert in_order(words, len(voice) / SAMPLE_RATE)
    for word in words:
        assert 0 <= word.confidence <= 1
        if not any(c.isalnum() for c in word.text):
            assert (word.end - word.start, word.confidence) == (0, 0), "a mark is a moment"


def test_letters_lie_inside_their_words(ctc: CtcAligner, voice: np.ndarray, tmp_path: Path) -> None:
    text = "Please call 2 – brothers."
    words, letters = ctc.align(voice, text), ctc.align_letters(voice, text)
    assert "".join(letter.text for letter in letters) == "pleasecalltwobrothers"
    assert all(a.end <= b.start for a, b in pairwise(letters))
    assert (letters[0].start, letters[-1].end) == (words[0].start, words[-1].end)
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("2\ttoo\n")
    other = replace(ctc, lexicon=str(lexicon))
    other.setup()
    assert "".join(letter.text for letter in other.align_letters(voice, text)) == "pleasecalltoobrothers"
    assert other.model_id != ctc.model_id
    assert ctc.align_letters(voice, "–") == ctc.align_letters(voice[:800], text) == ()
    assert ctc.align_letters(voice[:8000], text * 20) == ()


@pytest.mark.parametrize("name", ANY)
def test_text_that_cannot_be_there(name: str, voice: np.ndarray, request: pytest.FixtureRequest) -> None:
    aligner: Aligner = request.getfixturevalue(name)
    assert aligner.align(voice[: SAMPLE_RATE // 2], "much too many words for half a second " * 4) == ()
    assert aligner.align(voice[:100], "please") == ()
    assert aligner.align(voice[:0], "please") == ()
    assert aligner.align(voice, "") == aligner.align(voice, "— ♪") == ()
    assert aligner.align(voice, "please call"), "and it goes on"


def test_sphinx_finds_the_words(sphinx: SphinxAligner, said: Utterance, voice: np.ndarray) -> None:
    truth = said.words
    found = sphinx.align(voice, " ".join(word.text for word in truth))
    starts = [abs(a.start - b.start) for a, b in zip(found, truth, strict=True)]
    ends = [abs(a.end - b.end) for a, b in zip(found, truth, strict=True)]
    assert np.median(starts + ends) < 0.03
    assert max(starts + ends) < 0.12


def test_sphinx_doubts_what_is_not_said(sphinx: SphinxAligner, said: Utterance, voice: np.ndarray) -> None:
    text = " ".join(word.text for word in said.words)
    right = sphinx.align(voice, text)
    wrong = sphinx.align(voice, text.replace("brother", "mother's").replace("school", "windows"))
    for before, now in zip(right, wrong, strict=True):
        assert before.confidence > 0.02
        if now.text != before.text:
            assert now.confidence < 0.02


def test_a_name_that_no_dictionary_has(sphinx: SphinxAligner, said: Utterance, voice: np.ndarray) -> None:
    """Spelled as nobody does, it is still found where it is said."""
    found = sphinx.align(voice, "Pleez kawl my bruther and tel him that the children are at skool")
    for a, b in zip(found, said.words, strict=True):
        assert abs(a.start - b.start) < 0.15
    assert sphinx.align(voice, "Pleez")[0].text == "Pleez", "also the second time"


def test_sphinx_on_a_real_speaker(sphinx: SphinxAligner, corpus: Path) -> None:
    errors = []
    for path in sorted((corpus / "grid" / "s26").glob("*.mp4")):
        rows = [line.split() for line in path.with_suffix(".align").read_text().splitlines()]
        truth = [(int(a) / 25000, int(b) / 25000, w) for a, b, w in rows if w not in ("sil", "sp")]
        found = sphinx.align(read_audio(path), " ".join(word for *_, word in truth))
        errors += [abs(w.start - t[0]) for w, t in zip(found, truth, strict=True)]
        errors += [abs(w.end - t[1]) for w, t in zip(found, truth, strict=True)]
    assert len(errors) == 2 * 6 * 10
    assert np.percentile(errors, 50) <= 0.03
    assert np.percentile(errors, 95) <= 0.12


def test_settings_are_part_of_the_name(ctc: CtcAligner, tmp_path: Path) -> None:
    other = tiny_ctc(tmp_path / "other", seed=1)
    names = {
        SphinxAligner().model_id,
        ctc.model_id,
        CtcAligner(pretrained=str(other)).model_id,
        CtcAligner(pretrained=str(other), language="de").model_id,
        CtcAligner().model_id,
    }
    assert len(names) == 5
    assert CtcAligner(pretrained=ctc.pretrained).model_id == ctc.model_id


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be loaded as AutoModelForCTC .*; give its folder, aligner"):
        CtcAligner(pretrained=str(tmp_path)).setup()
