"""Dialogues that a tiny language model learns in seconds: Ann says which animal is which colour."""

import json
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import numpy as np
from transformers import LlamaConfig, LlamaForCausalLM

from understudy.data.dialogues import DIALOGUES, Dialogue, Turn
from understudy.data.manifest import json_lines
from understudy.data.persona_tokenizer import tokenizer_from_nothing

COLOURS = {"cat": "black", "dog": "brown", "hen": "white", "fox": "red"}
BEGINS = datetime(2024, 1, 1, 12)


def dialogue(*texts: str, speakers: str = "BA", day: int = 0, chat: str = "Ben") -> Dialogue:
    """Turns of B(en), C(ara) and A(nn), who is the subject, by their first letters, again and again."""
    names = {"A": "Ann", "B": "Ben", "C": "Cara"}
    at = BEGINS + timedelta(days=day)
    turns = [
        Turn(names[letter], text, letter == "A", at + timedelta(minutes=k))
        for k, (letter, text) in enumerate(zip(speakers * len(texts), texts, strict=False))
    ]
    return Dialogue(chat, tuple(turns), "chat.txt")


def write_dialogues(workspace: Path, dialogues: list[Dialogue]) -> Path:
    path = workspace / "chats" / DIALOGUES
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json_lines(one.to_json() for one in dialogues), encoding="utf-8")
    return workspace


def write_chatter(workspace: Path, number: int) -> Path:
    """A dialogue a day; each asks for the colours of three animals."""
    rng = np.random.default_rng(0)
    found = []
    for day in range(number):
        asked = rng.choice([*COLOURS], 3)
        texts = [(f"the {animal}?", f"the {animal} is {COLOURS[animal]} 🙂") for animal in asked]
        found.append(dialogue(*chain(*texts), day=day))
    return write_dialogues(workspace, found)


def tiny_llama(folder: Path, *, template: str | None = None) -> Path:
    """A model for chats that has learnt nothing, with tokens of its own."""
    tokenizer = tokenizer_from_nothing(["the cat is black", "You are Ann, chatting."] * 3, 300)
    if template:
        tokenizer.chat_template = template
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=512,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def settings_for(workspace: Path, *, model: str = "lm_small") -> list[str]:
    """A model that is as small as can be."""
    small = {
        "model_type": "llama",
        "vocab_size": 400,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,
    }
    return [
        f"model={model}",
        "subject=folder",
        "subject.name=ann",
        "trainer=cpu",
        f"workspace={workspace}",
        "threads=1",
        *([f"model.network={json.dumps(small).replace(chr(34), '')}"] if model == "lm_small" else []),
        "model.warmup_steps=2",
        "trainer.precision=32-true",
        "trainer.enable_progress_bar=false",
        "trainer.log_every_n_steps=1",
        "data.batch_size=8",
        "data.style=''",
        "callbacks.samples.prompts=4",
        "callbacks.samples.longest=12",
    ]
