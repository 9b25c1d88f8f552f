"""The demo subject: recordings of a puppet that talks, and of an interview with it.

What the renderer knows (where it drew the lips, when a phone began) goes into `NAME.truth.json`
beside each recording: for tests only, no step of the pipeline reads it.
"""

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from tqdm import tqdm

from understudy.data.demo import script
from understudy.data.demo.looks import LOOKS
from understudy.data.demo.motion import perform
from understudy.data.demo.pose import Pose
from understudy.data.demo.puppet import LANDMARKS, Puppet
from understudy.data.demo.script import HELD_OUT, INTERVIEW, MONOLOGUES
from understudy.data.demo.voice import SAMPLE_RATE, VOICES, Utterance, join, silence, speak
from understudy.data.manifest import write_atomically
from understudy.data.media import FPS, Seconds, VideoWriter

VERSION = 1  # of the material: what an older version made is made again
SAMPLES_PER_FRAME = round(SAMPLE_RATE / FPS)
TITLE: Seconds = 1.6
READINGS = 40
SUBJECT = "one"
"""The puppet whose twin is made."""


@dataclass(frozen=True)
class Shot:
    """What is seen between two cuts: a puppet that says `text`, or, with no speaker, a card."""

    speaker: str | None
    text: str


@dataclass(frozen=True)
class Recording:
    """One video to make, or, where it has no size, a recording of the voice alone."""

    name: str
    shots: tuple[Shot, ...]
    seed: int
    width: int = 288
    height: int = 320

    @property
    def path(self) -> str:
        return f"{self.name}.mp4" if self.width else f"{self.name}.wav"


