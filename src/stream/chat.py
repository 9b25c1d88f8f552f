"""The verb `chat`: the twin answers what is typed, as it would write."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from understudy.data.twin_lm import TwinPersona
from understudy.stream.conversation import Conversation
from understudy.stream.speak import COMMENT


def chat(
    *,
    twin: str,
    text: str | None = None,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_tokens: int = 128,
    context_tokens: int = 512,
    region: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> int:
    """Answers `text`, or else each line of standard input until it ends.

    Ctrl-C interrupts an answer; the twin remembers what it got to say. Only answers go to standard output.
    """
    if threads:
        torch.set_num_threads(threads)
    persona = TwinPersona(pretrained=str(Path(twin) / "lm"), device=device)
    persona.setup()
    conversation = Conversation(
        persona,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        context_tokens=context_tokens,
        region=region,
        seed=seed,
    )
    print(f"{persona.card.name}: {COMMENT}", file=sys.stderr)
    for line in lines() if text is None else [str(text)]:
        if line.strip():
            answer(conversation, line.strip())
    return 0


def lines() -> Iterator[str]:
    """What is typed, or comes through a pipe."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            line = input("> ")
        except EOFError:  # Ctrl-D
            print()
            return
        yield line


def answer(conversation: Conversation, text: str) -> None:
    """Print the answer as it comes."""
    conversation.heard(text)
    try:
        for piece in conversation.answer():
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print(" -", end="")
    print()
