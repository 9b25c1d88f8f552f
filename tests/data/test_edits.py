"""A person's edits: each kind, in what order they count, laid over one stage after the other."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.edits import apply_edits, parse_edits, read_edits, standing
from understudy.data.manifest import Clip, Drop, json_lines
from understudy.data.overlay import Edit, Overlay
from understudy.errors import UserError

WORDS = [[0.1, 0.4, "bin", 0.9], [0.5, 0.9, "blue", 0.8], [1.1, 1.4, "at", 0.7], [1.5, 1.9, "four", 0.6]]
TOLD = Clip("a_0.00-2.00", "a", 0.0, 2.0, {"text": "bin blue at four", "words": WORDS, "speaker": "one"})
PLAIN = Clip("a_2.00-4.00", "a", 2.0, 4.0, {"text": "now then"})
BARE = Clip("b_0.00-3.00", "b", 0.0, 3.0)
CLIPS = [TOLD, PLAIN, BARE]

Rows = Sequence[dict[str, Any]]


def laid(*rows: dict[str, Any], clips: Sequence[Clip] = CLIPS) -> tuple[list[Clip], list[Drop]]:
    edits, torn = parse_edits(json_lines(rows).encode(), Path("edits.jsonl"))
    assert not torn
    return Overlay(clips, standing(edits)).result()


def kept(*rows: dict[str, Any], clips: Sequence[Clip] = CLIPS) -> list[Clip]:
    return laid(*rows, clips=clips)[0]


def ids(clips: Sequence[Clip]) -> list[str]:
    return [clip.id for clip in clips]


def said(clip: Clip) -> list[tuple[float, float, str]]:
    return [(start, end, word) for start, end, word, _ in clip["words"]]


def test_without_edits_nothing_changes(tmp_path: Path) -> None:
    assert apply_edits(CLIPS, tmp_path / "none.jsonl") == (CLIPS, [], set())


def test_an_edit_sets_fields_and_takes_them_away() -> None:
    first, second, third = kept(
        {"clip": PLAIN.id, "set": {"text": "now", "speaker": "two"}},
        {"clip": TOLD.id, "set": {"speaker": None}},
    )
    assert second.fields == {"text": "now", "speaker": "two"}
    assert first.fields == {"text": TOLD["text"], "words": WORDS}
    assert third is BARE


def test_the_later_edit_wins_field_by_field() -> None:
    _, second, _ = kept(
        {"clip": PLAIN.id, "set": {"text": "first", "speaker": "two"}},
        {"clip": PLAIN.id, "set": {"text": "second"}},
    )
    assert second.fields == {"text": "second", "speaker": "two"}


def test_words_of_a_corrected_text_keep_their_times() -> None:
    first, *_ = kept({"clip": TOLD.id, "set": {"text": "Bin blue in the four again"}})
    assert said(first) == [
        (0.1, 0.4, "Bin"),
        (0.5, 0.9, "blue"),
        (1.1, 1.22, "in"),
        (1.22, 1.4, "the"),
        (1.5, 1.9, "four"),
        (1.9, 2.0, "again"),
    ]
    assert [word[3] for word in first["words"]] == [0.9, 0.8, 1.0, 1.0, 0.6, 1.0]
    # there is no room behind the last word: they share its time
    first, *_ = kept({"clip": TOLD.id, "set": {"text": "bin blue at four seven eight"}})
    assert said(first)[3:] == [(1.5, 1.643, "four"), (1.643, 1.821, "seven"), (1.821, 2.0, "eight")]
    assert [word[3] for word in first["words"]] == [0.9, 0.8, 0.7, 0.6, 1.0, 1.0]


def test_a_person_drops_and_takes_back() -> None:
    drop, back = {"clip": PLAIN.id, "drop": "coughs"}, {"clip": PLAIN.id, "drop": None}
    assert laid(drop) == ([TOLD, BARE], [Drop(PLAIN.id, 2.0, 4.0, "a person: coughs")])
    assert laid(drop, back) == (CLIPS, [])
    assert laid(back, drop)[0] == [TOLD, BARE]


def test_a_split_makes_two_clips_of_one() -> None:
    one, two, *rest = kept(
        {"clip": TOLD.id, "split": 1.0}, {"clip": "a_1.00-2.00", "set": {"text": "in four"}}
    )
    assert (one.id, one.start, one.end, one["text"]) == ("a_0.00-1.00", 0.0, 1.0, "bin blue")
    assert (two.id, two.start, two.end, two["text"]) == ("a_1.00-2.00", 1.0, 2.0, "in four")
    assert said(two) == [(1.1, 1.4, "in"), (1.5, 1.9, "four")]
    assert one["speaker"] == two["speaker"] == "one"
    assert rest == [PLAIN, BARE]


def test_a_split_divides_a_text_without_times_and_a_corrected_one() -> None:
    _, one, two, _ = kept({"clip": PLAIN.id, "split": 2.7})
    assert (one.fields["text"], two.fields["text"]) == ("now", "then")
    assert "words" not in one.fields
    one, two, *_ = kept(
        {"clip": TOLD.id, "set": {"text": "bin grey at five"}}, {"clip": TOLD.id, "split": 1.0}
    )
    assert (one["text"], two["text"]) == ("bin grey", "at five")


def test_what_is_said_before_a_split_is_said_of_the_whole() -> None:
    one, two, *_ = kept(
        {"clip": TOLD.id, "set": {"speaker": "two", "reviewed": True}},
        {"clip": TOLD.id, "split": 1.0},
        {"clip": TOLD.id, "set": {"speaker": "three"}},  # of a clip that is no more
    )
    assert one["speaker"] == two["speaker"] == "two"
    assert "reviewed" not in one.fields, "nobody has looked at the parts"


def test_a_merge_makes_one_clip_of_two() -> None:
    for rows in ({"clip": TOLD.id, "merge": PLAIN.id}, {"clip": PLAIN.id, "merge": TOLD.id}):
        both, rest = kept(rows)
        assert (both.id, both.start, both.end) == ("a_0.00-4.00", 0.0, 4.0)
        assert both["text"] == "bin blue at four now then"
        assert [word[2] for word in both["words"]] == both["text"].split()
        assert rest == BARE


@pytest.mark.parametrize("other", [BARE.id, TOLD.id, "gone"])
def test_what_cannot_be_merged_is_left(other: str) -> None:
    assert ids(kept({"clip": TOLD.id, "merge": other})) == ids(CLIPS)


def test_a_trim_keeps_the_name_and_what_is_spoken_in_it() -> None:
    first, *_ = kept({"clip": TOLD.id, "set": {"start": 0.44, "end": 1.45}})
    assert (first.id, first.start, first.end, first["text"]) == (TOLD.id, 0.44, 1.45, "blue at")
    first, *_ = kept({"clip": TOLD.id, "set": {"text": "my words"}}, {"clip": TOLD.id, "set": {"end": 0.95}})
    assert (first.end, first["text"]) == (0.95, "my words"), "a person's text is the person's to shorten"


def test_what_was_heard_stays_as_long_as_the_clip_does() -> None:
    told, plain = TOLD.add(heard="bin blew"), PLAIN.add(source="a", heard="now")
    (corrected,) = kept({"clip": TOLD.id, "set": {"text": "bin"}}, clips=[told])
    assert corrected["heard"] == "bin blew"
    for edit in ({"split": 1.0}, {"merge": PLAIN.id}, {"set": {"end": 1.0}}):
        first, *_ = kept({"clip": TOLD.id, **edit}, clips=[told, plain])
        assert "heard" not in first.fields


def test_undo_and_redo() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "1", "clip": PLAIN.id, "set": {"text": "first"}},
        {"id": "2", "clip": PLAIN.id, "set": {"text": "second"}},
        {"id": "3", "clip": PLAIN.id, "undo": ["2"]},
    ]
    assert kept(*rows)[1]["text"] == "first"
    assert kept(*rows, {"id": "4", "clip": PLAIN.id, "undo": ["3"]})[1]["text"] == "second"
    assert kept(*rows, {"id": "4", "clip": PLAIN.id, "undo": ["1"]})[1] == PLAIN
    assert kept(*rows, {"id": "2", "clip": PLAIN.id, "set": {"text": "third"}})[1]["text"] == "third"
    assert kept({"clip": PLAIN.id, "drop": "x"}, {"clip": PLAIN.id, "undo": ["line 1"]}) == CLIPS


def test_an_undo_takes_back_all_lines_of_an_action() -> None:
    split = [
        {"id": "s", "clip": TOLD.id, "split": 1.0},
        {"id": "s", "clip": "a_0.00-1.00", "set": {"text": "bin"}},
    ]
    assert ids(kept(*split)) == ["a_0.00-1.00", "a_1.00-2.00", PLAIN.id, BARE.id]
    assert kept(*split, {"clip": TOLD.id, "undo": ["s"]}) == CLIPS


def test_edits_laid_over_a_later_stage() -> None:
    """It has the parts already; what was split, joined and moved is not split, joined and moved again."""
    rows: list[dict[str, Any]] = [
        {"id": "1", "clip": TOLD.id, "split": 1.0},
        {"id": "2", "clip": "a_0.00-1.00", "merge": "a_1.00-2.00"},  # named as before
        {"id": "3", "clip": TOLD.id, "set": {"end": 1.5, "text": "bin blue at"}},
        {"id": "4", "clip": PLAIN.id, "set": {"end": 3.0}},
    ]
    first = kept(*rows)
    assert [(clip.id, clip.start, clip.end) for clip in first[:2]] == [
        (TOLD.id, 0.0, 1.5),
        (PLAIN.id, 2.0, 3.0),
    ]
    heard = [
        first[0].add(text="been blew", words=[[0.1, 0.4, "been", 0.5], [0.5, 0.9, "blew", 0.5]]),
        *first[1:],
    ]
    again = kept(*rows, clips=heard)
    assert [(clip.id, clip.start, clip.end) for clip in again] == [(c.id, c.start, c.end) for c in first]
    assert again[0]["text"] == "bin blue at", "the person's text, not what the next stage heard"
    later = kept(*rows, {"id": "5", "clip": PLAIN.id, "set": {"start": 2.5}}, clips=again)
    assert later[1].start == 2.5


def test_an_edit_of_a_clip_that_is_not_there_harms_nothing() -> None:
    assert laid({"clip": "gone", "drop": "x"}, {"clip": "gone", "split": 1.0}) == (CLIPS, [])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"set": {"text": "x"}}, "needs `clip` and one of set, drop, split, merge, undo"),
        ({"clip": "a"}, "needs `clip` and one of"),
        ({"clip": "a", "dorp": "x"}, "needs `clip` and one of"),
        ({"clip": "a", "drop": "x", "split": 1.0}, "needs `clip` and one of"),
        ({"clip": "a", "set": "text"}, "`set` takes"),
        ({"clip": "a", "set": {"id": "b"}}, "cannot be set"),
        ({"clip": "a", "set": {"end": "2"}}, "are seconds"),
        ({"clip": "a", "set": {"text": 5}}, "`text` is a string"),
        ({"clip": "a", "drop": ""}, "takes a reason"),
        ({"clip": "a", "split": True}, "takes seconds"),
        ({"clip": "a", "split": -1}, "takes seconds"),
        ({"clip": "a", "merge": None}, "another clip's id"),
        ({"clip": "a", "undo": "1"}, "a list of edits' ids"),
    ],
)
def test_a_line_that_says_nothing_is_named(tmp_path: Path, row: dict[str, Any], why: str) -> None:
    path = tmp_path / "edits.jsonl"
    path.write_text(json_lines([{"clip": "a", "drop": "x"}, row]), encoding="utf-8")
    with pytest.raises(UserError, match=rf"edits\.jsonl:2: .*{why}"):
        apply_edits(CLIPS, path)


def test_a_trim_to_nothing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    path.write_text(json_lines([{"clip": BARE.id, "set": {"start": 3.0}}]))
    with pytest.raises(UserError, match=r"edits\.jsonl:1: clip b_0.00-3.00 would end before it starts"):
        apply_edits(CLIPS, path)


def test_a_last_line_cut_short_is_passed_over_with_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "edits.jsonl"
    whole = json_lines(
        [{"clip": TOLD.id, "drop": "x"}, {"clip": PLAIN.id, "set": {"text": "größer"}}]
    ).encode()
    first_line = whole.index(b"\n") + 1
    for cut in range(first_line + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert [edit.clip for edit in read_edits(path)] == [TOLD.id]
        assert "cut short" in caplog.text
        caplog.clear()
    path.write_bytes(whole[:-1])  # only the newline is missing, as some editors have it
    assert len(read_edits(path)) == 2
    assert not caplog.text
    path.write_bytes(whole[: first_line - 5] + b"\n" + whole[first_line:])
    with pytest.raises(UserError, match=r"edits\.jsonl:1: not JSON"):
        read_edits(path)


TIMES = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
NAMES = st.sampled_from(
    [*ids(CLIPS), *(f"a_{s:.2f}-{e:.2f}" for s in (0, 0.5, 1, 2) for e in (1, 1.5, 2, 3, 4) if s < e)]
)
TEXTS = st.sampled_from(["", "bin", "bin blue at", "something else", "now then"])
FIELDS = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}),
    st.fixed_dictionaries({"speaker": st.sampled_from(["one", "two", None])}),
    st.fixed_dictionaries({"end": TIMES.filter(lambda time: time > 2.0)}),
    st.fixed_dictionaries({"start": st.sampled_from([0.0, 0.25, 0.5])}),
    st.fixed_dictionaries({"reviewed": st.sampled_from([True, None])}),
)
ROWS = st.one_of(
    st.builds(lambda clip, fields: {"clip": clip, "set": fields}, NAMES, FIELDS),
    st.builds(lambda clip, why: {"clip": clip, "drop": why}, NAMES, st.sampled_from(["noise", None])),
    st.builds(lambda clip, at: {"clip": clip, "split": at}, NAMES, TIMES),
    st.builds(lambda clip, other: {"clip": clip, "merge": other}, NAMES, NAMES),
)


def numbered(rows: Rows, session: str = "") -> list[dict[str, Any]]:
    return [{**row, "id": f"{session}{number}"} for number, row in enumerate(rows)]


def applied(clips: Sequence[Clip], rows: Rows) -> tuple[list[Clip], list[Drop]] | None:
    """None where a trim leaves nothing."""
    try:
        return laid(*rows, clips=clips)
    except UserError:
        return None


@given(rows=st.lists(ROWS, max_size=12))
def test_the_same_edits_give_the_same_clips_at_every_stage(rows: Rows) -> None:
    rows = numbered(rows)
    first = applied(CLIPS, rows)
    assert first == applied(CLIPS, json.loads(json.dumps(rows)))
    if first:
        assert len(set(ids(first[0]))) == len(first[0])
        written = [Clip.from_json(json.loads(json.dumps(clip.to_json()))) for clip in first[0]]
        assert applied(written, rows) == (first[0], [])


@given(rows=st.lists(ROWS, max_size=10), last=ROWS)
def test_undo_restores_and_redo_does_it_again(rows: Rows, last: dict[str, Any]) -> None:
    before, done = numbered(rows), [*numbered(rows), {**last, "id": "last"}]
    undo = {"clip": last["clip"], "undo": ["last"], "id": "undo"}
    redo = {"clip": last["clip"], "undo": ["undo"], "id": "redo"}
    assert applied(CLIPS, [*done, undo]) == applied(CLIPS, before)
    assert applied(CLIPS, [*done, undo, redo]) == applied(CLIPS, done)


@given(data=st.data(), mine=st.lists(ROWS, max_size=5), theirs=st.lists(ROWS, max_size=5))
def test_two_sessions_lose_nothing(data: st.DataObject, mine: Rows, theirs: Rows) -> None:
    """However their lines are mixed, each keeps its order, and the last word on a clip stands."""
    waiting = {"mine": numbered(mine, "m"), "theirs": numbered(theirs, "t")}
    mixed: list[dict[str, Any]] = []
    while any(waiting.values()):
        session = data.draw(st.sampled_from([name for name, left in waiting.items() if left]))
        mixed.append(waiting[session].pop(0))
    edits, _ = parse_edits(json_lines(mixed).encode(), Path("edits.jsonl"))
    assert [edit.id for edit in edits] == [row["id"] for row in mixed]
    plain = [row for row in mixed if "set" in row and not {"start", "end"} & row["set"].keys()]
    last: dict[tuple[str, str], Any] = {(r["clip"], name): v for r in plain for name, v in r["set"].items()}
    clips = {clip.id: clip for clip in kept(*plain)}
    for (name, field), value in last.items():
        if name in clips:
            assert clips[name].fields.get(field) == value


def test_many_edits_of_many_clips_stay_in_order() -> None:
    clips = [Clip(f"a_{k}.00-{k + 1}.00", "a", float(k), k + 1.0, {"text": "x y"}) for k in range(300)]
    rows = [{"clip": clip.id, "split": clip.start + 0.5} for clip in clips[::3]]
    overlay = Overlay(clips, [Edit(str(n), r["clip"], "split", r["split"]) for n, r in enumerate(rows)])
    starts = [clip.start for clip in overlay]
    assert starts == sorted(starts)
    assert len(starts) == 400
