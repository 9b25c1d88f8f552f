import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.manifest import Clip
from understudy.data.splits import fold_of, some_of, split_clips

SOURCES = st.lists(st.text(min_size=1, max_size=8), min_size=3, max_size=40, unique=True)
SHARES = {"val_share": 0.1, "test_share": 0.2}


def parts(*sources: str) -> list[Clip]:
    """Two clips of every source."""
    return [Clip(f"{s}{k}", s, 2.0 * k, 2.0 * k + 2) for s in sources for k in range(2)]


@given(sources=SOURCES)
def test_no_source_is_in_two_splits(sources: list[str]) -> None:
    split = split_clips(parts(*sources), **SHARES)
    where = [{clip.source for clip in split[name]} for name in ("train", "val", "test")]
    assert sum(map(len, where)) == len(set().union(*where)) == len(sources)
    assert sum(map(len, split.values())) == 2 * len(sources)
    assert all(where)


@pytest.mark.parametrize("sources", [("one",), ("one", "two")])
def test_of_few_recordings_the_last_clips_are_held_out(sources: tuple[str, ...]) -> None:
    clips = [Clip(f"{s}{k}", s, 2.0 * k, 2.0 * k + 2) for s in sources for k in range(10)]
    split = split_clips(clips, **SHARES)
    assert split["train"] + split["val"] + split["test"] == clips
    assert (len(split["val"]), len(split["test"])) == (len(sources), 2 * len(sources))
    assert len(split_clips(clips[:1], **SHARES)["train"]) == 1


def test_what_is_held_out_stays_held_out_when_others_come() -> None:
    few = [f"recording {k}" for k in range(60)]
    more = [*few, *(f"new {k}" for k in range(60))]
    before, after = (split_clips(parts(*sources), **SHARES) for sources in (few, more))
    for name in ("train", "val", "test"):
        kept = [clip for clip in after[name] if clip.source in few]
        assert kept == before[name]
    assert len(before["test"]) == pytest.approx(2 * 60 * 0.2, abs=14)
    assert len(before["val"]) == pytest.approx(2 * 60 * 0.1, abs=10)


@given(sources=SOURCES, folds=st.integers(2, 6))
def test_every_clip_is_in_one_fold(sources: list[str], folds: int) -> None:
    clips = parts(*sources)
    both = [fold_of(clips, folds=folds, fold=k) for k in range(folds)]
    assert sorted(c.id for held_out, _ in both for c in held_out) == sorted(c.id for c in clips)
    for held_out, rest in both:
        assert len(held_out) + len(rest) == len(clips)
        if len(sources) >= folds:
            assert not {c.source for c in held_out} & {c.source for c in rest}


def test_a_larger_part_holds_the_smaller() -> None:
    clips = parts(*"abcdefgh")
    few, more = some_of(clips, 5), some_of(clips, 9)
    assert (len(few), len(more)) == (5, 9)
    assert [clip for clip in more if clip in few] == few
    assert some_of(clips[::-1], 5) == few[::-1]
    assert some_of(clips, 99) == clips
