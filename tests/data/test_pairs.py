"""Synthetic speech on the timing of every clip."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import run_verb
from hums import RATE, subject_of, write_hums, write_vocoder, write_voice
from tiny_models import tiny_ctc

from understudy.data.manifest import Clip, read_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.data.pairs import Pair, boundary_errors, tell_boundaries
from understudy.data.recognizers import Word
from understudy.data.sound import clip_audio, voice_sound
from understudy.data.twin_vocoder import TwinVocoder
from understudy.errors import UserError

CLIPS = 6


@pytest.fixture(scope="module")
def hums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a twin that can speak, an aligner that hears nothing in particular, and two odd clips."""
    workspace = write_hums(tmp_path_factory.mktemp("hums"), CLIPS)
    write_voice(workspace / "twin" / "tts")
    write_vocoder(workspace / "twin" / "vocoder")
    tiny_ctc(workspace / "aligner")
    with (workspace / "edits.jsonl").open("a") as file:
        file.write(json.dumps({"clip": "hum_1", "set": {"text": "a: b; c " * 40}}) + "\n")
        file.write(json.dumps({"clip": "hum_2", "set": {"text": "?!"}}) + "\n")
    return workspace


def settings(workspace: Path, *changes: str) -> list[str]:
    return [
        *subject_of(workspace),
        "aligner=ctc",
        f"aligner.pretrained={workspace / 'aligner'}",
        "engine.workers=1",
        "stages.pairs.max_boundary_error=10",
        *changes,
    ]


@pytest.fixture(scope="module")
def paired(hums: Path) -> Path:
    assert run_verb("pair", *settings(hums)) == 0
    return hums


def drops_of(workspace: Path, stage: str) -> dict[str, str]:
    rows = (workspace / "manifests" / f"{stage}.dropped.jsonl").read_text().splitlines()
    return {row["id"]: row["reason"] for row in map(json.loads, rows)}


