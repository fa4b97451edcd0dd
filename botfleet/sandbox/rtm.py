"""The RTM websocket: one handler per connection, driven by what arrives; no task or timer of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from typing import Any, cast

from tornado import iostream, websocket

from .hub import Ticket, encode
from .limits import SOCKET_PATIENCE, SOCKET_WRITES, Bucket
from .model import Json, Team, Token
from .webhandler import Discreet

logger = logging.getLogger(__name__)

FRAME_LIMIT = 16 * 1024
"""Bytes of a frame that Slack takes; a longer one ends the connection."""

UNSENT_LIMIT = 16 * 1024 * 1024
"""Bytes that wait for a slow reader before it is cut off."""

HELLO = encode({"type": "hello"})
URL_EXPIRED = encode({"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}})

# Codes 1 and 2 and the text of -1 are Slack's; Slack documents no others, these are the sandbox's own.
TEXT_MISSING = 2
BAD_CHANNEL = 3
BAD_FRAME = 4
UNKNOWN_TYPE = 5
SLOW_DOWN = -1


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
    team: Team
    wire: Wire | None = None
    subscribed: frozenset[str] = frozenset()
    writes: Bucket | None = None
    excess: int = 0
    known: bool = False

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
        if self.wire is None or self.wire.muted or not self.known:
            return
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        frame = _parse(text)
        kind = frame.get("type") if frame is not None else None
        entry = {"team": self.team.id, "type": kind, "frame": text, "time": self.sandbox.clock()}
        self.sandbox.frames.add(entry)
        if frame is None:
            self._error(None, BAD_FRAME, "frame is no JSON object")
        else:
            self._dispatch(frame)

    def on_close(self) -> None:
        """Forget the connection."""
        if self.known:
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

    def mute(self, muted: bool) -> None:
        """Swallow and send nothing, or speak again."""
        if self.wire is not None:
            self.wire.mute(muted)

    def _refused(self, ticket: Ticket) -> bool:
        team = self.sandbox.world.teams[ticket.token.team_id]
        return self.sandbox.faults(team).refuses_sockets(self.sandbox.monotonic())

    def _greet(self, ticket: Ticket, now: float) -> None:
        self.token = ticket.token
        self.team = self.sandbox.world.teams[ticket.token.team_id]
        self.known = True
        if self.sandbox.limits is not None:
            self.writes = Bucket(SOCKET_WRITES, now)
        self.sandbox.hub.add(self)
        if self.sandbox.faults(self.team).silences(now):
            self.mute(True)
        self.send(HELLO + b"".join(ticket.backlog))

    def _dispatch(self, frame: Json) -> None:
        kind = frame.get("type")
        if kind == "ping":
            self._pong(frame)
        elif kind == "message":
            self._message(frame)
        elif kind == "typing":
            self._typing(frame)
        elif kind == "presence_sub":
            self._presence(frame)
        else:
            self._error(frame.get("id"), UNKNOWN_TYPE, f"unknown frame type {kind!r}")

    def _pong(self, frame: Json) -> None:
        echoed = {
            name: value
            for name, value in frame.items()
            if name not in ("id", "type") and not isinstance(value, (dict, list))
        }
        pong: Json = {"type": "pong"}
        if "id" in frame:
            pong["reply_to"] = frame["id"]
        self.send(encode(pong | echoed))

    def _message(self, frame: Json) -> None:
        number = frame.get("id")
        if not _is_frame_id(number):
            self._error(None, BAD_FRAME, "id must be a positive integer")
            return
        if self._too_fast(number):
            return
        channel = self.team.channels.get(str(frame.get("channel")))
        text = frame.get("text")
        if channel is None:
            self._error(number, BAD_CHANNEL, "channel_not_found")
        elif not isinstance(text, str) or not text:
            self._error(number, TEXT_MISSING, "message text is missing")
        else:
            thread = frame.get("thread_ts")
            thread_ts = thread if isinstance(thread, str) else None
            message = self.sandbox.post(
                self.team, channel, self.team.bot, text, "socket", thread_ts=thread_ts, sender=self
            )
            self.send(encode({"ok": True, "reply_to": number, "ts": message.ts, "text": text}))

    def _typing(self, frame: Json) -> None:
        number = frame.get("id")
        if not self._too_fast(number) and str(frame.get("channel")) not in self.team.channels:
            self._error(number, BAD_CHANNEL, "channel_not_found")

    def _presence(self, frame: Json) -> None:
        ids = frame.get("ids")
        if not isinstance(ids, list):
            self._error(frame.get("id"), BAD_FRAME, "ids must be a list of user ids")
            return
        self.subscribed = frozenset(str(user) for user in ids) & self.team.users.keys()
        changes = [
            {"type": "presence_change", "user": u, "presence": "active"} for u in sorted(self.subscribed)
        ]
        self.send(b"".join(map(encode, changes)))

    def _too_fast(self, number: Any) -> bool:
        if self.writes is None or not self.writes.take(self.sandbox.monotonic()):
            return False
        self.excess += 1
        self._error(number, SLOW_DOWN, "slow down, too many messages...")
        if self.excess > SOCKET_PATIENCE:
            self.sever()
        return True

    def _error(self, number: Any, code: int, reason: str) -> None:
        error = {"code": code, "msg": reason}
        if _is_frame_id(number):
            self.send(encode({"ok": False, "reply_to": number, "error": error}))
        else:
            self.send(encode({"type": "error", "error": error}))


def _parse(text: str) -> Json | None:
    try:
        frame = json.loads(text)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) else None


def _is_frame_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
