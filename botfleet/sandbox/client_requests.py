"""How the control endpoints' client asks. Standard library only."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

LOOK_INTERVAL = 0.02


class SandboxError(Exception):
    """The sandbox refused a request, or could not be reached.

    Attributes:
        status: the HTTP status, or None where there was no answer.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(reason)


class SandboxTimeout(SandboxError, TimeoutError):
    """What was waited for did not happen in time."""


class Requests:
    """Requests to a sandbox.

    Args:
        url: where the sandbox listens, e.g. ``http://127.0.0.1:8065/``.
        timeout: seconds to wait for an answer.
        context: the TLS context for an ``https`` URL.
    """

    def __init__(self, url: str, timeout: float = 10.0, context: ssl.SSLContext | None = None) -> None:
        self.url = url.rstrip("/") + "/"
        self.timeout = timeout
        self.seq = 0  # of the last say(), where wait_for_message() begins
        # No proxies: the sandbox is local, whatever the environment says about the rest of the world.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, *, _wait: float = 0.0, **query: Any) -> dict[str, Any]:
        """Ask a control endpoint; fields that are None are left out."""
        given = {name: _text(value) for name, value in query.items() if value is not None}
        return self._request(f"{path}?{urllib.parse.urlencode(given)}", None, self.timeout + _wait)

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """Tell a control endpoint; fields that are None are left out."""
        given = {name: value for name, value in fields.items() if value is not None}
        return self._request(path, json.dumps(given).encode(), self.timeout)

    def _request(self, path: str, body: bytes | None, timeout: float) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}sandbox/{path}", data=body, headers=headers)
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(_reason(error), error.code) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise SandboxError(f"the sandbox at {self.url} can't be reached: {reason}") from error

    def _wait_until(self, look: Callable[[], Any], timeout: float, failure: str) -> Any:
        end = time.monotonic() + timeout
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() >= end:
                raise SandboxTimeout(f"{failure} within {timeout:g} s")
            time.sleep(LOOK_INTERVAL)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the sandbox answered {error.code} {error.reason}"
