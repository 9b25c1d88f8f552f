from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.manifest import (
    Clip,
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
    with pytest.raises(TypeError):
        write_atomically(path, b"new\n")  # type: ignore[arg-type]
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_are_no_text_are_written_readably(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_atomically(path, "take \udcff.mp4\n")
    assert path.read_text("utf-8") == "take \\udcff.mp4\n"
