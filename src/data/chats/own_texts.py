"""Texts that the subject wrote on their own, plain or Markdown: a paragraph for a message."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from understudy.data.chats.files import ExportFile, beginning, is_damaged
from understudy.data.chats.message import Message, Unread

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)\n.*?\n\1[ \t]*(?:\n|\Z)", re.DOTALL)


def read_own_text(file: ExportFile, name: str) -> Iterator[Message | Unread]:
    """Paragraphs, sent by `name` when the file was last written."""
    chat, sent = file.place.stem, file.written()
    markdown = file.place.suffix.lower() in (".md", ".markdown")
    for line, text in _of_markdown(file) if markdown else _of_plain(file):
        if is_damaged(text):
            yield Unread(file.name, line, beginning(text), "has bytes that are no UTF-8")
        elif text := text.strip():
            yield Message(chat, name, sent, text, "text", file.name, line)


def _of_plain(file: ExportFile) -> Iterator[tuple[int, str]]:
    paragraph: list[str] = []
    start = 1
    for number, line in file.lines():
        if line.strip():
            start = start if paragraph else number
            paragraph.append(line.strip())
        elif paragraph:
            yield start, "\n".join(paragraph)
            paragraph = []
    yield start, "\n".join(paragraph)


def _of_markdown(file: ExportFile) -> Iterator[tuple[int, str]]:
    """What is said in it: no headings, no code, and no quotations, which are another's words."""
    text = "\n".join(line for _, line in file.lines())
    text = _FRONT_MATTER.sub(lambda front: "\n" * front[0].count("\n"), text)
    quoted, within = 0, ""
    for token in MarkdownIt().parse(text):
        quoted += (token.type == "blockquote_open") - (token.type == "blockquote_close")
        if token.type in ("paragraph_open", "heading_open"):
            within = token.type
        if token.type == "inline" and within == "paragraph_open" and not quoted and token.map:
            yield token.map[0] + 1, _words(token.children or [])


def _words(tokens: list[Token]) -> str:
    breaks = {"softbreak": "\n", "hardbreak": "\n"}
    return "".join(
        breaks.get(token.type) or (token.content if token.type in ("text", "code_inline") else "")
        for token in tokens
    )
