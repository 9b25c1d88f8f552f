"""A web site on this machine, with what goes wrong on real ones."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TYPES = {
    "html": "text/html",
    "m3u8": "application/vnd.apple.mpegurl",
    "m4s": "video/iso.segment",
    "mp4": "video/mp4",
    "mpd": "application/dash+xml",
    "ts": "video/mp2t",
    "vtt": "text/vtt",
    "xml": "application/rss+xml",
}


class Website:
    """What it serves and what it was asked for.

    The transfers in `breaks` are cut after a number of bytes and those in `stalls` fall silent, unless a
    range is asked for.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes | int] = {}  # content, or a status instead
        self.redirects: dict[str, str] = {}  # paths to paths
        self.breaks: dict[str, int] = {}
        self.stalls: dict[str, int] = {}
        self.requests: list[tuple[str, str | None]] = []  # paths and the range that was asked for
        self.cookies: set[str] = set()
        self.closing = threading.Event()

    def put(self, path: str, content: bytes | str | int) -> str:
        """Serve `content` at `path`; hands back the URL."""
        self.files[path] = content.encode() if isinstance(content, str) else content
        return f"{self.address}/{path}"

    def page(self, path: str, *videos: str, title: str = "A talk", track: str = "") -> str:
        """A page that shows videos, the URLs of which may be relative."""
        subtitles = f'<track kind="subtitles" srclang="en" src="{track}">' if track else ""
        shown = "".join(f'<video src="{video}">{subtitles}</video>' for video in videos)
        return self.put(path, f"<html><head><title>{title}</title></head><body>{shown}</body></html>")

    def feed(self, path: str, *videos: str) -> str:
        """A podcast with an episode a day from 1 January 2025 on."""
        items = "".join(
            f"<item><title>Episode {day}</title><pubDate>0{day} Jan 2025 12:00:00 GMT</pubDate>"
            f'<enclosure url="{self.address}/{video}"/></item>'
            for day, video in enumerate(videos, start=1)
        )
        return self.put(path, f'<rss version="2.0"><channel><title>Podcast</title>{items}</channel></rss>')

    def asked(self, path: str) -> list[str | None]:
        """The ranges with which `path` was asked for."""
        return [span for asked, span in self.requests if asked == path]


@contextmanager
def serve() -> Iterator[Website]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, website)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing on the terminal."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients hang up: yt-dlp when it has seen enough of a file to know what it is."""

    server = Server(("127.0.0.1", 0), Handler)
    website = Website(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield website
    finally:
        website.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, website: Website) -> None:
    path, span = handler.path.lstrip("/"), handler.headers["Range"]
    website.requests.append((path, span))
    website.cookies.add(handler.headers["Cookie"] or "")
    content = website.files.get(path, 404)
    if path in website.redirects:
        handler.send_response(301)
        handler.send_header("Location", f"/{website.redirects[path]}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if isinstance(content, int):
        handler.send_error(content)
        return
    size = len(content)
    if match := re.fullmatch(r"bytes=(\d+)-", span or ""):
        first = int(match[1])
        content = content[first:]
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
    else:
        handler.send_response(200)
    handler.send_header("Content-Type", TYPES[path.rpartition(".")[2]])
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for trouble in (website.breaks, website.stalls):
        if path in trouble and span is None:
            handler.wfile.write(content[: trouble[path]])
            handler.wfile.flush()
            handler.close_connection = True
            if trouble is website.stalls:
                website.closing.wait(20)
            return
    handler.wfile.write(content)
