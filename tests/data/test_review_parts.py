"""What the review page is made of: suspicion, the estimate of what is left, words, the shared file."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.edits import apply_edits, read_edits
from understudy.data.held_out import Judgement, read_held_out, write_held_out
from understudy.data.lexicon import Entry, add_to_lexicon
from understudy.data.manifest import Clip, json_lines
from understudy.data.overlay import Edit
from understudy.data.review.as_heard import as_heard
from understudy.data.review.edit_log import EditLog
from understudy.data.review.estimate import ENOUGH, error_rate_left, wrong_words
from understudy.data.review.state import confirmed_twice
from understudy.data.review.suspicion import Suspicion
from understudy.data.review.vocabulary import Vocabulary
from understudy.errors import UserError

USUAL = [Clip(f"a_{k}", "a", 0.0, 2.0, {"text": "x" * n, "speaker_distance": n / 100}) for k, n in
         enumerate([18, 19, 20, 20, 21, 22, 20, 19])]  # fmt: skip


def judge(*usual: Clip, **weights: float) -> Suspicion:
    suspicion = Suspicion(**weights)
    suspicion.learn(usual or USUAL)
    return suspicion


def scores(suspicion: Suspicion, **fields: Any) -> dict[str, float]:
    clip = Clip("b", "b", 0.0, 2.0, fields)
    return {sign.name: sign.score for sign in suspicion.signs(clip) if sign.score is not None}


def test_each_sign_grows_with_what_is_unusual() -> None:
    suspicion = judge()
    assert scores(suspicion) == {}
    assert suspicion.score(Clip("b", "b", 0.0, 2.0)) == 0.0
    assert scores(suspicion, confidence=0.75) == {"confidence": 0.25}
    assert scores(suspicion, disagreement=1.4, held_out_error=0.2) == {
        "disagreement": 1.0,
        "held_out_error": 0.2,
    }
    assert [scores(suspicion, flags=["x"] * n)["flags"] for n in range(3)] == [0.0, 0.5, 0.75]
    rates = [scores(suspicion, text="x" * n)["rate"] for n in (0, 4, 14, 20, 26, 40)]
    assert rates[0] == 1.0, "no text at all"
    assert rates[1] > rates[2] > rates[3] == 0.0 < rates[4] < rates[5] == 1.0
    assert [scores(suspicion, speaker_distance=d)["speaker_distance"] for d in (0.0, 0.2, 0.9)] == [
        0.0,
        0.0,
        1.0,
    ]


def test_text_that_the_sound_does_not_bear_out_stands_out() -> None:
    usual = [Clip(str(k), "a", 0.0, 2.0, {"fit": 0.4 + 0.05 * k}) for k in range(5)]
    suspicion = judge(*usual)
    assert scores(suspicion, fit=0.45) == {"fit": pytest.approx(0.0, abs=0.05)}
    assert scores(suspicion, fit=0.02)["fit"] > 0.8


def held_out(error: float, loss: float, heard: str = "") -> Clip:
    judgement = Judgement(clip="b", start=0.0, end=2.0, text="text", heard=heard, error=error, loss=loss)
    return judgement.over(Clip("b", "b", 0.0, 2.0))


def test_a_model_that_never_saw_the_clip_is_measured_by_how_it_does_with_the_others() -> None:
    good = judge(*(held_out(0.0, 0.4 + 0.01 * k) for k in range(8)))
    poor = judge(*(held_out(0.5 + 0.01 * k, 3.0 + 0.1 * k) for k in range(8)))
    assert good.score(held_out(0.0, 0.4)) == 0.0
    assert good.score(held_out(0.6, 3.2)) > 0.8
    assert good.score(held_out(0.3, 0.44)) == 0.0, "a slip of the model: it finds the text likely"
    assert 0.9 < good.score(held_out(0.1, 3.2)) < good.score(held_out(0.2, 3.2))
    assert poor.score(held_out(0.55, 3.2)) == 0.0, "it hears all of them badly"
    assert poor.score(held_out(1.0, 9.0)) > 0.8
    told = {sign.name: sign.words for sign in good.signs(held_out(0.6, 3.2, "bin blue"))}
    assert told["held_out_loss"] == (
        "the model that never saw it finds this text unlikely: 3.2 against 0.47 usual here; "
        "it hears: “bin blue”"
    )
    assert "hears 60% of it otherwise" in told["held_out_error"]


def test_judgements_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "held_out.jsonl"
    assert read_held_out(path) == {}
    written = [
        Judgement(clip=name, start=0.0, end=1.5, text="a", heard="ä", error=0.5, loss=1.25, model="x")
        for name in "ab"
    ]
    write_held_out(path, written)
    assert read_held_out(path) == {judgement.clip: judgement for judgement in written}
    path.write_text(path.read_text() + '{"clip": "c", "text": "no more"}\n')
    with pytest.raises(UserError, match=r"held_out\.jsonl: line 3 lacks something; `understudy crossfit`"):
        read_held_out(path)


def test_who_confirms_again_has_heard_the_doubt() -> None:
    first = Edit("1", "a", "set", {"reviewed": True, "text": "x"}, {"reviewed": None, "text": "y"})
    again = Edit("2", "a", "set", {"reviewed": True}, {"reviewed": True})
    other = Edit("3", "a", "set", {"text": "z"}, {"text": "x"})
    assert confirmed_twice([first]) == confirmed_twice([first, again, other]) == set()
    assert confirmed_twice([first, again]) == confirmed_twice([first, other, again]) == {"a"}


def test_signs_add_up_and_one_is_enough() -> None:
    def score(**fields: Any) -> float:
        return judge(confidence=0.8, flags=0.5).score(Clip("b", "b", 0.0, 2.0, fields))

    assert score(confidence=0.0) == 0.8
    assert score(confidence=0.5) == 0.4
    assert score(confidence=0.5, flags=["x"]) == pytest.approx(1 - 0.6 * 0.75)
    assert score(confidence=0.5, flags=[]) == score(confidence=0.5)


def test_a_set_in_which_all_are_alike_does_not_divide_by_zero() -> None:
    alike = [Clip(str(k), "a", 0.0, 1.0, {"text": "one two", "speaker_distance": 0.0}) for k in range(5)]
    suspicion = judge(*alike)
    assert suspicion.score(alike[0]) == 0.0
    assert 0 < scores(suspicion, text="one two three")["rate"] < 1


def test_the_weakest_word_is_named() -> None:
    words = [[0, 1, "bin", 0.9], [1, 2, "blue", 0.2]]
    clip = Clip("b", "b", 0.0, 2.0, {"confidence": 0.55, "words": words})
    assert judge().signs(clip)[0].words == "55% sure, least of “blue” (20%)"


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_that_is_none(weight: float) -> None:
    with pytest.raises(UserError, match=r"suspicion\.rate=.*a weight is a number from 0 to 1"):
        Suspicion(rate=weight)


def reviewed(
    rate: np.ndarray, suspicion: np.ndarray, rng: np.random.Generator, words: int = 10
) -> np.ndarray:
    """Suspicion, wrong words and words of clips whose words are wrong at a rate."""
    return np.stack([suspicion, rng.binomial(words, rate), np.full(len(rate), words)], axis=1)


def test_the_estimate_of_what_is_left_holds_where_it_can() -> None:
    """Suspicious clips are worse and looked at first; a sample of the others mends the estimate."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        suspicion = np.sort(rng.uniform(0, 1, 600))[::-1]
        rate = 0.4 * suspicion**2
        clips = reviewed(rate, suspicion, rng)
        seen = np.zeros(600, bool)
        seen[:100] = True
        seen[rng.choice(500, 60, replace=False) + 100] = True
        left = clips[~seen]
        estimate = error_rate_left(clips[seen], left[:, [0, 2]])
        assert estimate.rate is not None
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= left[:, 1].sum() / left[:, 2].sum() <= estimate.high
    assert 180 <= covered <= 200, "a 95% interval"


