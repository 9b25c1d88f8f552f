"""Text as the letters that SpeechT5 reads."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from understudy.data.hub import fetched
from understudy.data.lexicon import read_lexicon, spoken_forms
from understudy.data.pronounce import Spoken, UnsayableError
from understudy.data.speecht5 import INSTEAD
from understudy.data.text import spoken
from understudy.errors import UserError

SPACE = "▁"  # as SentencePiece writes what stands before a word
PAUSES = ",.;:!?"
TOKENIZER_FILE = "spm_char.model"


class Letters:
    """A text in small letters, its numbers spelt out; called as a `Pronouncer` is.

    The letters are those of `pretrained`, a hub's name or a folder; without one, of `alphabet`. A word that
    the `lexicon` has is written as it is said there ("eff" for "F").
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        alphabet: str = "abcdefghijklmnopqrstuvwxyz'",
        language: str = "en",
        lexicon: str | None = None,
    ) -> None:
        self.language = language
        self.said = spoken_forms(read_lexicon(Path(lexicon)) if lexicon else [], language)
        self.tokenizer = read_tokenizer(pretrained) if pretrained else tokenizer_of(alphabet)
        numbers = range(len(self.tokenizer))
        self.alphabet: tuple[str, ...] = tuple(self.tokenizer.convert_ids_to_tokens(numbers))
        self._ids = {symbol: number for number, symbol in enumerate(self.alphabet)}

    def tokens(self, text: str) -> Spoken:
        """Raises `UnsayableError` where nothing in the text can be said."""
        words = tuple(text.split())
        tokens: list[str] = []
        word_of: list[int] = []
        unknown = []
        for number, word in enumerate(words):
            forms = [form for part in spoken(word, self.language) for form in self.said.get(part, [part])]
            letters = [letter for form in forms for letter in (SPACE, *form)]
            known = [letter for letter in letters if letter in self._ids]
            if len(known) < len(letters) or (not forms and any(c.isalnum() for c in word)):
                unknown.append(word)
            known += [mark for mark in word[len(word.rstrip(PAUSES)) :][:1] if mark in self._ids and known]
            tokens += known
            word_of += [number] * len(known)
        if not any(token.isalnum() for token in tokens):
            raise UnsayableError.nothing_in(text)
        tokens.append(self.tokenizer.eos_token)
        word_of.append(-1)
        ids = np.array([self._ids[token] for token in tokens])
        return Spoken(tuple(tokens), ids, words, tuple(word_of), tuple(unknown))


def read_tokenizer(pretrained: str) -> Any:
    """`SpeechT5Tokenizer` of a hub's name or a folder."""
    from transformers import SpeechT5Tokenizer

    folder = fetched(pretrained, instead=INSTEAD)
    if not (folder / TOKENIZER_FILE).is_file():
        raise UserError(
            f"{pretrained}: has no {TOKENIZER_FILE}, the letters that SpeechT5 reads; "
            "give microsoft/speecht5_tts or a copy, or model.pretrained=null for one from nothing"
        )
    return SpeechT5Tokenizer.from_pretrained(folder)


def tokenizer_of(alphabet: str) -> Any:
    """A tokenizer of SpeechT5's own kind with these letters, a space and the marks of a pause."""
    from sentencepiece import SentencePieceTrainer
    from transformers import SpeechT5Tokenizer

    letters = "".join(dict.fromkeys(alphabet + PAUSES))
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(letters)]),
        model_writer=model,
        model_type="char",
        vocab_size=len(letters) + 5,  # with the space and four marks, numbered as in the published one
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
        character_coverage=1.0,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TOKENIZER_FILE
        path.write_bytes(model.getvalue())
        return SpeechT5Tokenizer(str(path))
