"""A folder that is written anew as a whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder to write to that takes the place of `folder` when the block ends well."""
    partial, former = (folder.with_name(f".{folder.name}.{kind}") for kind in ("partial", "former"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if former.exists():  # a run that was killed
        _put_back(former, folder)
    try:
        yield partial
        if folder.exists():
            os.replace(folder, former)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        _put_back(former, folder)


def _put_back(former: Path, folder: Path) -> None:
    """The former folder takes its place again unless a new one has it."""
    if former.exists() and not folder.exists():
        os.replace(former, folder)
    shutil.rmtree(former, ignore_errors=True)
