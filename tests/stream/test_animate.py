"""A picture and speech become a video; what cannot be animated is told in one line."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import torch
from hums import write_vocoder, write_voice
from safetensors.torch import save_file

from understudy.data.demo.looks import LOOKS
from understudy.data.demo.pose import Pose
from understudy.data.demo.puppet import Puppet
from understudy.data.landmarks import MediaPipeLandmarker
from understudy.data.media import VideoWriter, probe, read_audio, read_frames
from understudy.errors import UserError
from understudy.models.sda import Generator
from understudy.stream.animate import animate
from understudy.stream.twin import load_generator
from understudy.stream.voice import Voice

SIZE = {"base_channels": 8, "max_channels": 16, "audio_channels": 16, "identity_channels": 8}


@pytest.fixture(scope="module")
def landmarker() -> MediaPipeLandmarker:
    return MediaPipeLandmarker()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A twin whose untrained generator draws visible changes, and a portrait."""
    folder = tmp_path_factory.mktemp("twin")
    torch.manual_seed(0)
    generator = Generator(**SIZE)
    torch.nn.init.normal_(generator.to_rgb.weight, std=0.3)
    (folder / "sda").mkdir()
    (folder / "sda" / "config.json").write_text(json.dumps(SIZE))
    save_file(generator.state_dict(), folder / "sda" / "generator.safetensors")
    portrait, _ = Puppet(LOOKS["one"], width=289, height=320).render(Pose())  # odd: H.264 wants even
    cv2.imwrite(str(folder / "portrait.png"), portrait[..., ::-1])
    return folder


