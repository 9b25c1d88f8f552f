"""Who may talk to a page's server: browsers that opened this very page, and nobody through them.

A page from elsewhere could reach 127.0.0.1 through its visitor's browser (by a name that resolves
to it, or by posting across origins). So names other than the server's own are refused, as are
requests that come from another origin, and, where the server can be reached from other machines,
requests without the token that is part of the address it prints.
"""

import hmac
from collections.abc import Iterable
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = ("localhost", "127.0.0.1", "::1")
COOKIE = "understudy"
POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class Guard:
    """Wraps an application; `hosts` are the names it answers to, `largest` bytes a request may have."""

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str] = HERE, token: str = "", largest: int = 1 << 20
    ) -> None:
        self.app = app
        self.hosts = {host.strip("[]").lower() for host in hosts}
        self.token = token
        self.largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refuse(scope, headers)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self.app(scope, self._limited(receive), self._careful(send))

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if host.lower() not in self.hosts:
            return PlainTextResponse(f"this server does not go by the name {host!r}", 421)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != headers["host"].lower():
            return PlainTextResponse(f"requests from {origin} are not taken here", 403)
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"] != "/":
            return PlainTextResponse("requests from other sites are not taken here", 403)
        if int(headers.get("content-length") or 0) > self.largest:
            return PlainTextResponse(f"more than {self.largest} bytes", 413)
        return self._ask_for_token(scope, headers) if self.token else None

    def _ask_for_token(self, scope: Scope, headers: Headers) -> Response | None:
        name = f"{COOKIE}_{urlsplit('//' + headers['host']).port or 80}"  # browsers share them among ports
        cookie = SimpleCookie(headers.get("cookie", "")).get(name)
        if cookie and hmac.compare_digest(cookie.value.encode(), self.token.encode()):
            return None
        (given,) = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[:1]
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return PlainTextResponse("open the address that the server printed, with its token", 401)
        answer = RedirectResponse(scope["path"], 303)
        answer.set_cookie(name, self.token, httponly=True, samesite="strict")
        return answer

    def _limited(self, receive: Receive) -> Receive:
        """A body that says no length is cut off where it becomes too long."""
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > self.largest else message

        return limited

    def _careful(self, send: Send) -> Send:
        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = POLICY
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        return careful
