"""How conversations become tokens: a model's own chat template, and which tokens are the subject's."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from understudy.errors import UserError

IGNORED = -100  # a label that no loss counts
PAD, BEGIN, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
CHATML = (  # of a tokenizer from nothing; published models have their own
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_MARKS = [chr(0xE000 + k) for k in range(7)]  # stand for texts; no template has characters of private use


@dataclass(frozen=True)
class Exchange:
    """What was said to the subject, and what they answered."""

    said: str
    answer: str


@dataclass(frozen=True)
class Example:
    """A conversation to learn from; `labels` are the ids where the subject speaks, else IGNORED."""

    ids: list[int]
    labels: list[int]
    characters: int  # that the subject wrote
    cut: bool = False  # at its end, being too long


class ChatFormat:
    """Conversations as the chat template of `tokenizer` writes them, taken apart where speakers change.

    Every answer stands behind what the template puts there when an answer is wanted, thinking switched off:
    what is learnt is what will be asked for, also with templates that write the past otherwise (Qwen3 thinks,
    and forgets). `name` is the model's, for errors. Raises `UserError` for a template that is not made of
    turns that look alike.
    """

    def __init__(self, tokenizer: Any, *, name: str) -> None:
        self.tokenizer, self.name = tokenizer, name
        special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
        self._special = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or r"$^")
        system, *texts = _MARKS
        turns = [{"role": "system", "content": system}]
        turns += [{"role": ("user", "assistant")[k % 2], "content": text} for k, text in enumerate(texts)]
        parts = self._parts(turns)
        before, start, end = parts[0], parts[1], parts[-1]
        histories, to_user = {parts[2], parts[4], parts[6]}, {parts[3], parts[5]}
        *_, self._to_answer = self._parts(turns[:2], add_generation_prompt=True)
        past = min(histories, key=len)
        (joint,) = to_user if len(to_user) == 1 else ("",)
        self._open = joint.removeprefix(end)
        regular = (
            end
            and joint.startswith(end)
            and start.endswith(self._open)
            and histories <= {past, self._to_answer}
            and self._to_answer.startswith(past)
        )
        if not regular:
            raise UserError(f"{name}: its chat template has no turns that look alike; take another model")
        self._close = end
        self._head = before, start.removesuffix(self._open)
        self.end_of_turn: int = self._tokens(end)[0]
        self._check_joints()

    def _parts(self, turns: Sequence[dict[str, str]], **options: Any) -> list[str]:
        """What the template writes before, between and after the texts of `turns`."""
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(
                list(turns), tokenize=False, enable_thinking=False, **options
            )
        except (TemplateError, ValueError) as error:  # it has none, or takes no such turns
            reason = str(error).split(". ")[0].splitlines()[0]
            raise UserError(f"{self.name}: cannot write a chat ({reason}); take a model for chats") from None
        marks = [turn["content"] for turn in turns]
        parts = re.split("|".join(marks), text)
        if re.findall("|".join(marks), text) != marks:
            raise UserError(f"{self.name}: its chat template leaves out or repeats turns; take another model")
        return parts

    def _check_joints(self) -> None:
        """Pieces have to be the tokens that the whole text is."""
        pieces = [self._wrap_head("Hm."), self._wrap(Exchange("Hi", "You!")), self._wrap(Exchange("a", "b"))]
        if [*chain(*map(self._tokens, pieces))] != self._tokens("".join(pieces)):
            raise UserError(f"{self.name}: its chat template's turns are no tokens of their own")

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def plain(self, text: str) -> str:
        """Without marks that would end a turn, or begin another speaker's."""
        return self._special.sub("", text).strip()

    def _wrap_head(self, system: str) -> str:
        return self.plain(system).join(self._head)

    def _wrap(self, exchange: Exchange) -> str:
        return self._wrap_said(exchange.said) + self.plain(exchange.answer) + self._close

    def _wrap_said(self, said: str) -> str:
        return self._open + self.plain(said) + self._to_answer

    def piece(self, exchange: Exchange) -> Example:
        """An exchange alone: the answer and the mark behind it are what is learnt."""
        first = len(self._wrap_said(exchange.said))
        answer = self.plain(exchange.answer)
        found = self.tokenizer(
            self._wrap(exchange), add_special_tokens=False, return_offsets_mapping=True
        )  # (start, end) of each token in characters
        after = first + len(answer)
        spoken = [first < end and start < after for start, end in found.offset_mapping]
        closing = next(k for k, (start, _) in enumerate(found.offset_mapping) if start >= after)
        spoken[closing] = True
        labels = [token if own else IGNORED for token, own in zip(found.input_ids, spoken, strict=True)]
        return Example(found.input_ids, labels, len(answer))

    def examples(self, exchanges: Sequence[Exchange], system: str, max_tokens: int) -> list[Example]:
        """A conversation in windows of whole exchanges, the latest one full; nothing is learnt twice.

        Of an exchange that is longer than a window the end is cut off.
        """
        head = self._tokens(self._wrap_head(system))
        room = max_tokens - len(head)
        windows: list[list[Example]] = []
        left = 0
        for exchange in reversed(exchanges):
            piece = self.piece(exchange)
            if len(piece.ids) > left:
                windows.append([])
                left = room
            windows[-1].append(piece)
            left -= len(piece.ids)
        found = []
        for window in reversed(windows):
            ids = head + [token for piece in reversed(window) for token in piece.ids]
            labels = [IGNORED] * len(head) + [label for piece in reversed(window) for label in piece.labels]
            cut = len(ids) > max_tokens
            ids, labels = ids[:max_tokens], labels[:max_tokens]
            if any(label != IGNORED for label in labels):
                found.append(Example(ids, labels, sum(piece.characters for piece in window), cut))
        return found

    def prompt(self, before: Sequence[Exchange], said: str, system: str) -> list[int]:
        """What a model is given that shall answer `said`."""
        texts = [self._wrap_head(system), *map(self._wrap, before), self._wrap_said(said)]
        return [token for text in texts for token in self._tokens(text)]


def tokenizer_from_nothing(texts: Iterable[str], vocab_size: int) -> Any:
    """Pairs of bytes that are frequent in `texts` (Sennrich et al., 2016), in turns of ChatML."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    letters = pre_tokenizers.ByteLevel.alphabet()
    marks = [PAD, BEGIN, END]
    if vocab_size < len(letters) + len(marks):
        raise UserError(
            f"model.network.vocab_size={vocab_size}: all bytes alone are {len(letters) + len(marks)}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=marks,
        initial_alphabet=letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer_of(tokenizer.to_str())


def tokenizer_of(written: str) -> Any:
    """A tokenizer from nothing again, as it was written by `written_tokenizer`."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(written), pad_token=PAD, eos_token=END
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def written_tokenizer(tokenizer: Any) -> str:
    written: str = tokenizer.backend_tokenizer.to_str()
    return written
