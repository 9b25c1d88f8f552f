"""A conversation with the twin: what it remembers, and its answers piece by piece."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from understudy.data.persona_tokenizer import Exchange
from understudy.data.personal_data import check_region
from understudy.data.twin_lm import TwinPersona
from understudy.errors import UserError
from understudy.models.token_stream import TokenStream
from understudy.stream.discretion import Discretion, partly, undecided

KEPT = 0.75  # of a full memory; some exchanges go at once, or all had to be read anew at every turn
ROLES = ("User", "Human", "Assistant", "System")
_PLACEHOLDER = r"\[name \d+\]"
_LABELLED = re.compile(rf"^({_PLACEHOLDER}|[^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){{0,2}}): ", re.MULTILINE)
_BROKEN = "\ufffd"  # stands for bytes that are no character, or only a part of one


class Conversation:
    """What others say, and what the twin answers, which may be interrupted.

    A talk is `heard`, then `answer`, again and again. Card, memory and answer have `context_tokens`; of the
    memory the oldest exchanges fall out whole, the card stays. Answers end with the turn, after `max_tokens`,
    where another speaker's label would follow, and when they go round in circles. Personal data that the
    model may have learnt is replaced before it is said; `region` is for telephone numbers. The same `seed`
    says the same.
    """

    def __init__(
        self,
        persona: TwinPersona,
        *,
        temperature: float = 0.8,
        top_p: float = 0.95,
        max_tokens: int = 128,
        context_tokens: int = 512,
        region: str | None = None,
        seed: int | None = None,
    ) -> None:
        if not 0 <= temperature <= 10:
            raise UserError(f"temperature={temperature}: is from 0, always the likeliest, to 10")
        if not 0 < top_p <= 1:
            raise UserError(f"top_p={top_p}: is a share of the probability, above 0 and up to 1")
        if max_tokens < 1:
            raise UserError(f"max_tokens={max_tokens}: give 1 or more")
        check_region(region, setting="region")
        if persona.longest and context_tokens > persona.longest:
            raise UserError(f"context_tokens={context_tokens}: the model can look at {persona.longest}")
        self.persona, self.region = persona, region
        self.temperature, self.top_p, self.max_tokens = temperature, top_p, max_tokens
        self.system = persona.card.system_prompt()
        self.room = context_tokens - max_tokens  # for card and memory
        if (card := len(persona.chat.prompt([], "", self.system))) >= self.room:
            raise UserError(
                f"context_tokens={context_tokens}: the persona card takes {card} of them and an answer up to "
                f"max_tokens={max_tokens}, which leaves none for what is said"
            )
        self.exchanges: list[Exchange] = []  # what is remembered; the last answer is "" until one is said
        self._labels = set(ROLES)
        self._tokens = TokenStream(persona.network)
        self._generator = torch.Generator(persona.device_used)
        if seed is not None:
            self._generator.manual_seed(seed)
        else:
            self._generator.seed()
        self._answering: object = None

    def heard(self, text: str) -> None:
        """Somebody said `text`, in a group behind "NAME: "; an answer that is under way ends here.

        What nobody answered is remembered with it.
        """
        self._answering = None
        self._labels.update(name for name in _LABELLED.findall(text) if name != self.persona.card.name)
        if self.exchanges and not self.exchanges[-1].answer:
            text = f"{self.exchanges.pop().said}\n{text}"
        self.exchanges.append(Exchange(text, ""))

    def said(self, text: str) -> None:
        """Only `text` of the last answer could be heard, the rest was not said; before the next `heard`.

        An answer that is under way ends here.
        """
        assert self.exchanges, "there is no answer"
        self._answering = None
        self.exchanges[-1] = Exchange(self.exchanges[-1].said, text.strip())

    def answer(self) -> Iterator[str]:
        """Pieces of the answer to what was heard, as soon as they are certain.

        What was taken from here counts as said, whether the answer is taken to its end or not, until `said`
        tells otherwise. It may be empty.
        """
        assert self.exchanges, "nothing was heard"
        assert not self.exchanges[-1].answer, "that was answered"
        self._answering = answering = object()
        prompt = self._prompt()
        said, spoken = self.exchanges[-1].said, ""
        for piece in self._pieces(prompt):
            spoken += piece
            self.exchanges[-1] = Exchange(said, spoken)
            yield piece
            if self._answering is not answering:
                return

    def _prompt(self) -> list[int]:
        """Card and memory; forgets what there is no room for, of a single text its beginning."""
        prompt = self._written()
        if len(prompt) > self.room:
            while len(self.exchanges) > 1 and len(prompt) > KEPT * self.room:
                del self.exchanges[0]
                prompt = self._written()
        while len(prompt) > self.room:
            said = self.exchanges[-1].said
            self.exchanges[-1] = Exchange(said[len(said) // 8 + 1 :], "")
            prompt = self._written()
        return prompt

    def _written(self) -> list[int]:
        *before, last = self.exchanges
        return self.persona.chat.prompt(before, last.said, self.system)

    def _pieces(self, prompt: Sequence[int]) -> Iterator[str]:
        own_end = re.compile(rf"(?:^|\n)[ \t]*(?:{self._any_label()})[ \t]*:", re.IGNORECASE)
        label = partly(own_end)
        discretion, text = Discretion(self.region), ""
        for text in self._texts(prompt):
            if found := own_end.search(text):
                text = text[: found.start()]
                break
            # a line that may become a label is no part of the answer yet
            if piece := discretion.more(text[: undecided([label], text, 0)]):
                yield piece
        if piece := discretion.rest(text):
            yield piece

    def _any_label(self) -> str:
        return "|".join([_PLACEHOLDER, *map(re.escape, sorted(self._labels))])

    def _texts(self, prompt: Sequence[int]) -> Iterator[str]:
        """All of the answer so far, after each token: whole characters only."""
        tokens: list[int] = []
        stream = self._tokens.after(
            prompt, temperature=self.temperature, top_p=self.top_p, generator=self._generator
        )
        for token in islice(stream, self.max_tokens):
            if token in self.persona.marks:
                return
            tokens.append(token)
            if goes_round(tokens):
                return
            text = self.persona.chat.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
            yield text.rstrip(_BROKEN).replace(_BROKEN, "").lstrip()


def goes_round(tokens: Sequence[int], *, longest: int = 48, times: int = 4, fewest: int = 24) -> bool:
    """Whether the last `fewest` tokens or more are up to `longest` ones, said `times` times or more."""
    for period in range(1, min(longest, len(tokens) // times) + 1):
        size = max(times, -(-fewest // period)) * period
        tail = tokens[-size:]
        if len(tail) == size and tail[period:] == tail[:-period]:
            return True
    return False