def test_an_estimate_from_the_worst_alone_errs_to_the_safe_side_and_says_so() -> None:
    rng = np.random.default_rng(0)
    suspicion = np.linspace(1, 0, 600)
    clips = reviewed(0.4 * suspicion**2, suspicion, rng)
    estimate = error_rate_left(clips[:150], clips[150:, [0, 2]])
    assert estimate.rate is not None
    assert estimate.rate > clips[150:, 1].sum() / clips[150:, 2].sum()
    assert estimate.borrowed > 0.7


def test_too_few_for_an_estimate() -> None:
    clips = reviewed(np.full(ENOUGH, 0.1), np.linspace(0, 1, ENOUGH), np.random.default_rng(0))
    left = clips[:, [0, 2]]
    assert error_rate_left(clips[:-3], left).missing == 3
    assert error_rate_left(clips[:-3], left).rate is None
    assert error_rate_left(clips, left).rate is not None
    assert error_rate_left(clips, left[:0]).rate is None, "nothing is left"
    spotless = clips * [1, 0, 1]
    estimate = error_rate_left(spotless, left)
    assert (estimate.rate, estimate.low) == (0.0, 0.0)
    assert estimate.high, "no error among few words does not mean that there is none"


WORDS = st.lists(st.sampled_from("abc"), max_size=6)


@given(heard=WORDS, said=WORDS)
def test_wrong_words(heard: list[str], said: list[str]) -> None:
    wrong = wrong_words(heard, said)
    assert wrong == wrong_words(said, heard)
    assert (wrong == 0) == (heard == said)
    assert abs(len(heard) - len(said)) <= wrong <= max(len(heard), len(said))
    assert wrong_words([*heard, "x"], said) <= wrong + 1
    assert wrong_words(["the", "cat", "sat"], ["a", "cat", "sat", "down"]) == 2


