"""The RTM websocket: one handler per connection, driven by what arrives; no task or timer of its own.

What is said over it is in `dialogue.py`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Any, cast

from tornado import iostream, websocket

from .dialogue import Dialogue
from .hub import Ticket, encode
from .model import Token
from .webhandler import Discreet

logger = logging.getLogger(__name__)

FRAME_LIMIT = 16 * 1024
"""Bytes of a frame that Slack takes; a longer one ends the connection."""

UNSENT_LIMIT = 16 * 1024 * 1024
"""Bytes that wait for a slow reader before it is cut off."""

URL_EXPIRED = encode({"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}})


class Wire:
    """A stream that can fall silent, as a half-dead TCP connection does.

    Tornado answers websocket pings and closing frames by itself; muting the stream below it silences
    those too.
    """

    def __init__(self, stream: iostream.IOStream) -> None:
        self.stream = stream
        self.muted = False
        self._close_later = False

    def write(self, block: bytes) -> asyncio.Future[None]:
        """Write, or swallow."""
        if not self.muted:
            return self.stream.write(block)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def close(self, exc_info: Any = False) -> None:
        """Close, or do so once the silence is over."""
        if self.muted:
            self._close_later = True
        else:
            self.stream.close(exc_info)

    def mute(self, muted: bool) -> None:
        """Fall silent, or speak again."""
        self.muted = muted
        if not muted and self._close_later:
            self.stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class RtmSocket(Discreet, websocket.WebSocketHandler):
    """``/websocket/TICKET``."""

    token: Token
    wire: Wire | None = None
    dialogue: Dialogue | None = None

    def prepare(self) -> None:
        """Let anybody come who has a ticket."""

    def check_origin(self, origin: str) -> bool:
        """Take any origin: a token is all that counts here."""
        return True

    async def get(self, *args: str, **kwargs: str) -> None:
        """Upgrade, or refuse to."""
        ticket = self.sandbox.hub.peek(args[0])
        if ticket is not None and self._refused(ticket):
            self.set_status(503)
            self.finish("Service Unavailable")
            return
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        """Say hello, and what happened since rtm.connect; or that the URL is of no use."""
        protocol = self.ws_connection
        assert protocol is not None
        assert protocol.stream is not None
        self.wire = Wire(protocol.stream)
        protocol.stream = cast(iostream.IOStream, self.wire)
        self.wire.stream.max_write_buffer_size = UNSENT_LIMIT
        self.set_nodelay(True)
        now = self.sandbox.monotonic()
        ticket = self.sandbox.hub.redeem(args[0], now)
        if ticket is None:
            self.send(URL_EXPIRED)
            self.close()
            return
        self._greet(ticket, now)

    def on_message(self, message: str | bytes) -> None:
        """Take a frame from the bot."""
        if self.dialogue is not None and self.wire is not None and not self.wire.muted:
            self.dialogue.take(message if isinstance(message, str) else message.decode("utf-8", "replace"))

    def on_close(self) -> None:
        """Forget the connection."""
        if self.dialogue is not None:
            self.sandbox.hub.remove(self)

    def send(self, frames: bytes) -> asyncio.Future[None] | None:
        """Write encoded frames; cut a reader off that is too slow for them."""
        if self.wire is None or self.wire.muted or self.ws_connection is None:
            return None
        try:
            return self.wire.write(frames)
        except iostream.StreamClosedError:
            return None
        except iostream.StreamBufferFullError:
            self.sever(reset=True)
            return None

    def sever(self, *, reset: bool = False) -> None:
        """End the TCP connection without a closing frame: by FIN, or by RST."""
        if self.wire is None:
            return
        self.wire.mute(False)
        sock = self.wire.stream.socket
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.stream.close()

    @property
    def is_muted(self) -> bool:
        """Whether it swallows everything and sends nothing."""
        return self.wire is not None and self.wire.muted

    def mute(self, muted: bool) -> None:
        """Swallow and send nothing, or speak again."""
        if self.wire is not None:
            self.wire.mute(muted)

    def _refused(self, ticket: Ticket) -> bool:
        team = self.sandbox.world.teams[ticket.token.team_id]
        return self.sandbox.faults(team).refuses_sockets(self.sandbox.monotonic())

    def _greet(self, ticket: Ticket, now: float) -> None:
        self.token = ticket.token
        self.dialogue = Dialogue(self.sandbox, self)
        self.sandbox.hub.add(self)
        if self.sandbox.faults(self.dialogue.team).silences(now):
            self.mute(True)
        self.dialogue.greet(ticket)
