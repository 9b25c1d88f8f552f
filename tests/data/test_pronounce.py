import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.data.pronounce import PAUSES, Pronouncer, Spoken
from understudy.errors import UserError

ENGLISH = Pronouncer()
TRICKY = (
    "Dr. St. Jan. 3rd, 2024 $12.50 5:30 p.m. 5 km the of July Rs. USD $5 million no. ... -- — 'Hello' “x” "
    "it's dogs' U.S. e.g., a@b.com 1/2 3/4 12/25/2023 555-1234 10-12 Henry VIII C++ #5 = + | * _ 20°C 你好 "
    "😀 hi😀 Łódź ﬁn ① ٣ q̃ don’t AT&T 5 sq ft w/ 007 3.14.15 1990s [a](/b/) x=y -> " + "1234567890" * 4
)

VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"


def sounds(spoken: Spoken) -> list[str]:
    """Of each written word what is said for it."""
    pairs = list(zip(spoken.tokens, spoken.word_of, strict=True))
    return ["".join(token for token, word in pairs if word == number) for number in range(len(spoken.words))]


def said(text: str, pronouncer: Pronouncer = ENGLISH) -> str:
    return "".join(pronouncer.tokens(text).tokens)


def lexicon(folder: Path, *lines: str) -> str:
    path = folder / "lexicon.tsv"
    path.write_text("word\tspoken\tphones\n" + "\n".join(lines), encoding="utf-8")
    return str(path)


def test_numbers_dates_and_abbreviations_are_spelt_out_and_stay_one_word() -> None:
    spoken = ENGLISH.tokens("Dr. Smith paid $12.50 on Jan. 3rd, 2024 at 5:30pm.")
    assert dict(zip(spoken.words, sounds(spoken), strict=True)) == {
        "Dr.": "dˈɑktəɹ",
        "Smith": "smˈɪθ",
        "paid": "pˈAd",
        "$12.50": "twˈɛlvdˈɑləɹzændfˈɪftisˈɛnts",
        "on": "ˌɔn",
        "Jan.": "ʤˈænjəwˌɛɹi",
        "3rd,": "θˈɜɹd",
        "2024": "twˈɛntitwˈɛntifˈɔɹ",
        "at": "æt",
        "5:30pm.": "fˈIvθˈɜɹTipˌiˈɛm",
    }
    assert [token for token in spoken.tokens if token in PAUSES] == [",", "."]
    assert spoken.unknown == ()


def test_one_symbol_is_one_phone_and_silence_is_at_both_ends() -> None:
    spoken = ENGLISH.tokens("bin blue at f two now")
    assert " ".join(spoken.tokens) == "_ b ˈɪ n b l ˈu æ t ˈɛ f t ˈu n ˈW _"
    assert spoken.word_of == (-1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, -1)
    assert spoken.words == ("bin", "blue", "at", "f", "two", "now")
    assert spoken.ids.dtype == np.int64
    assert [ENGLISH.alphabet[number] for number in spoken.ids] == list(spoken.tokens)


def test_words_that_are_read_together_share_what_is_said() -> None:
    text = "the 5 of July at 5:00 p.m. cost $5 million or Rs. 5 said Henry VIII"
    spoken = ENGLISH.tokens(text)
    assert sounds(spoken) == [
        *("ðə", "fˈɪfθ", "ʌv", "ʤəlˈI", "æt", "fˈIv", "pˌiˈɛm", "kˈɔst", "fˈIv", "mˈɪljᵊndˈɑləɹz"),
        *("ɔɹ", "fˈIv", "ɹupˈiz", "sˈɛd", "hˈɛnɹi", "ðiˈAθ"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I read it. I will read it.", "_ˌIɹˈɛdɪt.ˌIwɪlɹˈidɪt._"),
        ("I record a record.", "_ˌIɹəkˈɔɹdɐɹˈɛkəɹd._"),
        ("wait -- “no”... (why?!) 'so'", "_wˈAt—nˈO…wˌI?!sˌO_"),
        ("Oh no. See no. 5 at 5 p.m. Then go", "_ˈOnˈO.sˈinˈʌmbəɹfˈIvætfˈIvpˌiˈɛm.ðˈɛnɡˌO_"),
        ("[so](/be/) it goes", "_sˌObiɪtɡˈOz_"),
        ("2" * 40, "_" + "tˈu" * 40 + "_"),
    ],
)
def test_what_is_said(text: str, expected: str) -> None:
    assert said(text) == expected


@settings(deadline=None)
@given(
    text=st.one_of(
        st.lists(st.sampled_from(TRICKY.split()) | st.text(max_size=5), max_size=12).map(" ".join),
        st.text(max_size=30),
    )
)
@pytest.mark.parametrize("pronouncer", [ENGLISH, Pronouncer(language="fr")], ids=["phones", "letters"])
def test_every_word_is_said_or_named(pronouncer: Pronouncer, text: str) -> None:
    try:
        spoken = pronouncer.tokens(text)
    except UserError:
        return  # nothing to say: a test of its own
    assert spoken.words == tuple(text.split())
    assert len(spoken.ids) == len(spoken.tokens) == len(spoken.word_of)
    assert spoken.tokens[0] == spoken.tokens[-1] == "_"
    assert "_" not in spoken.tokens[1:-1]
    assert set(spoken.tokens) <= set(pronouncer.alphabet) - {""}
    order = [number for number in spoken.word_of if number >= 0]
    assert order == sorted(order)
    for number, word in enumerate(spoken.words):
        if any(unicodedata.category(letter)[0] in "LN" for letter in word):
            assert number in spoken.word_of or word in spoken.unknown, word
    for token, number in zip(spoken.tokens, spoken.word_of, strict=True):
        assert (number == -1) == (token in ("_", *PAUSES))


