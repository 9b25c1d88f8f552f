from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.manifest import (
    Clip,
    Drop,
    apply_edits,
    json_lines,
    read_manifest,
    write_atomically,
    write_manifest,
)
from understudy.errors import UserError

NAMES = st.text(min_size=1, max_size=20)
TIMES = st.floats(min_value=0, max_value=1e6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.text().filter(lambda name: name not in ("id", "source", "start", "end")), VALUES, max_size=4
)
CLIPS = st.builds(Clip, NAMES, NAMES, TIMES, TIMES, FIELDS)

CLIP = Clip("a_0.00-2.00", "a", 0.0, 2.0, {"text": "hello", "speaker": "one"})
OTHER = Clip("b_0.00-3.00", "b", 0.0, 3.0)


def edited(path: Path, *edits: dict[str, Any]) -> tuple[list[Clip], list[Drop]]:
    path.write_text(json_lines(edits), encoding="utf-8")
    return apply_edits([CLIP, OTHER], path)


@given(clips=st.lists(CLIPS, max_size=4))
def test_what_is_written_is_read(clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("manifest") / "clips.jsonl"
    write_manifest(path, clips)
    assert read_manifest(path) == clips
    assert path.read_bytes().count(b"\n") == len(clips)
    assert list(path.parent.iterdir()) == [path]


def test_any_language_is_readable_in_the_file(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", [CLIP.add(text="Grüße, 你好")])
    assert "Grüße, 你好" in (tmp_path / "m.jsonl").read_text("utf-8")


def test_a_part_has_a_name_of_its_own() -> None:
    part = CLIP.part(0.40000001, 1.28)
    assert (part.id, part.start, part.end) == ("a_0.40-1.28", 0.4, 1.28)
    assert part.fields == CLIP.fields
    assert part.duration == pytest.approx(0.88)


def test_without_edits_nothing_changes(tmp_path: Path) -> None:
    assert apply_edits([CLIP, OTHER], tmp_path / "none.jsonl") == ([CLIP, OTHER], [])


def test_an_edit_sets_fields(tmp_path: Path) -> None:
    kept, dropped = edited(tmp_path / "edits.jsonl", {"clip": CLIP.id, "set": {"text": "hallo", "end": 1.5}})
    assert kept == [Clip(CLIP.id, "a", 0.0, 1.5, {"text": "hallo", "speaker": "one"}), OTHER]
    assert dropped == []


def test_the_later_edit_wins_field_by_field(tmp_path: Path) -> None:
    kept, _ = edited(
        tmp_path / "edits.jsonl",
        {"clip": CLIP.id, "set": {"text": "first", "speaker": "two"}},
        {"clip": CLIP.id, "set": {"text": "second"}},
    )
    assert kept[0].fields == {"text": "second", "speaker": "two"}


def test_a_person_drops_and_takes_back(tmp_path: Path) -> None:
    drop = {"clip": CLIP.id, "drop": "coughs"}
    kept, dropped = edited(tmp_path / "edits.jsonl", drop)
    assert kept == [OTHER]
    assert dropped == [Drop(CLIP.id, 0.0, 2.0, "a person: coughs")]
    back = {"clip": CLIP.id, "drop": None}
    assert edited(tmp_path / "edits.jsonl", drop, back) == ([CLIP, OTHER], [])
    assert edited(tmp_path / "edits.jsonl", back, drop)[0] == [OTHER]


def test_an_edit_of_a_clip_that_is_not_there_harms_nothing(tmp_path: Path) -> None:
    assert edited(tmp_path / "edits.jsonl", {"clip": "gone", "drop": "x"}) == ([CLIP, OTHER], [])


@pytest.mark.parametrize("edit", [{"set": {"text": "x"}}, {"clip": "a"}, {"clip": "a", "dorp": "x"}])
def test_an_edit_that_says_nothing_is_named(tmp_path: Path, edit: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"edits\.jsonl: edit 2 needs"):
        edited(tmp_path / "edits.jsonl", {"clip": "a", "drop": "x"}, edit)


@pytest.mark.parametrize(("line", "why"), [('{"id": ', "not JSON"), ("[1, 2]", "not a JSON object")])
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json_lines([CLIP.to_json()]) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"m\.jsonl:3: {why}"):
        read_manifest(path)


def test_a_clip_without_its_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(json_lines([CLIP.to_json(), {"id": "x", "source": "a"}]), encoding="utf-8")
    with pytest.raises(UserError, match=r"m\.jsonl: clip 2 lacks end, start"):
        read_manifest(path)


def test_no_manifest_yet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="understudy prepare"):
        read_manifest(tmp_path / "faces.jsonl")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_atomically(path, "old\n")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new\n" * 10000 + "\ud800")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
