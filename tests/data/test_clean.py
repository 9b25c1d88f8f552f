from pathlib import Path

import numpy as np
import pytest

from understudy.data.clean import Clean
from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip
from understudy.data.stage import Report, run_stage

GOOD = {"loudness": -20.0, "peak": -3.0, "snr": 30.0, "clipping": 0.0, "tonality": 0.1, "dnsmos": 3.5}


def clips_of(workspace: Path, *numbers: dict[str, float]) -> list[Clip]:
    """One clip for each set of numbers; every one sounds different from the others."""
    rng = np.random.default_rng(0)
    clips = []
    for k, given in enumerate(numbers):
        vector = rng.normal(size=64)
        np.save(workspace / f"{k}.npy", vector / np.linalg.norm(vector))
        clips.append(Clip(f"c{k}", "a", 2.0 * k, 2.0 * k + 2, {**GOOD, **given, "fingerprint": f"{k}.npy"}))
    return clips


def clean(workspace: Path, clips: list[Clip], **settings: float) -> tuple[list[Clip], Report]:
    return run_stage(Clean(**settings), clips, workspace, LocalPool(workers=1))


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ({"loudness": -60.0}, "quieter than -50 LUFS"),
        ({"snr": 2.0}, "SNR below 6 dB"),
        ({"clipping": 0.01}, "more than 0.2% clipped"),
        ({"tonality": 0.9}, "music or tones"),
        ({"dnsmos": 1.5}, "DNSMOS below 2.4"),
    ],
)
def test_what_misses_a_limit_is_dropped_with_its_reason(
    number: dict[str, float], reason: str, tmp_path: Path
) -> None:
    kept, report = clean(tmp_path, clips_of(tmp_path, {}, number))
    assert [clip.id for clip in kept] == ["c0"]
    assert report.dropped == {reason: 1}


def test_clips_without_a_rating_are_not_dropped_for_it(tmp_path: Path) -> None:
    clips = clips_of(tmp_path, {})
    del clips[0].fields["dnsmos"]
    assert len(clean(tmp_path, clips)[0]) == 1


def test_all_become_equally_loud_and_none_is_clipped_by_it(tmp_path: Path) -> None:
    loud, soft, peaky = clips_of(
        tmp_path, {"loudness": -10.0}, {"loudness": -30.0, "peak": -20.0}, {"loudness": -33.0}
    )
    kept, _ = clean(tmp_path, [loud, soft, peaky])
    assert [clip["gain"] for clip in kept] == [-13.0, 7.0, 2.0]


def test_of_copies_the_first_good_one_stays(tmp_path: Path) -> None:
    clips = clips_of(tmp_path, {"snr": 0.0}, {}, {}, {})
    same = [clips[0], *(clip.add(fingerprint="0.npy") for clip in clips[1:3]), clips[3]]
    kept, report = clean(tmp_path, same)
    assert [clip.id for clip in kept] == ["c1", "c3"]
    assert report.dropped == {"SNR below 6 dB": 1, "a copy of another clip": 1}
    assert len(clean(tmp_path, same, max_similarity=1.0)[0]) == 3


def test_histograms_show_what_thresholds_decide_on(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    clean(tmp_path, clips_of(tmp_path, {}, {"snr": 3.0}, {}))
    events = EventAccumulator(str(tmp_path / "runs" / "prepare"))
    events.Reload()
    assert {"clean/snr", "clean/dnsmos", "clean/duration"} <= set(events.Tags()["histograms"])
    assert (tmp_path / "clean.png").stat().st_size > 1000


def test_the_picture_is_that_of_the_settings_at_hand(tmp_path: Path) -> None:
    clips = clips_of(tmp_path, {}, {"snr": 3.0}, {})
    clean(tmp_path, clips)
    first = (tmp_path / "clean.png").read_bytes()
    clean(tmp_path, clips, min_snr=20.0)
    assert (tmp_path / "clean.png").read_bytes() != first
    clean(tmp_path, clips)  # computed before
    assert (tmp_path / "clean.png").read_bytes() == first
