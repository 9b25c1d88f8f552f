import pickle
from pathlib import Path

import numpy as np
import soundfile
from material import stripes, write

from understudy.data.decode import Decode, picture_changes
from understudy.data.demo.voice import SAMPLE_RATE as VOICE_RATE
from understudy.data.demo.voice import VOICES, speak
from understudy.data.executors import LocalPool
from understudy.data.manifest import Clip
from understudy.data.media import SAMPLE_RATE, read_audio
from understudy.data.scrape import scrape
from understudy.data.stage import Report, run_stage
from understudy.data.voice_activity import VoiceActivity


def decode(workspace: Path, path: Path) -> tuple[list[Clip], Report]:
    clips, _ = scrape([path], workspace)
    return run_stage(Decode(), clips, workspace, LocalPool(workers=1))


def test_sound_is_written_as_it_is_heard(recordings: Path, tmp_path: Path) -> None:
    (clip,), _ = decode(tmp_path, recordings / "take 1.mp4")
    samples, rate = soundfile.read(tmp_path / clip["audio"], dtype="float32")
    assert (rate, soundfile.info(tmp_path / clip["audio"]).subtype) == (SAMPLE_RATE, "PCM_16")
    np.testing.assert_allclose(samples, read_audio(recordings / "take 1.mp4"), atol=1e-4)
    assert len(np.load(tmp_path / clip["changes"])) == 50


def test_the_recording_keeps_its_own_rate_beside(tmp_path: Path) -> None:
    path = tmp_path / "high.wav"
    sound = np.random.default_rng(0).normal(scale=0.1, size=2 * 44100).astype(np.float32)
    soundfile.write(path, sound, 44100)
    (clip,), _ = decode(tmp_path / "w", path)
    full, rate = soundfile.read(tmp_path / "w" / clip["audio_full"], dtype="float32")
    assert rate == 44100
    np.testing.assert_allclose(full, sound, atol=1e-4)
    assert "changes" not in clip.fields, "there are no pictures"


def test_drops_have_their_reason(tmp_path: Path) -> None:
    pictures = [stripes(k) for k in range(50)]
    for path, reason in (
        (write(tmp_path / "mute.mp4", pictures, None), "no sound"),
        (write(tmp_path / "silent.mp4", pictures, np.zeros(32000, np.float32)), "silent throughout"),
    ):
        clips, report = decode(tmp_path / path.stem, path)
        assert clips == []
        assert dict(report.dropped) == {reason: 1}


def test_speech_is_told_from_noise_and_quiet() -> None:
    voice = speak("The boat leaves at seven from the old harbour.", voice=VOICES["one"]).samples
    voice = np.interp(np.arange(0, len(voice), VOICE_RATE / SAMPLE_RATE), np.arange(len(voice)), voice)
    noise = np.random.default_rng(0).normal(scale=0.05, size=SAMPLE_RATE)
    sound = np.concatenate([noise, voice, noise]).astype(np.float32)
    listener = VoiceActivity()
    probability = np.concatenate([listener.push(sound), listener.finish()])
    assert len(probability) == -(-len(sound) // 512)
    hops = SAMPLE_RATE // 512
    assert probability[:hops].max() < 0.5
    assert np.median(probability[hops : len(probability) - hops]) > 0.9


def test_voice_activity_does_not_depend_on_how_the_sound_arrives() -> None:
    sound = np.random.default_rng(0).normal(scale=0.1, size=20000).astype(np.float32)
    whole = VoiceActivity()
    expected = np.concatenate([whole.push(sound), whole.finish()])
    pieces = pickle.loads(pickle.dumps(whole))
    found = [pieces.push(sound[k : k + 777]) for k in range(0, len(sound), 777)]
    np.testing.assert_array_equal(np.concatenate([*found, pieces.finish()]), expected)
    again = np.concatenate([pieces.push(sound), pieces.finish()])
    np.testing.assert_array_equal(again, expected, err_msg="it forgets what it heard when it has finished")


def test_a_cut_shows_among_the_changes_of_pictures(tmp_path: Path) -> None:
    shots = [np.full((72, 96, 3), 40 + k // 20 * 90, np.uint8) for k in range(60)]
    changes = picture_changes(write(tmp_path / "shots.mp4", shots, None))
    assert len(changes) == 60
    assert set(np.argsort(changes)[-2:]) == {20, 40}


def test_a_recording_that_broke_off_leaves_nothing_in_the_detector() -> None:
    sound = np.random.default_rng(0).normal(scale=0.1, size=20000).astype(np.float32)
    fresh, used = VoiceActivity(), VoiceActivity()
    used.push(sound[:7777])
    used.reset()
    np.testing.assert_array_equal(used.push(sound), fresh.push(sound))