def test_mels_lie_on_the_recording_frame_by_frame(paired: Path) -> None:
    clips = read_manifest(paired / "manifests" / "generate.jsonl")
    assert len(clips) == CLIPS - 2
    for clip in clips:
        mel = np.load(paired / clip["mel"])
        assert mel.shape == (80, len(voice_sound(clip, paired, RATE, 256)) // 256)
        assert mel.dtype == np.float32
        assert np.isfinite(mel).all()


def test_pairs_are_as_long_as_the_clip_to_the_sample(paired: Path) -> None:
    clips = read_manifest(paired / "manifests" / "pairs.jsonl")
    assert len(clips) == CLIPS - 2
    for clip in clips:
        samples, rate = soundfile.read(paired / clip["pair"])
        assert rate == SAMPLE_RATE
        assert len(samples) == len(clip_audio(clip, paired))
        assert samples.any()
        assert len(clip["boundary_errors"]) == 2 * len(clip["text"].split())
        assert clip["boundary_error"] == pytest.approx(np.percentile(clip["boundary_errors"], 95), abs=1e-4)


def test_what_cannot_be_paired_says_why(paired: Path) -> None:
    assert drops_of(paired, "generate") == {
        "hum_1": "has more sounds than there is time for",
        "hum_2": "there is nothing in it to say",
    }


def test_words_that_are_off_are_no_pair(paired: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worst = {clip.id: clip["boundary_error"] for clip in read_manifest(paired / "manifests" / "pairs.jsonl")}
    limit = float(np.median([*worst.values()]))
    assert run_verb("pair", *settings(paired, f"stages.pairs.max_boundary_error={limit}")) == 0
    told = capsys.readouterr().out
    kept = {clip.id for clip in read_manifest(paired / "manifests" / "pairs.jsonl")}
    assert kept == {name for name, error in worst.items() if error <= limit}
    assert set(drops_of(paired, "pairs").values()) == {f"words are more than {limit:g} s off"}
    every, some = json.loads((paired / "manifests" / "pairs.json").read_text())
    assert (every["clips"], some["clips"]) == (CLIPS - 2, len(kept))
    shares = every["share"], some["share"]
    assert shares == ((CLIPS - 2) / CLIPS, len(kept) / CLIPS), "of all that have a text"
    assert some["p95 (s)"] <= every["max (s)"]
    assert (paired / "pairs.png").exists()
    assert "p95 (s)" in told


@pytest.mark.parametrize("made", [0, 1])
def test_where_no_pair_is_left_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: int
) -> None:
    pairs = [Clip("one", "one", 0.0, 1.0, {"boundary_errors": [0.1, 0.3]})] * made
    tell_boundaries(pairs, [], tmp_path, of=4)
    assert "no pairs  of 4 clips that have a text" in capsys.readouterr().out
    told = (tmp_path / "manifests" / "pairs.json").read_text()
    every, kept = json.loads(told, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (every["clips"], every["share"], every["max (s)"]) == (made, made / 4, 0.3 if made else None)
    assert (kept["clips"], kept["share"], kept["p95 (s)"]) == (0, 0.0, None)


def test_what_is_done_is_not_done_again(paired: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in paired.glob("pair/*/pair.flac")}
    assert len(before) == CLIPS - 2
    assert run_verb("pair", *settings(paired)) == 0
    assert {path: path.stat().st_mtime_ns for path in paired.glob("pair/*/pair.flac")} == before


def test_it_stops_where_a_vocoder_has_what_it_needs(hums: Path, tmp_path: Path) -> None:
    (tmp_path / "twin").mkdir()
    (tmp_path / "manifests").mkdir()
    for name in ("decode", "twin/tts", "aligner"):
        (tmp_path / name).symlink_to(hums / name)
    for name in ("edits.jsonl", "manifests/transcribe.jsonl"):
        (tmp_path / name).write_bytes((hums / name).read_bytes())
    assert run_verb("pair", *settings(tmp_path, "until=generate")) == 0
    assert (tmp_path / "manifests" / "generate.jsonl").exists()
    assert not (tmp_path / "manifests" / "pair.jsonl").exists()
    with pytest.raises(UserError, match=r"twin/vocoder: there is no vocoder yet; train one .* and export it"):
        run_verb("pair", *settings(tmp_path))
    (tmp_path / "twin" / "tts").unlink()
    with pytest.raises(UserError, match=r"twin/tts: there is no voice yet; train one .* and export it"):
        run_verb("pair", *settings(tmp_path, "until=generate"))
    with pytest.raises(UserError, match="until=pears: there is no such stage; the stages are generate"):
        run_verb("pair", *settings(tmp_path, "until=pears"))


def test_a_vocoder_of_another_kind_is_told(paired: Path, tmp_path: Path) -> None:
    other = write_vocoder(tmp_path / "other", sample_rate=16000)
    stage = Pair(vocoder=TwinVocoder(pretrained=str(other), device="cpu"))
    stage.setup()
    clip = read_manifest(paired / "manifests" / "generate.jsonl")[0]
    with pytest.raises(UserError, match=r"other: makes 1\.\d+ s of a clip of 0\.80 s, so it is no vocoder"):
        next(iter(stage.process(clip, paired, tmp_path)))


def words(*times: float) -> list[Word]:
    return [
        Word(a, b, f"word {k}", 1.0) for k, (a, b) in enumerate(zip(times[::2], times[1::2], strict=True))
    ]


def test_boundaries_are_off_by_as_much_as_they_are_moved() -> None:
    real = words(0.0, 0.2, 0.3, 0.5)
    assert boundary_errors(real, real) == [0.0] * 4
    assert boundary_errors(real, words(0.1, 0.2, 0.3, 0.4)) == pytest.approx([0.1, 0.0, 0.0, 0.1])
    assert boundary_errors(real, words(0.0, 0.2)) == []
    assert boundary_errors(real, [Word(w.start, w.end, "another", 1.0) for w in real]) == []
    assert boundary_errors([], []) == []
