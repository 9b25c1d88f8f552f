"""A small workspace to review, as prepare would leave it, and the server over it."""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import uvicorn
from material import write

from understudy.data.held_out import Judgement, write_held_out
from understudy.data.manifest import Clip, write_manifest
from understudy.data.media import SAMPLE_RATE
from understudy.data.review.app import Review
from understudy.data.review.desk import Desk
from understudy.data.review.server import listen
from understudy.data.review.suspicion import Suspicion
from understudy.data.review.vocabulary import Vocabulary

TEXTS = ["bin blue at four now", "lay red by zed two", "set green in kew nine", "place white with an eye"]
WORST, FAST, DISPUTED, FINE = "talk_0.00-1.48", "talk_1.48-3.00", "talk_3.00-4.48", "talk_4.48-6.00"
RADIO = [f"radio_{start:.2f}-{start + 2:.2f}" for start in (0.0, 2.0, 4.0)]


def told(clip: Clip, text: str, confidence: float, **fields: Any) -> Clip:
    """A clip with its transcript, words evenly spread."""
    said = text.split()
    edges = np.linspace(clip.start + 0.1, clip.end - 0.1, len(said) + 1).round(3).tolist()
    words = [[edges[k], edges[k + 1], word, confidence] for k, word in enumerate(said)]
    known = {"language": "en", "transcriber": "a recogniser", "flags": [], "speaker": "speaker_1"}
    return clip.add(text=text, words=words, confidence=confidence, **{**known, **fields})


def clips() -> list[Clip]:
    """Four of a source with pictures, in growing order of worth, and three of one without."""
    talk = Clip("talk", "talk", 0.0, 6.0, {"audio": "decode/talk/audio.wav", "gain": 3.0})
    radio = Clip("radio", "radio", 0.0, 6.0, {"audio": "decode/radio/audio.wav"})
    return [
        told(talk.part(0.0, 1.48), TEXTS[0], 0.3, flags=["repetition", "no speech"], speaker="speaker_2"),
        told(talk.part(1.48, 3.0), TEXTS[1], 0.4, disagreement=0.1),
        told(talk.part(3.0, 4.48), TEXTS[2], 0.9, disagreement=0.5),
        told(talk.part(4.48, 6.0), TEXTS[3], 0.9, disagreement=0.0),
        told(radio.part(0.0, 2.0), "please zyzzle the telephone", 0.95),
        told(radio.part(2.0, 4.0), "zyzzle it again and again", 0.97),
        radio.part(4.0, 6.0),
    ]


def make_workspace(folder: Path, talk: tuple[Sequence[np.ndarray], np.ndarray]) -> Path:
    frames, sound = talk
    recording = write(folder / "recordings" / "talk.mp4", frames, sound)
    for source, samples in (("talk", sound), ("radio", sound[::-1] / 2)):
        audio = folder / "decode" / source / "audio.wav"
        audio.parent.mkdir(parents=True)
        soundfile.write(audio, samples, SAMPLE_RATE, "PCM_16")
    places = {"talk": recording, "radio": folder / "decode" / "radio" / "audio.wav"}
    (folder / "sources").mkdir()
    for source, path in places.items():
        (folder / "sources" / f"{source}.json").write_text(json.dumps({"path": str(path)}))
    write_manifest(folder / "manifests" / "transcribe.jsonl", clips())
    return folder


def copy_of(workspace: Path, folder: Path) -> Path:
    return Path(shutil.copytree(workspace, folder / "workspace"))


def desk_of(workspace: Path, manifest: str = "transcribe") -> Desk:
    return Desk(workspace, manifest, Suspicion(), Vocabulary(workspace))


@contextmanager
def served(workspace: Path, *, token: str = "", port: int = 0, **settings: Any) -> Iterator["Client"]:
    """The real server, in a thread of this process, until the block ends."""
    listener = listen("127.0.0.1", port)
    app = Review(desk_of(workspace, **settings), "anna").app(token=token)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()


class MortalServer:
    """The server in a process of its own that can be killed and started again on the same port."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        with listen("127.0.0.1", 0) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        code = (
            "import sys; from understudy.data.review.server import review; "
            "from understudy.data.review.suspicion import Suspicion; "
            "review(workspace=sys.argv[1], name='anna', suspicion=Suspicion(), port=int(sys.argv[2]), "
            "open_browser=False)"
        )
        command = [sys.executable, "-c", code, str(self.workspace), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert "clips of" in self.process.stdout.readline()
        assert self.address in self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Client:
    """What a page would ask and send."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent = 0

    def fetch(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, **query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer, whatever it is."""
        url = f"{self.address}/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers or {})) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def ask(self, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of an answer that has to be a good one."""
        data = None if body is None else json.dumps(body).encode()
        status, _, text = self.fetch(path, data, {"content-type": "application/json"}, **query)
        assert status == 200, text
        return json.loads(text)

    def ids(self, **query: Any) -> list[str]:
        found: list[str] = self.ask("api/clips", **query)["ids"]
        return found

    def clip(self, name: str) -> Any:
        return self.ask("api/clip", id=name)

    def edit(self, clip: str, **wish: Any) -> Any:
        """Send one edit under a new id; hands back the answer to it."""
        self.sent += 1
        edit = {"id": f"edit-{self.sent}", "clip": clip, **wish}
        return self.ask("api/edits", {"edits": [edit]})["answers"][0]


def judge(workspace: Path, wrong: str, heard: str = "nothing of the kind") -> None:
    """What a model that never saw them thinks of all clips: one text is wrong."""
    judgements = []
    for clip in desk_of(workspace).state.clips.values():
        if text := clip.fields.get("text"):
            found, error, loss = (heard, 0.8, 4.0) if clip.id == wrong else (text, 0.0, 0.3)
            what = Judgement(
                clip=clip.id, start=clip.start, end=clip.end, text=text, heard=found, error=error, loss=loss
            )
            judgements.append(what)
    write_held_out(workspace / "held_out.jsonl", judgements)


def edits_of(workspace: Path) -> list[dict[str, Any]]:
    path = workspace / "edits.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def wait_until(true: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)
