"""The tables of persona.md, from runs that were evaluated.

    python experiments/persona.py NAME=RUN [NAME=RUN ...] [--answers 8]

RUN is the folder of a run, WORKSPACE/runs/lm/RUN, after `understudy evaluate ckpt=RUN/checkpoints/best.ckpt`.
For each one prints, in Markdown:

    perplexity     of the subject's tokens in the latest months, which no model has seen; bits a character
                   compare models whose tokens differ
    style          what their answers to the same questions have on average; distance is the Jensen-Shannon
                   divergence from the real answers, in bits. "person, earlier" are the person's own answers
                   of the months that were trained on: as near as one is to oneself
    memorisation   the longest copy of training texts, in words; the share of answers with 8 words in a row
                   from training that the base does not write; of planted secrets their exposure in bits (1.4
                   by chance, 6 at most) and the share that is told
    answers        some of them
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WHO = {"base": "base", "tuned": "tuned", "earlier": "person, earlier", "real": "person"}
TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "Perplexity": {
        "perplexity": ("perplexity", "{:.2f}"),
        "bits_per_character": ("bits a character", "{:.3f}"),
    },
    "Style": {
        "style/words": ("words a message", "{:.1f}"),
        "style/lines": ("messages in a row", "{:.2f}"),
        "style/marks": ("punctuation marks a message", "{:.2f}"),
        "style/full_stop": ("end with a full stop", "{:.0%}"),
        "style/small_letters": ("begin with a small letter", "{:.0%}"),
        "style/emoji": ("emoji a message", "{:.2f}"),
        "style/favourites": ("favourite words of 100", "{:.1f}"),
        "distance/length": ("distance: length", "{:.3f}"),
        "distance/lines": ("distance: lines", "{:.3f}"),
        "distance/punctuation": ("distance: punctuation", "{:.3f}"),
        "distance/ending": ("distance: last character", "{:.3f}"),
        "distance/capitals": ("distance: capitals", "{:.3f}"),
        "distance/emoji": ("distance: emoji", "{:.3f}"),
        "distance/words": ("distance: words", "{:.3f}"),
        "distance/style": ("**distance, mean**", "**{:.3f}**"),
    },
    "Memorisation": {
        "longest_copy": ("longest copy, words", "{:.0f}"),
        "copied": ("answers that copy 8 words", "{:.0%}"),
        "exposure": ("exposure of secrets, bits", "{:.2f}"),
        "extracted": ("secrets told", "{:.0%}"),
    },
}


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table(values: dict[str, Any], rows: dict[str, tuple[str, str]]) -> str:
    """Who is in the columns: all that have any of the numbers."""
    columns = [who for who in WHO if values.get(who, {}).keys() & rows.keys()]
    cells = [
        [title, *(form.format(values[who][name]) if name in values[who] else "" for who in columns)]
        for name, (title, form) in rows.items()
        if any(name in values[who] for who in columns)
    ]
    return markdown(["", *(WHO[who] for who in columns)], cells)


def answers(folder: Path, number: int) -> str:
    rows = [json.loads(line) for line in (folder / "answers.jsonl").read_text("utf-8").splitlines()]
    chosen = rows[:: max(len(rows) // number, 1)][:number]
    cells = [[row[who] for who in ("said", "real", "base", "tuned")] for row in chosen]
    plain = [[cell.replace("|", "&#124;").replace("\n", "<br>") for cell in row] for row in cells]
    return markdown(["said", "person", "base", "tuned"], plain)


def named_run(argument: str) -> tuple[str, Path]:
    name, separator, path = argument.partition("=")
    folder = Path(path) / "evaluation"
    if not separator or not (folder / "metrics.json").exists():
        raise argparse.ArgumentTypeError(f"{argument}: give NAME=RUN, of a run that was evaluated")
    return name, folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", type=named_run, nargs="+", metavar="NAME=RUN")
    parser.add_argument("--answers", type=int, default=8)
    arguments = parser.parse_args()
    for name, folder in arguments.runs:
        values = json.loads((folder / "metrics.json").read_text("utf-8"))
        print(f"## {name}, {values['step']} steps\n")
        for title, rows in TABLES.items():
            print(f"### {title}\n\n{table(values, rows)}")
        favourites = json.loads((folder / "style.json").read_text("utf-8"))["favourites"][1:]
        print(f"Favourite words: {', '.join(row[0] for row in favourites[:15])}\n")
        print(f"### Answers\n\n{answers(folder, arguments.answers)}")


if __name__ == "__main__":
    main()
