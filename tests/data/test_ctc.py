import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_ctc

from understudy.data.beam_search import Alphabet, BeamSearch, FoundWord, greedy_words
from understudy.data.ctc import CtcRecognizer
from understudy.data.lexicon import Entry
from understudy.data.media import SAMPLE_RATE
from understudy.errors import UserError

LETTERS = "-|abcdefghijklmnopqrstuvwxyz"  # the first two stand between letters and between words
ALPHABET = Alphabet({letter: k for k, letter in enumerate(LETTERS) if k > 1}, blank=0, between=1)
SENTENCES = ["bin blue at two now", "bin red at one again", "lay blue at one now", "lay red in two again"]
SAID = [line.split() for line in SENTENCES]


def sung(path: str, probability: float = 0.9, **doubts: str) -> torch.Tensor:
    """Log probabilities (frames, letters) of a model that hears one letter a frame.

    `doubts` maps a letter to another one that it takes for nearly as probable, and for a bit more so.
    """
    rows = torch.full((len(path), len(LETTERS)), (1 - probability) / (len(LETTERS) - 1))
    for frame, letter in enumerate(path):
        rows[frame, LETTERS.index(letter)] = probability
        if letter in doubts:
            rows[frame, LETTERS.index(letter)] = probability / 2 - 0.01
            rows[frame, LETTERS.index(doubts[letter])] = probability / 2 + 0.01
    return rows.log()


def text_of(found: list[FoundWord]) -> str:
    return " ".join(word.text for word in found)


def test_letter_by_letter() -> None:
    found = greedy_words(sung("--bbi-n--||-a-", 0.8), ALPHABET)
    assert [(word.text, word.first, word.after) for word in found] == [("bin", 2, 7), ("a", 12, 13)]
    assert [word.confidence for word in found] == pytest.approx([0.8, 0.8])
    assert text_of(greedy_words(sung("|ol-lo|"), ALPHABET)) == "ollo"
    assert greedy_words(sung("--|--|"), ALPHABET) == []
    without_space = Alphabet(ALPHABET.letters | {"|": 1}, 0, None)
    assert text_of(greedy_words(sung("ol|o"), without_space)) == "ol|o"


MISHEARD = {"a": "e", "b": "d", "o": "u"}


def test_the_search_knows_what_is_said() -> None:
    heard = sung("-lay|bblue--|-at||one|-nnow-", **MISHEARD)
    assert text_of(greedy_words(heard, ALPHABET)) == "ley dlue et une nuw"
    assert text_of(BeamSearch(ALPHABET, SAID)(heard)) == "lay blue at one now"


def test_the_order_of_words_counts_as_it_is_told_to() -> None:
    """Between "one" and "two" the sound leaves it open; "at" is followed by "one" more often."""
    heard = sung("bin|blue|at|t-wo|again")
    heard[12:16] = sung("t-wo", 0.5)
    for frame, letter in zip((12, 13, 14, 15), "on-e", strict=True):
        heard[frame, LETTERS.index(letter)] = float(np.log(0.45))
    assert text_of(BeamSearch(ALPHABET, SAID, language_model_weight=0)(heard)) == "bin blue at two again"
    assert text_of(BeamSearch(ALPHABET, SAID)(heard)) == "bin blue at one again"


def test_a_new_word_is_found_without_training() -> None:
    heard = sung("lay|g-re-en|at|one|now", 0.8)
    assert text_of(BeamSearch(ALPHABET, SAID)(heard)) != "lay green at one now"
    assert text_of(BeamSearch(ALPHABET, SAID, [Entry("green")])(heard)) == "lay green at one now"
    assert text_of(BeamSearch(ALPHABET, [], [Entry("lay"), Entry("green")])(heard[:12])) == "lay green"


def test_words_are_written_as_in_the_lexicon() -> None:
    entries = [
        Entry("SQL", "sequel"),
        Entry("SQL", "s q l"),
        Entry("Gr\u00fcn Land", "greenland"),
        Entry("Blue"),
        Entry("<s>", "begin"),
        Entry("7"),
    ]
    search = BeamSearch(ALPHABET, SAID, entries)
    for path, text in (
        ("lay|sequel|now", "lay SQL now"),
        ("lay|s|q|l|now", "lay SQL now"),
        ("lay|sql|now", "lay SQL now"),
        ("lay|gre-enland|now", "lay Gr\u00fcn Land now"),
        ("lay|grun|land|now", "lay Gr\u00fcn Land now"),
        ("bin|blue|at|two|now", "bin Blue at two now"),
        ("bin|begin|now", "bin <s> now"),
        ("bin|se-ven|now", "bin 7 now"),
    ):
        assert text_of(search(sung(path))) == text
    assert search.unspellable == []