def speech(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """Noise that swells three times a second: (samples, channels)."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).normal(0, 0.1, (len(time), channels))
    return (noise * (1 + np.sin(2 * np.pi * 3 * time))[:, None]).astype(np.float32)


def animated(folder: Path, landmarker: MediaPipeLandmarker, audio: Path, image: Path | None = None) -> Path:
    """The MP4 that comes of `audio`, written beside it."""
    out = audio.with_name("out.mp4")
    animate(
        twin=str(folder),
        image=str(image or folder / "portrait.png"),
        audio=str(audio),
        out=str(out),
        landmarker=landmarker,
    )
    return out


def portrait_of(folder: Path) -> np.ndarray:
    return next(read_frames(folder / "portrait.png"))


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.wav", 44100, 2), ("a.flac", 8000, 1), ("a.mp3", 22050, 1), ("a.wav", 16000, 1)],
)
def test_every_sound_gives_a_frame_per_25th_second(folder, landmarker, tmp_path, name, rate, channels):
    soundfile.write(tmp_path / name, speech(1.3, rate, channels), rate)
    out = animated(folder, landmarker, tmp_path / name)
    info = probe(out)
    assert (info.width, info.height, info.fps) == (288, 320, 25)
    seconds = len(read_audio(tmp_path / name)) / 16000
    assert len(list(read_frames(out))) == int(np.ceil(round(seconds * 25, 3)))
    assert abs(len(read_audio(out)) / 16000 - seconds) < 0.1
    assert not list(tmp_path.glob(".*partial*"))


def test_the_face_changes_and_the_rest_stays(folder, landmarker, tmp_path):
    soundfile.write(tmp_path / "a.wav", speech(0.8, 16000), 16000)
    out = animated(folder, landmarker, tmp_path / "a.wav")
    before = portrait_of(folder)[:320, :288].astype(float)
    after = np.mean([f.astype(float) for f in read_frames(out)], axis=0)
    difference = np.abs(after - before).mean(axis=2)
    assert difference[130:250, 90:200].mean() > 10  # around nose and mouth
    assert difference[:, :20].mean() < 4  # only what the codec does
    assert difference[:, -20:].mean() < 4


def test_footage_is_followed_frame_by_frame(folder, landmarker, tmp_path):
    puppet = Puppet(LOOKS["one"], width=288, height=320)
    with VideoWriter(tmp_path / "footage.mp4", width=288, height=320) as video:
        for k in range(10):
            frame, _ = puppet.render(Pose())
            if k == 4:
                frame = np.full_like(frame, 128)  # nobody there: this frame stays as it is
            video.write(frame)
    soundfile.write(tmp_path / "a.wav", speech(0.92, 16000), 16000)
    out = animated(folder, landmarker, tmp_path / "a.wav", image=tmp_path / "footage.mp4")
    frames = list(read_frames(out))
    assert len(frames) == 23
    assert [k for k, f in enumerate(frames) if abs(f.astype(float) - 128).max() < 12] == [4, 14]


def write_picture(path: Path, picture: np.ndarray) -> str:
    cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1]))
    return str(path)


def test_pictures_that_cannot_be_animated(folder, landmarker, tmp_path):
    portrait = portrait_of(folder)
    soundfile.write(tmp_path / "a.wav", speech(0.2, 16000), 16000)
    pictures = {
        "no face": np.full((200, 200, 3), 90, np.uint8),
        "2 faces": np.concatenate([portrait, portrait], axis=1),
        "edge": portrait[:, 95:],
        "pixels wide": cv2.resize(portrait, (20, 20), interpolation=cv2.INTER_AREA),
    }
    for what, picture in pictures.items():
        image = write_picture(tmp_path / "picture.png", picture)
        out = tmp_path / "out.mp4"
        with pytest.raises(UserError, match=r"picture\.png") as error:
            animate(
                twin=str(folder),
                image=image,
                audio=str(tmp_path / "a.wav"),
                out=str(out),
                landmarker=landmarker,
            )
        said = str(error.value)
        assert what in said, said
        assert not out.exists()
    both = write_picture(tmp_path / "both.png", pictures["2 faces"])
    animate(
        twin=str(folder),
        image=both,
        audio=str(tmp_path / "a.wav"),
        out=str(tmp_path / "chosen.mp4"),
        landmarker=landmarker,
        face=1,
    )
    left, right = np.array_split(next(read_frames(tmp_path / "chosen.mp4")).astype(float), 2, axis=1)
    before = portrait[:320, :289].astype(float)
    width = min(left.shape[1], 260)
    assert (
        np.abs(left[:, :width] - before[:, :width]).mean()
        < np.abs(right[:, :width] - before[:, :width]).mean()
    )


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("audio", "empty.wav", "holds no sound"),
        ("audio", "words.mp3", "cannot be read"),
        ("audio", "nowhere.wav", "no such file"),
        ("twin", "nowhere", "config.json"),
        ("out", "out.avi", "ends in .mp4"),
    ],
)
def test_unusable_requests_leave_nothing(folder, landmarker, tmp_path, setting, value, says):
    soundfile.write(tmp_path / "a.wav", speech(0.2, 16000), 16000)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
    (tmp_path / "words.mp3").write_text("these are words")
    request = {
        "twin": str(folder),
        "image": str(folder / "portrait.png"),
        "audio": str(tmp_path / "a.wav"),
        "out": str(tmp_path / "out.mp4"),
    }
    request[setting] = str(tmp_path / value)
    with pytest.raises(UserError, match=says):
        animate(**request, landmarker=landmarker)
    assert not list(tmp_path.glob("*out*"))


def test_a_loaded_twin_is_the_exported_generator(folder):
    torch.manual_seed(0)
    generator = Generator(**SIZE)
    torch.nn.init.normal_(generator.to_rgb.weight, std=0.3)
    for name, value in load_generator(folder).state_dict().items():
        assert torch.equal(value, generator.state_dict()[name]), name


def test_a_text_is_said_in_the_twins_own_voice(
    folder: Path, landmarker: MediaPipeLandmarker, tmp_path: Path
) -> None:
    twin = shutil.copytree(folder, tmp_path / "twin")
    write_voice(twin / "tts")
    write_vocoder(twin / "vocoder")
    settings = {"twin": str(twin), "image": str(twin / "portrait.png"), "landmarker": landmarker}
    out = tmp_path / "out.mp4"
    animate(**settings, text="a b c.", out=str(out))
    spoken = Voice(twin / "tts", twin / "vocoder").say("a b c.")
    assert len(read_audio(out)) / 16000 == pytest.approx(len(spoken) / 22050, abs=0.1)
    for given in ({}, {"text": "a", "audio": "a.wav"}):
        with pytest.raises(UserError, match="one of audio=FILE and text=TEXT"):
            animate(**settings, **given, out=str(out))
