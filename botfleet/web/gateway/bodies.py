"""Bodies of requests: bounded in size, and in the time that they may take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive

from ...publishing.deadlines import Deadlines
from ..limits import BODY_TIME, SLACK_BODY
from . import answers
from .answers import Refused

#: Bytes of bodies that come in parts, of all together: nobody has signed them yet. Most of Slack's don't.
_MOST_GATHERED = 64 * 2**20
#: Tells a body's deadline from other reasons to end a task.
_LATE = "the body is late"


class ClientGone(Exception):
    """Whoever asked is gone; nobody is to be answered."""


class Reader:
    """Reads bodies.

    Args:
        seconds: within which each has to be there.
    """

    def __init__(self, seconds: float = BODY_TIME) -> None:
        self._deadlines = Deadlines[asyncio.Task[Any]](seconds, self._end)
        # Bytes of bodies that are there in part.
        self._gathered = 0
        # Tasks that read; they go on to other things afterwards.
        self._reading: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive, limit: int = SLACK_BODY) -> bytes:
        """Reads a request's body.

        Args:
            headers: of the request.
            receive: ASGI's.
            limit: bytes that it may have.

        Raises:
            Refused: it is too large, by its own word or in truth, or too slow.
            ClientGone: it ended in the midst.
        """
        told = headers.get(b"content-length", b"")
        if len(told) > 3 and (len(told) > 12 or not told.isdigit() or int(told) > limit):
            raise Refused(answers.TOO_LARGE)
        # To ask which loop runs is a system call; one that does not run has no task.
        task = asyncio.current_task(self._loop) if self._loop is not None else None
        if task is None:
            self._loop = asyncio.get_running_loop()
            task = asyncio.current_task(self._loop)
            assert task is not None
        self._reading.add(task)
        self._deadlines.begin(task.get_loop(), task)
        try:
            message = await receive()
            part: bytes = message.get("body", b"")
            if message["type"] == "http.request" and not message.get("more_body") and len(part) <= limit:
                return part
            return await self._read_on(message, receive, limit)
        except asyncio.CancelledError as exc:
            if exc.args != (_LATE,):
                raise
            task.uncancel()
            raise Refused(answers.TOO_SLOW) from None
        finally:
            self._reading.discard(task)

    async def _read_on(self, message: Message, receive: Receive, limit: int) -> bytes:
        """Reads what comes after the first message, which it is given."""
        parts: list[bytes] = []
        size = 0
        try:
            while message["type"] == "http.request":
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self._gathered += len(parts[-1])
                if size > limit:
                    raise Refused(answers.TOO_LARGE)
                if self._gathered > _MOST_GATHERED:
                    raise Refused(answers.CROWDED)
                if not message.get("more_body"):
                    return b"".join(parts)
                message = await receive()
        finally:
            self._gathered -= size
        raise ClientGone

    def _end(self, task: asyncio.Task[Any]) -> None:
        if task in self._reading:
            task.cancel(_LATE)
