"""HTTP as uvicorn reads it by httptools, with bounds that it has not: for heads, and for who never ends."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of a request's head: its line and its headers. As much as one read brings may be more.
HEAD = 64 * 2**10
#: Seconds within which a head has to be there, and a body that nobody wanted any more.
HEAD_TIME = 10.0
_REFUSAL = (
    b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%s"
)


class BoundedHttp(HttpToolsProtocol):
    """One connection. A client that dribbles its requests is cut off, one with a huge head refused.

    What happens between a head and its answer, with the body too, is the app's matter (`limits.py`).
    """

    #: To be changed by tests.
    head_time = HEAD_TIME

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Ends the connection unless something is complete in time.
        self._timer: asyncio.TimerHandle | None = None
        #: Whether a head has begun and not ended, and how many bytes of it came.
        self._in_head = False
        self._size = 0
        #: Whether a body is still to come.
        self._in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called when somebody has connected."""
        super().connection_made(transport)
        self._begin_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is gone."""
        self._end_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with what came."""
        super().data_received(data)
        if self._in_head:
            self._size += len(data)
            self._begin_timer()
            if self._size > HEAD:
                self._refuse(b"431 Request Header Fields Too Large", b"The headers are too large.")

    def on_message_begin(self) -> None:
        """Called at the beginning of a request."""
        self._in_head, self._size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called when the head is there."""
        self._in_head, self._in_body = False, True
        self._end_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called when the body is there, too."""
        self._in_body = False
        self._end_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called when the answer was sent, perhaps before the body was there."""
        super().on_response_complete()
        if self._in_body:
            self._begin_timer()

    def _begin_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.head_time, self._end_late)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_late(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(b"408 Request Timeout", b"The request took too long.")
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, status: bytes, text: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(_REFUSAL % (status, len(text), text))
            self.transport.close()