def render_demo(
    out: Path | str,
    *,
    seed: int = 0,
    monologues: int = len(MONOLOGUES),
    interview: bool = True,
    readings: int = READINGS,
    width: int = 288,
    height: int = 320,
    workers: int = 2,
) -> list[Path]:
    """Write the demo subject's recordings into `out`; gives their paths.

    `monologue_01.mp4` and so on (puppet one alone), `interview.mp4` and `.rttm` (two puppets, hard
    cuts, a title card), `reading_01.wav` and so on (its voice without a picture), `NAME.truth.json` beside
    each, `portrait.png` (puppet one, mouth closed),
    and `heldout.wav`, `.txt`, `.truth.json`: a sentence in its voice that no recording holds.
    What is there already with the same seed and size stays. The same seed gives the same material.
    Raises `UserError` where the package of the voice is missing.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    recordings = [
        Recording(f"monologue_{k:02d}", (Shot(SUBJECT, text),), seed * 1000 + k, width, height)
        for k, text in enumerate(MONOLOGUES[:monologues], start=1)
    ]
    if interview:
        shots = tuple(Shot(*shot) for shot in INTERVIEW)
        recordings.append(Recording("interview", shots, seed * 1000 + 500, width, height))
    recordings += [
        Recording(f"reading_{k:02d}", (Shot(SUBJECT, text),), seed * 1000 + 600 + k, width=0, height=0)
        for k, text in enumerate(script.readings(readings), start=1)
    ]
    left = [recording for recording in recordings if not _is_made(recording, out)]
    _write_stills(out, seed, width, height)
    with tqdm(total=len(left), desc="demo subject", unit="recording", disable=not left) as bar:
        for _ in _make_all(left, out, workers):
            bar.update()
    return [out / recording.path for recording in recordings]


def _make_all(recordings: list[Recording], out: Path, workers: int) -> Iterator[None]:
    if workers <= 1 or len(recordings) <= 1:
        for recording in recordings:
            make(recording, out)
            yield
        return
    longest_first = sorted(recordings, key=lambda r: -sum(len(shot.text) for shot in r.shots))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(recordings)), mp_context=context) as pool:
        for done in as_completed([pool.submit(make, one, out) for one in longest_first]):
            done.result()
            yield


def make(recording: Recording, out: Path) -> None:
    """Render one recording with its truth, and its turns as RTTM where there are several."""
    cv2.setNumThreads(1)  # the processes share the cores already
    seeds = np.random.default_rng(recording.seed).integers(0, 2**31, (len(recording.shots), 2))
    spoken = [
        _to_frames(_say(shot, int(seed))) for shot, seed in zip(recording.shots, seeds[:, 0], strict=True)
    ]
    truth = _Truth(recording)
    if recording.width:
        _film(recording, spoken, seeds[:, 1], truth, out / recording.path)
    else:
        _record(recording, spoken, seeds[:, 1], truth, out / recording.path)
    if truth.speakers > 1:
        write_atomically(out / f"{recording.name}.rttm", truth.rttm())
    # last: its presence says that the recording is complete
    write_atomically(_truth_path(recording, out), json.dumps(truth.to_json(), ensure_ascii=False))


def _film(
    recording: Recording, spoken: list[Utterance], seeds: np.ndarray, truth: "_Truth", path: Path
) -> None:
    width, height = recording.width, recording.height
    puppets = {
        name: Puppet(LOOKS[name], width=width, height=height)
        for name in sorted({shot.speaker for shot in recording.shots if shot.speaker})
    }
    with VideoWriter(path, width=width, height=height, sample_rate=SAMPLE_RATE) as video:
        for shot, sound, seed in zip(recording.shots, spoken, seeds, strict=True):
            truth.add_shot(shot, sound)
            blocks = _in_a_room(sound, seed).reshape(-1, SAMPLES_PER_FRAME)
            poses = perform(sound.phones, len(blocks), seed=int(seed))
            for pose, block in zip(poses, blocks, strict=True):
                if shot.speaker is None:
                    picture = _title_card(shot.text, width, height)
                    truth.add_faceless_frame()
                else:
                    puppet = puppets[shot.speaker]
                    picture, points = puppet.render(pose)
                    truth.add_frame(points, puppet.opening(pose), pose.blink)
                video.write(picture)
                video.write_audio(block)


def _record(
    recording: Recording, spoken: list[Utterance], seeds: np.ndarray, truth: "_Truth", path: Path
) -> None:
    for shot, sound in zip(recording.shots, spoken, strict=True):
        truth.add_shot(shot, sound)
    sounds = [_in_a_room(sound, seed) for sound, seed in zip(spoken, seeds, strict=True)]
    soundfile.write(path, np.concatenate(sounds), SAMPLE_RATE)


def _in_a_room(sound: Utterance, seed: int) -> np.ndarray:
    """(samples,) A room is never quite silent."""
    noise = np.random.default_rng(seed).standard_normal(len(sound.samples)) * 3e-4
    return (sound.samples + noise).astype(np.float32)


class _Truth:
    """Collects what a recording shows and says, as it is drawn."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.shots: list[dict[str, Any]] = []
        self.words: list[dict[str, Any]] = []
        self.phones: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.time: Seconds = 0.0

    @property
    def speakers(self) -> int:
        return len({shot.speaker for shot in self.recording.shots if shot.speaker})

    def add_shot(self, shot: Shot, sound: Utterance) -> None:
        end = self.time + sound.duration
        kind = "speech" if shot.speaker else "title"
        self.shots.append(_rounded(asdict(shot) | {"start": self.time, "end": end, "kind": kind}))
        for rows, items in ((self.words, sound.words), (self.phones, sound.phones)):
            for item in items:
                times = {"start": self.time + item.start, "end": self.time + item.end}
                rows.append(_rounded(asdict(item) | times | {"speaker": shot.speaker}))
        self.time = end

    def add_frame(self, points: np.ndarray, opening: float, blink: float) -> None:
        self.frames.append(
            {
                "speaker": self.shots[-1]["speaker"],
                "landmarks": np.round(points, 2).tolist(),
                "opening": round(opening, 2),
                "blink": round(blink, 3),
            }
        )

    def add_faceless_frame(self) -> None:
        self.frames.append(dict.fromkeys(("speaker", "landmarks", "opening", "blink")))

    def rttm(self) -> str:
        """Turns, one a line; a turn reaches from its first word to its last."""
        lines = []
        for shot in self.shots:
            words = [w for w in self.words if shot["start"] <= w["start"] < shot["end"]]
            if shot["speaker"] and words:
                start, length = words[0]["start"], words[-1]["end"] - words[0]["start"]
                lines.append(
                    f"SPEAKER {self.recording.name} 1 {start:.3f} {length:.3f} "
                    f"<NA> <NA> {shot['speaker']} <NA> <NA>\n"
                )
        return "".join(lines)

    def to_json(self) -> dict[str, Any]:
        columns = {key: [frame[key] for frame in self.frames] for key in (self.frames or [{}])[0]}
        return {
            "made_from": _made_from(self.recording),
            "fps": FPS,
            "width": self.recording.width,
            "height": self.recording.height,
            "landmark_names": LANDMARKS,
            "shots": self.shots,
            "words": self.words,
            "phones": self.phones,
            "frames": columns,
        }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: round(float(v), 4) if k in ("start", "end") else v for k, v in row.items()}


