"""Words in what a model of characters hears: the best character of each frame, or a search by words.

The search is flashlight's, by way of torchaudio. A word that is put into the lexicon is found from
then on, whether or not the model was ever trained on it.
"""

import math
from collections.abc import Container, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import create_word_dict, load_words
from torch import Tensor
from torchaudio.models.decoder import CTCDecoderLM, ctc_decoder

from understudy.data.lexicon import Entry
from understudy.data.ngram import fit_ngrams, write_arpa
from understudy.data.quiet import quiet_stderr
from understudy.data.text import spoken
from understudy.data.word_times import spell
from understudy.errors import UserError

_IMPOSSIBLE = -1000.0  # the logarithm of a probability, and with room below it


class Alphabet(NamedTuple):
    """A model's letters by number, and the numbers of what stands between letters and between words."""

    letters: dict[str, int]
    blank: int
    between: int | None


class FoundWord(NamedTuple):
    """A word, or several that stand in the lexicon as one, and the frames of its letters."""

    text: str
    first: int
    after: int  # the frame after the last
    confidence: float  # mean probability of its letters in their frames


def greedy_words(log_probabilities: Tensor, alphabet: Alphabet) -> list[FoundWord]:
    """The words of (frames, characters) that the best character of each frame spells, in small letters."""
    path = log_probabilities.argmax(-1).tolist()
    names = {number: letter for letter, number in alphabet.letters.items()}
    found = []
    for between_words, group in groupby(range(len(path)), key=lambda frame: path[frame] == alphabet.between):
        frames = list(group)
        text = "".join(names.get(number, "") for number, _ in groupby(path[frame] for frame in frames))
        if text and not between_words:
            found.append(_placed(text.lower(), frames, path, log_probabilities, alphabet))
    return found