def test_known_words(tmp_path: Path) -> None:
    listed = tmp_path / "words.txt"
    listed.write_text("please P L IY Z\nthe(2) DH AH\nblue\nwell\nknown\n")
    vocabulary = Vocabulary(tmp_path, str(listed))
    assert vocabulary.unknown("Please, the BLUE’s well-known 42 Zyzzle; zyzzle!") == ["zyzzle"]
    assert vocabulary.unknown("Anna Anna", {"anna": 1}) == [], "seen elsewhere"
    assert vocabulary.offers(["the zyzzle", "a Zyzzle", "qwyx"]) == [("zyzzle", 2), ("a", 1), ("qwyx", 1)]
    vocabulary.decline("ZYZZLE")
    add_to_lexicon(tmp_path / "lexicon.tsv", [Entry("Qwyx")])
    assert vocabulary.look()
    assert not vocabulary.look()
    assert vocabulary.offers(["the zyzzle", "qwyx"]) == []
    assert vocabulary.unknown("zyzzle qwyx") == ["zyzzle"], (
        "declined for the lexicon, but still a strange word"
    )


def test_without_a_word_list_no_word_is_strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.data.review.vocabulary.find_spec", lambda _: None)
    vocabulary = Vocabulary(tmp_path)
    assert vocabulary.unknown("zyzzle") == vocabulary.offers(["zyzzle"]) == []


CLIP = Clip("a_0.00-2.00", "a", 0.0, 2.0, {"text": "bin blew at", "words": [[0.2, 0.6, "bin", 0.9],
            [0.8, 1.2, "blew", 0.5], [1.3, 1.8, "at", 0.8]]})  # fmt: skip


def edits(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json_lines(rows))
    return path


def test_a_manifest_is_unedited_again(tmp_path: Path) -> None:
    path = edits(
        tmp_path / "edits.jsonl",
        {"id": "1", "clip": CLIP.id, "set": {"text": "bin blue at"}, "was": {"text": "bin blew at"}},
        {"id": "2", "clip": CLIP.id, "set": {"text": "bin blue at now"}, "was": {"text": "bin blue at"}},
        {
            "id": "3",
            "clip": CLIP.id,
            "set": {"end": 1.96, "reviewed": True},
            "was": {"end": 2.0, "reviewed": None},
        },
    )
    (edited,), *_ = apply_edits([CLIP], path)
    assert (edited["text"], edited.end, edited["reviewed"]) == ("bin blue at now", 1.96, True)
    (heard,) = as_heard([edited], read_edits(path))
    assert heard.fields.keys() == CLIP.fields.keys()
    assert (heard["text"], heard.start, heard.end) == ("bin blew at", 0.0, 2.0)
    assert apply_edits([heard], path)[0][0]["text"] == "bin blue at now"
    anew = CLIP.add(text="been blue hat")
    assert as_heard([anew], read_edits(path)) == [anew], "heard anew since: nothing of it is an edit"


def test_what_a_person_dropped_is_found_again(tmp_path: Path) -> None:
    path = edits(tmp_path / "edits.jsonl", {"clip": CLIP.id, "drop": "noise", "was": CLIP.to_json()})
    assert as_heard([], read_edits(path)) == [CLIP]
    assert as_heard([CLIP], read_edits(path)) == [CLIP]


def test_lines_come_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    log, other = EditLog(path), EditLog(path)
    assert log.news() == []
    for number in range(3):
        with other.turn():
            other.append([{"id": str(number), "clip": "a", "drop": "größer"}])
        assert [edit.id for edit in log.news()] == [str(number)]
    assert [edit.where for edit in other.news()] == [f"{path}:{n}" for n in (1, 2, 3)]
    with path.open("ab") as file:
        file.write(b'{"clip": "a", "dr')
    assert log.news() == [], "it may be finished yet"
    with path.open("ab") as file:
        file.write(b'op": "x"}\n')
    assert [edit.id for edit in log.news()] == ["line 4"]


def test_what_is_cut_short_is_mended_before_the_next_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "edits.jsonl"
    line = json.dumps({"clip": "a", "drop": "größer"}, ensure_ascii=False).encode()
    log = EditLog(path)
    for cut in range(1, len(line) + 1):
        path.write_bytes(line + b"\n" + line[:cut])
        log.rewind()
        with caplog.at_level(logging.WARNING), log.turn():
            log.append([{"clip": "b", "drop": "y"}])
        clips = [edit.clip for edit in log.news()]
        assert clips == (["a", "a", "b"] if cut == len(line) else ["a", "b"])
    assert len(caplog.records) == len(line) - 1


def test_a_file_that_another_has_written_anew_is_noticed(tmp_path: Path) -> None:
    path = edits(tmp_path / "edits.jsonl", {"clip": "a", "drop": "x"}, {"clip": "b", "drop": "x"})
    log = EditLog(path)
    log.news()
    assert not log.replaced()
    path.write_text(path.read_text().replace("x", "other"))
    assert log.replaced(), "though it is longer, and the same file"
    path.write_text("")
    assert log.replaced()
    edits(
        tmp_path / "new", {"clip": "a", "drop": "x"}, {"clip": "b", "drop": "x"}, {"clip": "c", "drop": "x"}
    )
    (tmp_path / "new").replace(path)
    assert log.replaced()
    path.unlink()
    assert log.replaced()