def _made_from(recording: Recording) -> dict[str, Any]:
    """Everything a recording follows from, as JSON gives it back."""
    made: dict[str, Any] = json.loads(json.dumps(asdict(recording) | {"version": VERSION}))
    return made


def _truth_path(recording: Recording, out: Path) -> Path:
    return out / f"{recording.name}.truth.json"


def _is_made(recording: Recording, out: Path) -> bool:
    truth, made_file = _truth_path(recording, out), out / recording.path
    if not (truth.exists() and made_file.exists()):
        return False
    made: bool = json.loads(truth.read_text("utf-8"))["made_from"] == _made_from(recording)
    return made


def _say(shot: Shot, seed: int) -> Utterance:
    if shot.speaker is None:
        return silence(TITLE)
    said = speak(shot.text, voice=VOICES[shot.speaker], seed=seed)
    return join([silence(0.35), said, silence(0.30)])


def _to_frames(sound: Utterance) -> Utterance:
    """The same with silence added until it fills whole frames."""
    missing = -len(sound.samples) % SAMPLES_PER_FRAME
    return join([sound, silence(missing / SAMPLE_RATE)]) if missing else sound


def _title_card(text: str, width: int, height: int) -> np.ndarray:
    """White words on a dark ground."""
    card = np.full((height, width, 3), (24, 30, 38), np.uint8)
    scale = width / 420
    (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
    at = ((width - text_width) // 2, height // 2)
    cv2.putText(card, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, (235, 232, 224), 1, cv2.LINE_AA)
    return card


def _write_stills(out: Path, seed: int, width: int, height: int) -> None:
    """The portrait and the held-out sentence: what `animate` is tried on."""
    stamp = out / "heldout.truth.json"
    made_from = {
        "version": VERSION,
        "seed": seed,
        "width": width,
        "height": height,
        "text": HELD_OUT,
    }
    there = all((out / name).exists() for name in ("portrait.png", "heldout.wav", stamp.name))
    if there and json.loads(stamp.read_text("utf-8"))["made_from"] == made_from:
        return
    picture, _ = Puppet(LOOKS[SUBJECT], width=width, height=height).render(Pose())
    cv2.imwrite(str(out / "portrait.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    sound = _say(Shot(SUBJECT, HELD_OUT), seed)
    soundfile.write(out / "heldout.wav", sound.samples, SAMPLE_RATE)
    write_atomically(out / "heldout.txt", HELD_OUT + "\n")
    truth = {
        "made_from": made_from,
        "words": [_rounded(asdict(word)) for word in sound.words],
        "phones": [_rounded(asdict(phone)) for phone in sound.phones],
    }
    write_atomically(stamp, json.dumps(truth, ensure_ascii=False))
