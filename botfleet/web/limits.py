"""What each request has to keep to, and each answer has with it; in plain ASGI, for nothing is lighter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .error_body import NO_RETRY, error_body

#: Bytes of a body: of Slack's, and of any other.
SLACK_BODY = 2 * 2**20
BODY = 64 * 2**10
#: Seconds within which a body has to be there.
BODY_TIME = 10.0
#: A name or an address, perhaps with a port.
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
#: Hosts that are this machine.
LOOPBACK = ("127.0.0.1", "::1", "localhost")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Many are about one person, and all about one moment; what may be kept says so.
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
#: By https only: browsers are not to come by http again.
_HSTS = "max-age=31536000"


class SecurityHeaders:
    """Gives each answer the headers that browsers are to heed, where it has no such header of its own."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self.app = app
        self._headers = {**_HEADERS, "Strict-Transport-Security": _HSTS} if https else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, sending)


class Hosts:
    """Refuses what does not say once and clearly for whom it is meant.

    Args:
        app: what is behind it.
        local: refuses also what was not meant for this machine: another site's name may lead a browser here.
    """

    def __init__(self, app: ASGIApp, local: bool = False) -> None:
        self.app = app
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host = _host_of(scope)
        if self._local and host.strip("[]") not in LOOPBACK:
            refusal = _refuse(421, "wrong_host", "Without keys this answers to localhost only.")
            await refusal(scope, receive, send)
        elif not host:
            await _refuse(400, "bad_host", "The Host header is missing, or is none.")(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _host_of(scope: Scope) -> str:
    """The name in the Host header; empty where there is none, or more than one."""
    hosts = Headers(scope=scope).getlist("host")
    matched = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    return matched[1] if matched else ""


class Bodies:
    """Refuses bodies that are too large, or take too long to come.

    Args:
        app: what is behind it.
        large: paths where bodies of Slack's come.
        seconds: within which a body has to be there.
    """

    def __init__(self, app: ASGIApp, large: Collection[str] = (), seconds: float = BODY_TIME) -> None:
        self.app = app
        self._large = large
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self.app(scope, receive, send)
            return
        limit = SLACK_BODY if scope["path"] in self._large else BODY
        body = _Body(receive, limit, self._seconds)
        try:
            await body.read()
        except _TooMuch:
            await _refuse(413, "too_large", f"The body is longer than {limit} bytes.")(scope, receive, send)
        except _Gone:
            return
        except TimeoutError:
            await _refuse(408, "too_slow", "The body took too long.")(scope, receive, send)
        else:
            await self.app(scope, body.receive, send)


class _TooMuch(Exception):
    """A body is too large."""


class _Gone(Exception):
    """Whoever asked is gone."""


class _Body:
    """A body that is read as a whole before anybody looks at the request."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._messages: list[MutableMapping[str, Any]] = []

    async def read(self) -> None:
        """Reads it.

        Raises:
            _TooMuch, TimeoutError, _Gone: it is too large, or too slow, or ended in the midst.
        """
        size = 0
        async with asyncio.timeout(self._seconds):
            while True:
                message = await self._receive()
                self._messages.append(message)
                size += len(message.get("body", b""))
                if size > self._limit:
                    raise _TooMuch
                if message["type"] != "http.request":
                    raise _Gone
                if not message.get("more_body"):
                    return

    async def receive(self) -> Message:
        """What was read, and after that what comes."""
        return self._messages.pop(0) if self._messages else await self._receive()


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    # The rest of the body is not waited for.
    return JSONResponse(error_body(code, message), status, {"Connection": "close", NO_RETRY: "1"})
