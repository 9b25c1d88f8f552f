import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real recordings beside the project, or wherever `UNDERSTUDY_CORPUS` points."""
    beside = Path(__file__).parents[2] / "shared" / "corpus"
    path = Path(os.environ.get("UNDERSTUDY_CORPUS", beside))
    if not path.is_dir():
        pytest.skip(f"no recordings at {path}: set UNDERSTUDY_CORPUS")
    return path