def test_a_weighty_word_is_taken_where_the_sound_leaves_it_open() -> None:
    heard = sung("lay|ri-d|at", 0.9, i="e")
    heard[5] = sung("i")[0]
    heard[5, LETTERS.index("a")] = heard[5, LETTERS.index("o")] = float(np.log(0.4))
    for words in ({"rad": 1.0, "rod": 9.0}, {"rod": 0.5, "rad": 1.0}):
        entries = [Entry(word, weight=weight) for word, weight in words.items()]
        found = BeamSearch(ALPHABET, [["lay"], ["at"]], entries)(heard)
        assert text_of(found) == f"lay {max(words, key=words.__getitem__)} at"


def test_where_words_are_found() -> None:
    search = BeamSearch(ALPHABET, SAID, [Entry("New York")])
    found = search(sung("--bbi-n--||-new|york--", 0.8))
    assert [word[:3] for word in found] == [("bin", 2, 7), ("New York", 12, 20)]
    assert [word.confidence for word in found] == pytest.approx([0.8, 0.8])
    assert search(sung("------")) == []
    assert search(sung("-")) == []


def test_what_no_letter_writes() -> None:
    entries = [Entry("\u65e5\u672c"), Entry("\u65e5\u672c", "nippon"), Entry("\u266a"), Entry("\u65e5 go")]
    search = BeamSearch(ALPHABET, SAID, entries)
    assert search.unspellable == ["\u266a"]
    assert text_of(search(sung("go|nip-pon|now"))) == "\u65e5 go \u65e5\u672c now"


def test_a_clip_after_another_is_as_it_is_alone() -> None:
    search = BeamSearch(ALPHABET, SAID)
    clips = [sung("lay|blue|at|one|now", 0.5), sung("-"), sung("bin|red|at|one|again", 0.4)]
    alone = [BeamSearch(ALPHABET, SAID)(heard) for heard in clips]
    assert [search(heard) for heard in (*clips, *clips)] == [*alone, *alone]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tiny_ctc(tmp_path / "tiny")
    (folder / "sentences.txt").write_text("\n".join(SENTENCES))
    return folder


def recognizer(folder: Path, **settings: object) -> CtcRecognizer:
    made = CtcRecognizer(pretrained=str(folder), device="cpu", **settings)  # type: ignore[arg-type]
    travelled: CtcRecognizer = pickle.loads(pickle.dumps(made))
    assert travelled.model_id == made.model_id
    travelled.setup()
    return travelled


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(scale=0.1, size=length).astype(np.float32) for length in (16000, 0, 1599, 1600, 30000)]


