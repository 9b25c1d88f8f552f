"""What the page asks of its server: clips, changes, sound and pictures; and what it sends: edits."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import soundfile
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from understudy.data.manifest import Clip
from understudy.data.media import Seconds
from understudy.data.review.desk import Desk
from understudy.data.review.guard import HERE, Guard
from understudy.data.review.pictures import Pictures
from understudy.data.review.query import select
from understudy.data.review.rows import detail, row, unknown_words
from understudy.data.review.sound import peaks, wav_bytes, wav_size
from understudy.errors import UserError

PAGE = Path(__file__).parent / "page"
MOST = 300  # rows or edits at once
LONGEST: Seconds = 4 * 3600.0

Query = Mapping[str, str]
Work = Callable[[Query, Any], Any]


class Review:
    """The routes, over one desk."""

    def __init__(self, desk: Desk, name: str) -> None:
        self.desk = desk
        self.name = name
        self.pictures = Pictures(desk.workspace, desk.workspace / "review")
        self._camera = asyncio.Lock()

    def app(self, *, hosts: Iterable[str] = HERE, token: str = "") -> Starlette:
        return Starlette(
            routes=[
                Route("/api/hello", self._json(self.hello)),
                Route("/api/clips", self._json(self.clips)),
                Route("/api/clip", self._json(self.clip)),
                Route("/api/changes", self._json(self.changes)),
                Route("/api/rows", self._json(self.rows), methods=["POST"]),
                Route("/api/unknown", self._json(self.unknown), methods=["POST"]),
                Route("/api/edits", self._json(self.edits), methods=["POST"]),
                Route("/api/lexicon", self._json(self.lexicon), methods=["POST"]),
                Route("/media/peaks", self.waveform),
                Route("/media/sound.wav", self.sound),
                Route("/media/pictures.mp4", self.video),
                Route("/", lambda _: FileResponse(PAGE / "index.html")),
                Mount("/page", StaticFiles(directory=PAGE)),
            ],
            middleware=[Middleware(Guard, hosts=[*hosts], token=token)],
            exception_handlers={
                HTTPException: lambda _, error: _wrong(error.detail, error.status_code),
                UserError: lambda _, error: _wrong(str(error), 409),
                soundfile.LibsndfileError: lambda _, error: _wrong(str(error), 404),
                OSError: lambda _, error: _wrong(f"the server cannot read or write: {error}", 507),
            },
        )

    def _json(self, work: Work) -> Callable[[Request], Awaitable[Response]]:
        """A handler that holds the desk while it works; bodies are JSON objects."""

        def at_the_desk(query: Query, body: Any) -> Response:
            with self.desk.lock:
                self.desk.look()
                return JSONResponse(_plain(work(query, body)))

        async def handle(request: Request) -> Response:
            body = await _object(request) if request.method == "POST" else {}
            return await run_in_threadpool(at_the_desk, request.query_params, body)

        return handle

    def hello(self, query: Query, body: Any) -> Any:
        place = str(self.desk.workspace.resolve())
        return {
            "name": self.name,
            "manifest": self.desk.manifest.stem,
            "workspace": sha256(place.encode()).hexdigest()[:12],  # what a page keeps is kept by this
            "sources": list(self.desk.state.by_source),
            "word_list": bool(self.desk.vocabulary.words),
            **self._now(),
        }

    def _now(self) -> dict[str, Any]:
        desk = self.desk
        return {"instance": desk.instance, "version": desk.version, "progress": desk.tally.progress}

    def clips(self, query: Query, body: Any) -> Any:
        ids = select(self.desk, query)
        return {"ids": ids, "rows": self._rows(ids[:60]), **self._now()}

    def rows(self, query: Query, body: Any) -> Any:
        return {"rows": self._rows(_list(body, "ids"))}

    def _rows(self, ids: Iterable[str]) -> list[dict[str, Any]]:
        clips = self.desk.state.clips
        return [row(self.desk, clips[name]) for name in ids if name in clips]

    def clip(self, query: Query, body: Any) -> Any:
        clip = self._find(query)
        return {**detail(self.desk, clip), "video": self.pictures.has(clip)}

    def unknown(self, query: Query, body: Any) -> Any:
        return {"unknown": unknown_words(self.desk, self._find(body), str(body.get("text", "")))}

    def changes(self, query: Query, body: Any) -> Any:
        """What has changed since `version` of `instance`; `reset` where that is too long ago."""
        try:
            version = int(query.get("version", "0"))
        except ValueError:
            raise HTTPException(400, "version is a number") from None
        if query.get("instance") == self.desk.instance and version == self.desk.version:
            return {"instance": self.desk.instance, "version": version, "rows": [], "gone": {}}
        missed = self.desk.changes_since(query.get("instance", ""), version)
        changed = {name for change in missed or [] for name in change.rows}
        if missed is None or len(changed) > MOST:
            return {"reset": True, **self._now()}
        gone: dict[str, list[str]] = {}
        for change in missed:
            gone |= change.gone
        gone = {name: heirs for name, heirs in gone.items() if name not in self.desk.state.clips}
        return {"rows": self._rows(sorted(changed)), "gone": gone, **self._now()}

    def edits(self, query: Query, body: Any) -> Any:
        """Each answer says what became of an edit: written, unchanged, refused, conflict, gone."""
        answers = self.desk.take(_list(body, "edits"))
        return {"answers": answers, **self.changes(query, body)}

    def lexicon(self, query: Query, body: Any) -> Any:
        word, spoken = str(body.get("word", "")), " ".join(str(body.get("spoken") or "").split())
        if body.get("accept"):
            self.desk.vocabulary.accept(word, spoken)
        else:
            self.desk.vocabulary.decline(word)
        self.desk.look()
        return self._now()

    def _find(self, query: Mapping[str, Any]) -> Clip:
        clip = self.desk.state.clips.get(str(query.get("id", "")))
        if clip is None:
            raise HTTPException(404, "there is no such clip any more")
        return clip

    def _stretch(self, request: Request) -> tuple[Clip, Seconds, Seconds]:
        with self.desk.lock:
            clip = self._find(request.query_params)
        try:
            start, end = (float(request.query_params[name]) for name in ("start", "end"))
        except (KeyError, ValueError):
            raise HTTPException(400, "start and end are seconds") from None
        if not 0 <= start < end <= start + LONGEST:
            raise HTTPException(400, "start and end are no stretch of a recording")
        return clip, start, end

    def waveform(self, request: Request) -> Response:
        clip, start, end = self._stretch(request)
        return JSONResponse(peaks(_with_sound(clip), self.desk.workspace, start, end))

    def sound(self, request: Request) -> Response:
        clip, start, end = self._stretch(request)
        workspace = self.desk.workspace
        if not (workspace / _with_sound(clip)["audio"]).exists():
            raise HTTPException(404, f"{clip['audio']} is not there; run `understudy prepare` again")
        size = wav_size(start, end)
        first, last = _range(request.headers.get("range", ""), size)
        headers = {"accept-ranges": "bytes", "content-length": str(last + 1 - first)}
        if "range" in request.headers:
            headers["content-range"] = f"bytes {first}-{last}/{size}"
        data = wav_bytes(clip, workspace, start, end, first, last)
        return StreamingResponse(data, 206 if "range" in request.headers else 200, headers, "audio/wav")

    async def video(self, request: Request) -> Response:
        stretch = await run_in_threadpool(self._stretch, request)
        path = await run_in_threadpool(self.pictures.place, *stretch)
        async with self._camera:  # one at a time, and none for who has gone on to another clip
            if not path.exists() and not await request.is_disconnected():
                await run_in_threadpool(self.pictures.make, *stretch)
        return FileResponse(path, media_type="video/mp4") if path.exists() else Response(status_code=404)


def _with_sound(clip: Clip) -> Clip:
    if "audio" not in clip.fields:
        raise HTTPException(404, "the manifest names no sound for this clip")
    return clip


def _range(header: str, size: int) -> tuple[int, int]:
    """First and last byte, both included; all of them where none are asked for."""
    if not header:
        return 0, size - 1
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match and match[1]:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
    elif match and match[2]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = 1, 0
    if first > last:
        raise HTTPException(416, f"no such bytes of {size}", {"content-range": f"bytes */{size}"})
    return first, last


async def _object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, ClientDisconnect):
        raise HTTPException(400, "the body is no JSON, or too long") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is no JSON object")
    return body


def _list(body: dict[str, Any], name: str) -> list[Any]:
    values = body.get(name)
    kind = dict if name == "edits" else str
    if not (isinstance(values, list) and all(isinstance(value, kind) for value in values)):
        raise HTTPException(400, f"{name} is a list")
    if len(values) > MOST:
        raise HTTPException(413, f"more than {MOST} {name} at once")
    return values


def _plain(value: Any) -> Any:
    """Numbers that JSON does not have (a manifest may hold them) are unknown ones."""
    if isinstance(value, dict):
        return {name: _plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(content) for content in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrong(message: str, code: int) -> Response:
    return JSONResponse({"error": message}, code)
