"""The end of a web process: what is under way may end, and streams that never would are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STREAM = "text/event-stream"
_END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


class Draining:
    """Ends the streams of an app when the process is to end.

    Args:
        app: what is behind it.
        tell: told that the process is to end, and should get no more requests.
    """

    def __init__(self, app: ASGIApp, tell: Callable[[], None] = lambda: None) -> None:
        self.app = app
        self.begun = False
        self._tell = tell
        self._streams: set[asyncio.Task[Any]] = set()

    def begin(self) -> None:
        """Ends all streams; to be called in the loop. Those that begin later end at once."""
        self.begun = True
        self._tell()
        for task in self._streams:
            task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None, "servers run requests in tasks"
        streaming = False

        async def sending(message: Message) -> None:
            nonlocal streaming
            await send(message)
            if message["type"] == "http.response.start" and _is_stream(message):
                streaming = True
                self._streams.add(task)
                if self.begun:
                    task.cancel()

        try:
            await self.app(scope, receive, sending)
        except asyncio.CancelledError:
            if not (streaming and self.begun):
                raise
            task.uncancel()
            await send(_END)
        finally:
            self._streams.discard(task)


def _is_stream(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(_STREAM)
