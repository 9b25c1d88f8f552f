"""The verb `review`: serves the page, on this machine alone unless told otherwise."""

import logging
import secrets
import socket
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from understudy.data.review.app import Review
from understudy.data.review.desk import Desk
from understudy.data.review.guard import HERE
from understudy.data.review.suspicion import Suspicion
from understudy.data.review.vocabulary import Vocabulary
from understudy.data.text import tokens
from understudy.errors import UserError


def review(
    *,
    workspace: str,
    name: str,
    suspicion: Suspicion,
    manifest: str = "transcribe",
    word_list: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    open_browser: bool = True,
) -> int:
    """Serve the clips of `manifests/MANIFEST.jsonl` for correction until stopped.

    Every edit is on the disk before the page says that it is saved. `port` 0 takes a free one.
    """
    folder = Path(workspace)
    threading.Thread(target=tokens, args=["libraries that take seconds to load"], daemon=True).start()
    desk = Desk(folder, manifest, suspicion, Vocabulary(folder, word_list))
    listener = listen(host, port)
    bracketed = f"[{host}]" if ":" in host else host
    address = f"http://{bracketed}:{listener.getsockname()[1]}/"
    # who can reach it from elsewhere has to know more than the address
    token = "" if host in HERE else secrets.token_urlsafe(16)
    address += f"?token={token}" if token else ""
    print(f"review         {len(desk.state.clips)} clips of {desk.manifest}")
    print(f"open           {address}\nCtrl+C stops; all that the page calls saved is saved.", flush=True)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
    serve(Review(desk, name).app(hosts=[*HERE, host, *_own_names(host)], token=token), listener)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections, so that the port is known before anything is served."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise UserError(f"host={host} port={port}: {error}; port=0 takes a free one") from None


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Until Ctrl+C."""
    config = uvicorn.Config(app, log_level=logging.WARNING, timeout_graceful_shutdown=2, lifespan="off")
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _own_names(host: str) -> list[str]:
    """Names that others may reach this machine by, where it listens to all of them."""
    if host not in ("0.0.0.0", "::"):
        return []
    name = socket.gethostname()
    with suppress(OSError):
        return [name, *socket.gethostbyname_ex(name)[2]]
    return [name]