class BeamSearch:
    """Finds words of `sentences` and `entries`, by how they sound and by what is usually said.

    Sentences are lists of words as `spoken` has them; a word that the lexicon has too is written as it
    stands there. An entry is found by its spoken form and also as it is spelled: models learn from
    texts. `language_model_weight` is 1 where the language model counts as much as the sound.
    `word_score` is added for each word, `lexicon_bias` for those that no sentence holds, both natural
    logarithms, and that of an entry's weight for each of its words. `unspellable` are the words of
    which the model has no letter.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        sentences: Iterable[Sequence[str]],
        entries: Sequence[Entry] = (),
        *,
        language: str = "en",
        beam_size: int = 100,
        language_model_weight: float = 1.0,
        lexicon_bias: float = 5.0,
        word_score: float = 0.0,
        ngram_order: int = 3,
    ) -> None:
        assert alphabet.between is not None, "words are found by what stands between them"
        self._alphabet, self._between = alphabet, alphabet.between
        written = {" ".join(spoken(entry.word, language)): entry.word for entry in reversed(entries)}
        said = [[written.get(word, word) for word in sentence] for sentence in sentences]
        ways = {word: [word] for sentence in said for word in sentence}
        bonuses = _bonuses(entries, ways, lexicon_bias if said else 0.0)  # all are new: none is preferred
        for entry in entries:
            ways.setdefault(entry.word, [entry.word]).append(entry.spoken)
        spellings = {word: self._spellings(forms, language) for word, forms in ways.items()}
        self.unspellable = [word for word in ways if not spellings[word]]
        if len(self.unspellable) == len(ways):
            some = ", ".join([*ways][:3]) + (", ..." if len(ways) > 3 else "")
            raise UserError(f"{some}: the model has no letter of any of the words; take one of {language}")
        # as numbers: what is written in a lexicon may hold spaces, or mean something in these files
        self._words = list(ways)
        numbers = {word: str(number) for number, word in enumerate(ways)}
        model = fit_ngrams(
            [[numbers[word] for word in sentence] for sentence in said],
            [numbers[word] for word in bonuses],
            order=ngram_order,
        )
        with TemporaryDirectory() as folder:
            lexicon, arpa = Path(folder, "lexicon.txt"), Path(folder, "words.arpa")
            rows = [(numbers[word], form) for word, forms in spellings.items() for form in forms]
            lexicon.write_text("".join(f"{number} {' '.join(map(str, form))}\n" for number, form in rows))
            write_arpa(arpa, model)
            dictionary = create_word_dict(load_words(str(lexicon)))
            with quiet_stderr():  # it draws a bar
                kenlm = KenLM(str(arpa), dictionary)
            added = {dictionary.get_index(numbers[w]): bonus for w, bonus in bonuses.items() if spellings[w]}
            last = max(alphabet.blank, self._between, *alphabet.letters.values())
            self._decoder = ctc_decoder(
                str(lexicon),
                [str(number) for number in range(last + 1)],
                lm=_LanguageModel(kenlm, language_model_weight, added),
                lm_weight=1,
                beam_size=beam_size,
                word_score=word_score,
                blank_token=str(alphabet.blank),
                sil_token=str(self._between),
            )

    def __call__(self, log_probabilities: Tensor) -> list[FoundWord]:
        """The most probable words in (frames, characters), on the CPU."""
        frames, characters = log_probabilities.shape
        # every word ends with a space, also the last
        end = torch.full((1, characters), _IMPOSSIBLE)
        end[0, self._between] = 0
        heard = torch.cat([log_probabilities, end]).contiguous()  # (frames + 1, characters)
        best = self._decoder.decoder.decode(heard.data_ptr(), frames + 1, characters)[0]
        path, words = best.tokens[1:-1], best.words[1:-1]  # without what stands for begin and end
        found: list[FoundWord] = []
        begin = 0
        for frame, number in enumerate(words):
            if number >= 0:  # here the word ends
                text = self._words[int(self._decoder.word_dict.get_entry(number))]
                found.append(_placed(text, range(begin, frame), path, log_probabilities, self._alphabet))
                begin = frame + 1
        return found

    def _spellings(self, forms: Iterable[str], language: str) -> list[list[int]]:
        """Of a word that may be said in these ways; each ends with a space."""
        found: list[list[int]] = []
        for form in forms:
            parts = [spell(part, self._alphabet.letters) for part in spoken(form, language)]
            spelled = [number for part in parts if part for number in (*part, self._between)]
            if spelled and spelled not in found:
                found.append(spelled)
        return found


def _bonuses(entries: Iterable[Entry], said: Container[str], bias: float) -> dict[str, float]:
    """What is added to the score of each of the lexicon's words; `bias` for those that are not `said`."""
    weights: dict[str, float] = {}
    for entry in entries:  # a word that is said in two ways counts once
        weights[entry.word] = max(entry.weight, weights.get(entry.word, 0))
    return {w: math.log(weight) + (0 if w in said else bias) for w, weight in weights.items()}


class _LanguageModel(CTCDecoderLM):
    """KenLM's logarithms of 10 as natural ones, times a weight, and what is added for some words."""

    def __init__(self, kenlm: KenLM, weight: float, bonuses: dict[int, float]) -> None:
        super().__init__()
        self._kenlm, self._scale, self._bonuses = kenlm, weight * math.log(10), bonuses

    def start(self, start_with_nothing: bool) -> Any:
        return self._kenlm.start(start_with_nothing)

    def score(self, state: Any, word: int) -> tuple[Any, float]:
        state, score = self._kenlm.score(state, word)
        return state, self._scale * score + self._bonuses.get(word, 0.0)

    def finish(self, state: Any) -> tuple[Any, float]:
        state, score = self._kenlm.finish(state)
        return state, self._scale * score


def _placed(
    text: str, frames: Iterable[int], path: Sequence[int], log_probabilities: Tensor, alphabet: Alphabet
) -> FoundWord:
    letters = set(alphabet.letters.values())
    inside = [frame for frame in frames if path[frame] in letters]
    chances = log_probabilities[inside, [path[frame] for frame in inside]].exp()
    return FoundWord(text, inside[0], inside[-1] + 1, min(float(chances.mean()), 1.0))
