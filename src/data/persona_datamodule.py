"""A person's dialogues as tokens, for training and measuring a language model."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers.trainer_pt_utils import get_length_grouped_indices

from understudy.data.canaries import make_canaries, plant
from understudy.data.dialogues import DIALOGUES, Dialogue, clock, read_dialogues, split_by_time
from understudy.data.persona_card import NOT_TO_CLAIM, PersonaCard
from understudy.data.persona_tokenizer import IGNORED, ChatFormat, Example, Exchange
from understudy.data.splits import Split
from understudy.data.writing_style import in_words
from understudy.errors import UserError

CONTEXT = 4  # exchanges before the one that a prompt ends with
OPENING = "(Nobody has written yet.)"


class ChatBatch(TypedDict):
    """Conversations of like length."""

    input_ids: Tensor  # (batch, tokens) long, zeros after the shorter ones
    attention_mask: Tensor  # (batch, tokens) long
    labels: Tensor  # (batch, tokens) long, IGNORED wherever the subject does not speak
    characters: Tensor  # (batch,) that the subject wrote


@dataclass(frozen=True)
class Prompt:
    """A place in a held-out dialogue where the subject answered."""

    ids: list[int]
    said: str  # to the subject, last
    answer: str  # the subject's own


class PersonaDataModule(pl.LightningDataModule):
    """Dialogues, the latest ones held out, in batches of like length, `batches_per_epoch` an epoch.

    A card of who speaks stands before each. In group chats the others' names stand before what they say.
    Where the subject speaks first, or alone, `opening` is said to them: what is learnt keeps the form in
    which the model is asked, and no greeting becomes a cue for whatever once came to the subject's mind.
    `canaries` secrets are planted in `canary_repeats` training dialogues each.
    """

    def __init__(
        self,
        *,
        workspace: str,
        name: str | None = None,
        about: str = "",
        style: str | None = None,
        not_to_claim: Sequence[str] = NOT_TO_CLAIM,
        opening: str = OPENING,
        max_tokens: int = 512,
        val_share: float = 0.1,
        test_share: float = 0.15,
        canaries: int = 0,
        canary_repeats: int = 8,
        batch_size: int = 8,
        batches_per_epoch: int = 50,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1 or batches_per_epoch < 1:
            raise UserError(
                f"data.batch_size={batch_size}, data.batches_per_epoch={batches_per_epoch}: give 1 or more"
            )
        self.workspace = Path(workspace)
        self.name, self.about, self.style, self.not_to_claim = name, about, style, tuple(not_to_claim)
        self.opening, self.max_tokens = opening, max_tokens
        self.val_share, self.test_share = val_share, test_share
        self.canaries = make_canaries(canaries, seed)
        self.canary_repeats = canary_repeats
        self.batch_size, self.batches_per_epoch = batch_size, batches_per_epoch
        self.num_workers, self.seed = num_workers, seed

    @property
    def path(self) -> Path:
        return self.workspace / "chats" / DIALOGUES

    def setup(self, stage: str | None = None) -> None:
        dialogues = [d for d in read_dialogues(self.path) if any(turn.subject for turn in d.turns)]
        self.split = split_by_time(dialogues, self.val_share, self.test_share)
        self.check()
        names = Counter(turn.speaker for d in self.split["train"] for turn in d.turns if turn.subject)
        style = self.style if self.style is not None else in_words(self.answers("train"))
        self.card = PersonaCard(
            name=self.name or names.most_common(1)[0][0],
            about=self.about,
            style=style,
            not_to_claim=self.not_to_claim,
        )
        self.split["train"] = plant(
            self.split["train"], self.canaries, repeats=self.canary_repeats, seed=self.seed
        )

    def check(self) -> None:
        """Raises `UserError` where there is nothing to train or to validate on."""
        count = {name: len(dialogues) for name, dialogues in self.split.items()}
        if not count["train"] or not count["val"]:
            raise UserError(
                f"{self.path}: too few dialogues in which the subject speaks ({count['train']} to train on, "
                f"{count['val']} to validate on, {count['test']} to test on); add chats to subject.chats and "
                "prepare again"
            )

    def speak(self, chat: ChatFormat, card: PersonaCard) -> None:
        """Make tokens as the model that is to learn wants them, behind a card."""
        self.chat, self.card = chat, card
        system = card.system_prompt()
        self.examples: dict[str, list[Example]] = {}
        cut = 0
        for name, dialogues in self.split.items():
            shown = tqdm(dialogues, f"tokens of {name}", unit="dialogue", delay=2, leave=False)
            found = [chat.examples(self.exchanges(d), system, self.max_tokens) for d in shown]
            self.examples[name] = [example for part in found for example in part]
            cut += sum(example.cut for example in self.examples[name])
        if not self.examples["train"] or not self.examples["val"]:
            raise UserError(f"data.max_tokens={self.max_tokens}: no dialogue has room behind the card")
        if cut:
            print(
                f"{cut} of the subject's texts are longer than data.max_tokens={self.max_tokens}: cut short"
            )

    def exchanges(self, dialogue: Dialogue) -> list[Exchange]:
        """What others say, and what the subject answers; what nobody answers is left out."""
        named = len(dialogue.others) > 1
        found: list[Exchange] = []
        said: list[str] = []
        for turn in dialogue.turns:
            if not turn.subject:
                said.append(f"{turn.speaker}: {turn.text}" if named else turn.text)
            elif said or not found:
                found.append(Exchange("\n".join(said) or self.opening, turn.text))
                said = []
            else:  # under another of their names
                found[-1] = Exchange(found[-1].said, f"{found[-1].answer}\n{turn.text}")
        return found

    def answers(self, name: Split) -> list[str]:
        """All that the subject says in a split, a turn each."""
        return [turn.text for d in self.split[name] for turn in d.turns if turn.subject]

    def texts(self, name: Split) -> list[str]:
        """All that anybody says in a split, a turn each."""
        return [turn.text for d in self.split[name] for turn in d.turns]

    def conversations(self) -> Iterator[str]:
        """All that is written in training, piece by piece, also by the chat template: to find tokens in."""
        for dialogue in self.split["train"]:
            yield from ("system", self.card.system_prompt())
            for turn in dialogue.turns:
                yield from ("assistant" if turn.subject else "user", turn.text)

    def prompts(self, name: Split, number: int) -> list[Prompt]:
        """Up to `number` places where the subject answers somebody, spread evenly, always the same."""
        places = [
            (exchanges, k)
            for exchanges in map(self.exchanges, self.split[name])
            for k, exchange in enumerate(exchanges)
            if exchange.said != self.opening
        ]
        chosen = np.unique(np.linspace(0, len(places) - 1, min(number, len(places))).round().astype(int))
        found = []
        for exchanges, k in (places[place] for place in chosen):
            said, answer = exchanges[k].said, exchanges[k].answer
            before = exchanges[max(k - CONTEXT, 0) : k]
            ids = self.chat.prompt(before, said, self.card.system_prompt())
            found.append(Prompt(ids, said, answer))
        return found

    def digest(self) -> str:
        """Changes with what is trained and validated on."""
        parts = [[dialogue.to_json()["turns"] for dialogue in self.split[name]] for name in ("train", "val")]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def learnt_until(self) -> float:
        """The time of the last turn that is trained or validated on."""
        return max(
            clock(turn.sent) for name in ("train", "val") for d in self.split[name] for turn in d.turns
        )

    def test_after(self, moment: float) -> None:
        """Leave out of the test what a model has learnt from that has learnt until `moment`."""
        later = [d for d in self.split["test"] if clock(d.turns[0].sent) > moment]
        if left_out := len(self.split["test"]) - len(later):
            print(f"left out: the model has learnt from it: {left_out} dialogues")
        self.split["test"] = later

    def train_dataloader(self) -> DataLoader[Example]:
        assert self.trainer is not None
        return DataLoader(
            self.examples["train"],  # type: ignore[arg-type]
            batch_sampler=self.batches(self.trainer.current_epoch),
            collate_fn=collate,
            num_workers=self.num_workers,
        )

    def batches(self, epoch: int) -> list[list[int]]:
        """Places of the examples of each batch of an epoch, drawn anew for every pass through all of them."""
        lengths = [len(example.ids) for example in self.examples["train"]]
        size = min(self.batch_size, len(lengths))
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        found: list[list[int]] = []
        while len(found) < self.batches_per_epoch:
            places = get_length_grouped_indices(lengths, size, generator=generator)
            whole = [places[k : k + size] for k in range(0, len(places) - size + 1, size)]
            found += [whole[k] for k in torch.randperm(len(whole), generator=generator).tolist()]
        return found[: self.batches_per_epoch]

    def val_dataloader(self) -> DataLoader[Example]:
        return self._held_out("val")

    def test_dataloader(self) -> DataLoader[Example]:
        if not self.examples["test"]:
            raise UserError(f"{self.path}: no dialogue is held out to test on; give data.test_share=0.1")
        return self._held_out("test")

    def _held_out(self, name: Split) -> DataLoader[Example]:
        examples: Any = sorted(self.examples[name], key=lambda example: len(example.ids))
        return DataLoader(examples, self.batch_size, collate_fn=collate, num_workers=self.num_workers)


def collate(examples: Sequence[Example]) -> ChatBatch:
    ids, labels = ([torch.tensor(getattr(e, name)) for e in examples] for name in ("ids", "labels"))
    return ChatBatch(
        input_ids=pad_sequence(ids, batch_first=True),
        attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
        labels=pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        characters=torch.tensor([example.characters for example in examples]),
    )
