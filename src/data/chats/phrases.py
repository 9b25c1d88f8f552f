"""Phrases by section, from the text files beside this one."""

from collections import defaultdict
from importlib.resources import files


def phrases(name: str, between: str = "\n") -> dict[str, list[str]]:
    """`between` stands between the phrases of one line."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in files(__package__).joinpath(name).read_text("utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found[section] += line.split(between)
    return dict(found)
