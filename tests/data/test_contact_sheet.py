from pathlib import Path

import numpy as np

from understudy.data.contact_sheet import contact_sheet
from understudy.data.media import read_image


def test_one_page_with_lips_and_labels(tmp_path: Path) -> None:
    crops = np.full((13, 128, 96, 3), 128, np.uint8)
    turn = np.linspace(0, 2 * np.pi, 68)
    landmarks = np.tile(np.stack([48 + 20 * np.cos(turn), 96 + 10 * np.sin(turn)], -1), (13, 1, 1))
    path = tmp_path / "a folder" / "page.png"
    contact_sheet(crops, landmarks, [f"clip {k}" for k in range(13)], path, columns=5)
    page = read_image(path)
    assert page.shape == (3 * (2 * 128 + 14), 5 * 2 * 96, 3)
    assert (page[:256, :192] != 128).any(-1).sum() > 50  # lips
    assert page[256:270, :192].max() > 150  # a label
    assert not page[-100:, -192:].any()  # no crop there
    assert list(path.parent.iterdir()) == [path]
