from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.data.lexicon import (
    Entry,
    add_to_lexicon,
    import_word_list,
    read_lexicon,
    spoken_forms,
    written_forms,
)
from understudy.errors import UserError

CELLS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\ufeff"), max_size=8
)
ENTRIES = st.builds(
    Entry, CELLS.filter(bool), CELLS, CELLS, st.integers(1, 1000).map(lambda n: n / 8), CELLS
).filter(lambda entry: entry.word != "word")


@given(entries=st.lists(ENTRIES, max_size=5, unique_by=lambda e: (e.word, e.spoken, e.phones)))
def test_what_is_added_is_read(entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.tsv"
    assert add_to_lexicon(path, entries) == entries
    assert read_lexicon(path) == entries
    assert add_to_lexicon(path, entries) == [], "they are there"
    assert read_lexicon(path) == entries


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    written = "\ufeffAnna\n\nGRID\tgrid\tG R IH D\t2.5\tby hand\r\nword-like\t\t\t\t"
    path.write_text(written, encoding="utf-8")
    assert read_lexicon(path) == [
        Entry("Anna"),
        Entry("GRID", "grid", "G R IH D", 2.5, "by hand"),
        Entry("word-like"),
    ]
    add_to_lexicon(path, [Entry("Zeta", source="review")])
    assert path.read_text(encoding="utf-8").startswith("Anna\n\nGRID\tgrid\tG R IH D\t2.5\tby hand")
    assert path.read_text(encoding="utf-8").endswith("\nZeta\t\t\t1\treview\n")
    assert len(read_lexicon(path)) == 4


def test_a_word_may_be_said_in_two_ways(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    ways = [Entry("SQL", "sequel"), Entry("SQL", "S Q L")]
    assert add_to_lexicon(path, ways) == ways
    assert path.read_text().splitlines()[0] == "word\tspoken\tphones\tweight\tsource"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a\tb\tc\t1\td\te", "6 columns where 5 are known"),
        ("a\tb\tc\theavy", "weight 'heavy' is no number"),
        ("a\tb\tc\t-1", "no positive number"),
        ("a\tb\tc\tnan", "no positive number"),
        ("\tspoken", "a word is missing"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text(f"word\tspoken\nfine\n{line}\n")
    with pytest.raises(UserError, match=rf"lexicon\.tsv:3: .*{why}.*; mend or remove the line"):
        read_lexicon(path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_bytes("größer".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_lexicon(path)


@pytest.mark.parametrize("word", ["", "  ", "a\tb", "a\nb"])
def test_what_cannot_stand_in_the_table(word: str) -> None:
    with pytest.raises(UserError):
        Entry(word)


def test_a_person_s_own_list(tmp_path: Path) -> None:
    lexicon, words = tmp_path / "lexicon.tsv", tmp_path / "names.txt"
    add_to_lexicon(lexicon, [Entry("Anna", source="review")])
    words.write_text("Anna\nNew York\n\nSQL\tsequel\t\t3\thome\n")
    added = [Entry("New York", source="names.txt"), Entry("SQL", "sequel", "", 3.0, "home")]
    assert import_word_list(lexicon, words) == added
    assert read_lexicon(lexicon) == [Entry("Anna", source="review"), *added]
    assert import_word_list(lexicon, words) == []
    words.write_text("Berta\nSQL\tsequel\t\tmuch\n")
    with pytest.raises(UserError, match=r"names\.txt:2: weight 'much' is no number"):
        import_word_list(lexicon, words)
    with pytest.raises(UserError, match=r"nowhere\.txt: there is no such file"):
        import_word_list(lexicon, tmp_path / "nowhere.txt")
    assert len(read_lexicon(lexicon)) == 3


def test_what_is_said_for_a_word_and_written_for_what_is_said() -> None:
    entries = [
        Entry("F", "eff"),
        Entry("F", "fox"),
        Entry("www", "triple u"),
        Entry("New York", "york"),
        Entry("a"),
    ]
    assert spoken_forms(entries, "en") == {"f": ["eff"], "www": ["triple", "u"]}, (
        "the first way of single words"
    )
    assert written_forms(entries, "en") == {"eff": "f"}


def test_several_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    entries = [Entry(f"word{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda entry: add_to_lexicon(path, [entry]), entries))
    assert sorted(read_lexicon(path), key=lambda e: e.word) == sorted(entries, key=lambda e: e.word)