def test_the_alphabet_has_everything_of_the_dictionaries() -> None:
    from hibari.g2p import G2P

    assert ENGLISH.alphabet[:3] == ("", "_", ",")
    assert len(set(ENGLISH.alphabet)) == len(ENGLISH.alphabet) == 116, "trained voices count on it"
    for language in ("en", "en-gb"):
        pronouncer = Pronouncer(language=language)
        assert pronouncer.alphabet == ENGLISH.alphabet, "a voice can be fine-tuned to the other"
        dictionary = G2P(british=language == "en-gb").lexicon.golds.d
        words = [word for word in dictionary if word.isalpha()][::1000]
        assert len(words) > 60
        assert pronouncer.tokens(", ".join(words)).unknown == ()


def test_unknown_words_are_guessed_and_named() -> None:
    spoken = ENGLISH.tokens("Understudy xqzt 你好 😀 hi😀 Zhuangzi, x")
    assert spoken.unknown == ("xqzt", "你好", "😀", "hi😀", "Zhuangzi,")
    assert sounds(spoken)[2:5] == ["", "", "hˈI"]
    assert all(sounds(spoken)[number] for number in (0, 1, 5, 6))


@pytest.mark.parametrize("text", ["", " \n", "😀", "你好", "...", "—"])
def test_nothing_to_say_is_an_error(text: str) -> None:
    with pytest.raises(UserError, match="nothing in it to say"):
        ENGLISH.tokens(text)


def test_the_lexicon_counts_before_the_dictionary(tmp_path: Path) -> None:
    path = lexicon(
        tmp_path,
        "GRID\tgreed\tG R IH1 D",
        "SQL\tS Q L\t",
        "SQL\tsequel\t",
        "Nguyen\t\tw ih n",
        "banana\t\tB AH0 N AE1 N AH0",
        "a.k.a.\talias",
        "2b\tto be",
    )
    pronouncer = Pronouncer(lexicon=path)
    spoken = pronouncer.tokens("“Grid,” SQL! Nguyen’s banana: a.k.a. (2B) grids GRID's")
    assert sounds(spoken) == [
        *("ɡɹˈɪd", "ˈɛskjˈuˈɛl", "wˈɪnz", "bənˈænə", "ˈAliəs", "təbi", "ɡɹˈɪdz", "ɡɹˈɪdz"),
    ]
    assert [token for token in spoken.tokens if token in PAUSES] == [",", "!", ":"]
    assert spoken.unknown == ()
    assert pronouncer.alphabet == ENGLISH.alphabet
    british = Pronouncer(language="en-gb", lexicon=lexicon(tmp_path, "Ferr\t\tF ER1 OW0"))
    assert said("Ferr z", british) == "_fˈɜːQzˈɛd_"


@pytest.mark.parametrize("language", ["en", "en-gb"])
def test_all_of_arpabet_is_in_the_alphabet(language: str, tmp_path: Path) -> None:
    phones = [f"{vowel}{stress}" for vowel in VOWELS.split() for stress in "012"] + CONSONANTS.split()
    path = lexicon(tmp_path, *(f"{phone}\t\t{phone}" for phone in phones))
    spoken = Pronouncer(language=language, lexicon=path).tokens(" ".join(phones))
    lengths = dict(zip(phones, map(spoken.word_of.count, range(len(phones))), strict=True))
    two = {"ER0", "ER1", "ER2"} if language == "en" else set()  # a vowel and its r
    assert {phone for phone, length in lengths.items() if length == 2} == two
    assert {phone for phone, length in lengths.items() if length == 1} == {*phones} - two


def test_a_phone_that_is_none_is_named(tmp_path: Path) -> None:
    path = lexicon(tmp_path, "GRID\t\tG R QX D")
    with pytest.raises(UserError, match=r"lexicon.tsv: 'GRID' has the phone 'QX'"):
        Pronouncer(lexicon=path)


def test_other_languages_are_said_by_letters(tmp_path: Path) -> None:
    german = Pronouncer(language="de", lexicon=lexicon(tmp_path, "3\tdrei", "Chef\tSchef\tS QX"))
    spoken = german.tokens("Gro\u0308ße – z.B. 3 Chefs, Chef 4 Äpfel… Phở ﬁ l'eau")
    assert sounds(spoken) == ["größe", "", "zb", "drei", "chefs", "schef", "", "äpfel", "pho", "fi", "leau"]
    assert [token for token in spoken.tokens if token in PAUSES] == ["—", ",", "…"]
    assert spoken.unknown == ("4",)
    assert said("Привет, Чехов", german) == "_привет,чехов_"
    assert said("Ναι; Όχι", german) == "_ναι;όχι_"

    assert Pronouncer(**german.settings()).alphabet == german.alphabet
    few = Pronouncer(language="en", characters="abcdefghijklmnopqrstuvwxyz")
    assert said("Naïve", few) == "_naive_"
    assert Pronouncer(**few.settings()).alphabet == few.alphabet
    assert len(few.alphabet) == 2 + len(PAUSES) + 26
