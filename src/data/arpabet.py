"""Phones as a person writes them in the lexicon: ARPAbet, as in the CMU Pronouncing Dictionary."""

# in the symbols of hibari's dictionary, which writes diphthongs as capitals
_CONSONANTS = {
    "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "ʤ", "K": "k", "L": "l",
    "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_VOWELS = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ", "EY": "A",
    "IH": "ɪ", "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
}  # fmt: skip
_UNSTRESSED = {"AH": "ə", "ER": "əɹ"}
_BRITISH = {"AA": "ɑː", "AE": "a", "AO": "ɔː", "ER": "ɜː", "IY": "iː", "OW": "Q", "UW": "uː"}
_BRITISH_UNSTRESSED = {"AH": "ə", "ER": "ə", "IY": "i"}
_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}


def from_arpabet(phones: str, *, british: bool = False) -> str:
    """ "G R IH1 D" as hibari writes it, "ɡɹˈɪd".

    Where no vowel has its stress digit the first one is stressed. A phone that is none raises ValueError.
    """
    names = phones.upper().split()
    written = any(name[-1] in _STRESS for name in names)
    full = _VOWELS | (_BRITISH if british else {})
    reduced = full | (_BRITISH_UNSTRESSED if british else _UNSTRESSED)
    said = []
    for name in names:
        vowel, digit = (name[:-1], name[-1]) if name[-1] in _STRESS else (name, "0")
        if not written and vowel in full:
            digit, written = "1", True
        if vowel in full:
            said.append(_STRESS[digit] + (reduced if digit == "0" else full)[vowel])
        elif name in _CONSONANTS:
            said.append(_CONSONANTS[name])
        else:
            raise ValueError(name)
    return "".join(said)


def possessive(phones: str, *, british: bool = False) -> str:
    """What "Anna's" is to "Anna"."""
    if phones[-1] in "szʃʒʧʤ":
        return phones + ("ɪz" if british else "ᵻz")
    return phones + ("s" if phones[-1] in "ptkfθ" else "z")
