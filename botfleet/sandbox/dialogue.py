"""What is said over one RTM connection: the bot's frames, and Slack's answers. No I/O."""

from __future__ import annotations

import json
from typing import Any

from .hub import Connection, Ticket, encode
from .limits import SOCKET_PATIENCE, SOCKET_WRITES, Bucket
from .model import Json
from .service import Sandbox

HELLO = encode({"type": "hello"})

# Codes 1 and 2 and the text of -1 are Slack's; Slack documents no others, these are the sandbox's own.
TEXT_MISSING = 2
BAD_CHANNEL = 3
BAD_FRAME = 4
UNKNOWN_TYPE = 5
SLOW_DOWN = -1


class Dialogue:
    """Slack's side of a connection.

    Attributes:
        team: whose connection it is.
        subscribed: the users whose presence the bot wants to hear of.

    Args:
        sandbox: what the bot's frames act on.
        connection: takes what Slack says.
    """

    def __init__(self, sandbox: Sandbox, connection: Connection) -> None:
        self.sandbox = sandbox
        self.connection = connection
        self.team = sandbox.world.teams[connection.token.team_id]
        self.subscribed: frozenset[str] = frozenset()
        self.writes = Bucket(SOCKET_WRITES, sandbox.monotonic()) if sandbox.limits is not None else None
        self.excess = 0

    def greet(self, ticket: Ticket) -> None:
        """Say hello, and what happened since rtm.connect."""
        self.connection.send(HELLO + b"".join(ticket.backlog))

    def take(self, text: str) -> None:
        """Take a frame from the bot."""
        frame = _parse(text)
        kind = frame.get("type") if frame is not None else None
        entry = {"team": self.team.id, "type": kind, "frame": text, "time": self.sandbox.clock()}
        self.sandbox.frames.add(entry)
        if frame is None:
            self._error(None, BAD_FRAME, "frame is no JSON object")
        else:
            self._dispatch(frame)

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
        self.connection.send(encode(pong | echoed))

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
                self.team, channel, self.team.bot, text, "socket", thread_ts=thread_ts, sender=self.connection
            )
            self.connection.send(encode({"ok": True, "reply_to": number, "ts": message.ts, "text": text}))

    def _typing(self, frame: Json) -> None:
        number, channel = frame.get("id"), str(frame.get("channel"))
        if self._too_fast(number):
            return
        if channel not in self.team.channels:
            self._error(number, BAD_CHANNEL, "channel_not_found")
        else:
            typing = {"type": "user_typing", "channel": channel, "user": self.team.bot.id}
            self.sandbox.feed.hear(self.team.id, typing)

    def _presence(self, frame: Json) -> None:
        ids = frame.get("ids")
        if not isinstance(ids, list):
            self._error(frame.get("id"), BAD_FRAME, "ids must be a list of user ids")
            return
        self.subscribed = frozenset(str(user) for user in ids) & self.team.users.keys()
        changes = [
            {"type": "presence_change", "user": u, "presence": "active"} for u in sorted(self.subscribed)
        ]
        self.connection.send(b"".join(map(encode, changes)))

    def _too_fast(self, number: Any) -> bool:
        if self.writes is None or not self.writes.take(self.sandbox.monotonic()):
            return False
        self.excess += 1
        self._error(number, SLOW_DOWN, "slow down, too many messages...")
        if self.excess > SOCKET_PATIENCE:
            self.connection.sever()
        return True

    def _error(self, number: Any, code: int, reason: str) -> None:
        error = {"code": code, "msg": reason}
        if _is_frame_id(number):
            self.connection.send(encode({"ok": False, "reply_to": number, "error": error}))
        else:
            self.connection.send(encode({"type": "error", "error": error}))


def _parse(text: str) -> Json | None:
    try:
        frame = json.loads(text)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) else None


def _is_frame_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