@pytest.mark.parametrize("settings", [{}, {"decoding": "greedy"}, {"language_model_weight": 0.0}])
def test_the_way_of_a_clip(folder: Path, clips: list[np.ndarray], settings: dict[str, object]) -> None:
    found = (ears := recognizer(folder, **settings)).recognize(clips)
    assert any(heard.text for heard in found)
    for heard, samples in zip(found, clips, strict=True):
        assert [word.text for word in heard.words] == heard.text.split()
        times = [time for word in heard.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert all(0 <= time <= len(samples) / SAMPLE_RATE for time in times)
        assert all(0 < word.confidence <= 1 for word in heard.words)
        assert heard.language == "en"
        if settings.get("decoding") != "greedy":
            assert {*heard.text.split()} <= {word for line in SAID for word in line}
    assert [heard.text for heard in found[1:3]] == ["", ""], "too short for a word"
    assert [ears.recognize([samples])[0] for samples in clips] == found


@pytest.mark.parametrize("kind", ["hubert", "wav2vec2-bert"])
def test_other_models_of_characters(kind: str, clips: list[np.ndarray], tmp_path: Path) -> None:
    found = recognizer(tiny_ctc(tmp_path / kind, kind=kind)).recognize(clips)
    assert any(heard.text for heard in found)
    for heard, samples in zip(found, clips, strict=True):
        assert all(0 <= word.start < word.end <= len(samples) / SAMPLE_RATE for word in heard.words)


def test_without_a_word_it_spells(folder: Path, clips: list[np.ndarray], tmp_path: Path) -> None:
    (folder / "sentences.txt").unlink()
    missing = str(tmp_path / "lexicon.tsv")
    spelled = recognizer(folder, lexicon=missing).recognize(clips)
    assert spelled == recognizer(folder, decoding="greedy").recognize(clips)
    Path(missing).write_text("grid\nBlorb\tblorb\n")
    found = recognizer(folder, lexicon=missing).recognize(clips)
    assert {word for heard in found for word in heard.text.split()} <= {"grid", "Blorb"}


def test_what_it_knows_is_part_of_its_name(folder: Path, tmp_path: Path) -> None:
    lexicon, chat = tmp_path / "lexicon.tsv", tmp_path / "chat.txt"

    def name(**settings: object) -> str:
        return CtcRecognizer(pretrained=str(folder), **settings).model_id  # type: ignore[arg-type]

    names = [
        name(),
        name(decoding="greedy"),
        name(language="de"),
        name(beam_size=5),
        name(language_model_weight=0.5),
        name(word_score=1.0),
        name(lexicon_bias=1.0),
        name(ngram_order=2),
    ]
    assert name(lexicon=str(lexicon)) == name(), "there is none yet"
    for written in ("grid", "GRID", "GRID\tgreed", "GRID\tgreed\t\t2"):
        lexicon.write_text(written)
        names.append(name(lexicon=str(lexicon)))
    lexicon.write_text("GRID\tgreed\tG R IY D\t2\treview\n")
    assert name(lexicon=str(lexicon)) == names[-1], "phones and source decide nothing here"
    names.append(name(lexicon=str(lexicon), decoding="greedy"))  # what is heard as said is put back
    lexicon.write_text("GRID\n")
    assert name(lexicon=str(lexicon), decoding="greedy") == name(decoding="greedy"), "nothing to put back"
    for written in ("place white by three\n", "place white by four\n"):
        chat.write_text(written)
        names.append(name(texts=[str(chat)]))
        assert name(texts=str(chat)) == names[-1]
    (folder / "sentences.txt").write_text("bin blue")
    names.append(name())
    names.append(CtcRecognizer(pretrained=str(tiny_ctc(tmp_path / "other", seed=1))).model_id)
    assert len({*names}) == len(names)
    assert CtcRecognizer(pretrained=str(folder), device="cpu").model_id == name()


def test_words_of_which_it_has_no_letter(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lexicon.tsv").write_text("\u65e5\u672c\nGRID\n\u4e2d\u56fd\n", encoding="utf-8")
    (tmp_path / "chat.txt").write_text("Hello \u97e9!", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        recognizer(folder, lexicon=str(tmp_path / "lexicon.tsv"), texts=[str(tmp_path / "chat.txt")])
    second, first = [record.getMessage() for record in caplog.records]
    assert (
        first
        == f"{tmp_path}/lexicon.tsv: {folder} has no letter of \u65e5\u672c, \u4e2d\u56fd; cannot be found"
    )
    assert second == f"sentences.txt, {tmp_path}/chat.txt: {folder} has no letter of \u97e9; cannot be found"


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lexicon.tsv").write_text("fine\nGRID\tgrid\t\theavy\n")
    with pytest.raises(UserError, match=r"lexicon\.tsv:2: weight 'heavy' is no number"):
        CtcRecognizer(pretrained=str(folder), lexicon=str(tmp_path / "lexicon.tsv")).setup()
    with pytest.raises(UserError, match=r"^asr\.texts=.*missing\.txt: cannot be read .*a sentence a line$"):
        CtcRecognizer(pretrained=str(folder), texts=[str(tmp_path / "missing.txt")]).setup()
    with pytest.raises(UserError, match=r"give its folder, asr\.pretrained=FOLDER, or take asr=sphinx"):
        CtcRecognizer(pretrained=str(tmp_path)).setup()
    with pytest.raises(UserError, match=r"^asr\.decoding=best: is not known; take beam or greedy$"):
        CtcRecognizer(decoding="best")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^asr\.ngram_order=1: "):
        CtcRecognizer(ngram_order=1)
    (tmp_path / "lexicon.tsv").write_text("日本\n♪\n", encoding="utf-8")
    (folder / "sentences.txt").unlink()
    with pytest.raises(UserError, match=r"^日本, ♪: the model has no letter of any of the words"):
        CtcRecognizer(pretrained=str(folder), lexicon=str(tmp_path / "lexicon.tsv")).setup()
    (folder / "sentences.txt").write_text("bin blue")
    for name, where, old, new in (  # a space that the model has no number for
        ("vocab.json", None, "|", "_"),
        ("tokenizer_config.json", "added_tokens_decoder", "4", "32"),
    ):
        written = json.loads((folder / name).read_text())
        numbers = written[where] if where else written
        numbers[new] = numbers.pop(old)
        (folder / name).write_text(json.dumps(written))
    with pytest.raises(UserError, match=r"has no character between words.*; take asr\.decoding=greedy$"):
        CtcRecognizer(pretrained=str(folder)).setup()
