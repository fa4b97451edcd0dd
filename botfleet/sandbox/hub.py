"""The open connections of each team, the URLs that lead to one, and the delivery of events to them."""

from __future__ import annotations

import asyncio
import json
import secrets
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from .model import Token

BACKLOG = 1000
"""Events kept for a team between rtm.connect and the connection."""


class Connection(Protocol):
    """What the hub needs of a websocket."""

    token: Token

    @property
    def is_muted(self) -> bool:
        """Whether it swallows everything and sends nothing."""

    def send(self, frames: bytes) -> asyncio.Future[None] | None:
        """Write encoded frames. The future is done when the kernel has them; None: gone, or muted."""

    def sever(self, *, reset: bool = False) -> None:
        """Close the TCP connection without a closing frame."""

    def mute(self, muted: bool) -> None:
        """Let the connection swallow and send nothing, or speak again."""

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Begin the closing handshake."""


@dataclass(slots=True)
class Ticket:
    """A single-use websocket URL, between rtm.connect and the connection."""

    token: Token
    expires: float
    backlog: list[bytes] = field(default_factory=list)


def encode(event: dict[str, Any] | str) -> bytes:
    """Encode an event, or a frame's text as it is, as one unmasked websocket text frame."""
    text = event if isinstance(event, str) else json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    payload = text.encode("utf-8", "surrogatepass")
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


def texts(frames: bytes) -> Iterator[bytes]:
    """Yield what `encode` made frames of, as bytes.

    >>> list(texts(encode({"type": "hello"}) + encode("{}")))
    [b'{"type":"hello"}', b'{}']
    """
    position = 0
    while position < len(frames):
        size, start = frames[position + 1], position + 2
        if size > 125:
            form = "!H" if size == 126 else "!Q"
            (size,) = struct.unpack_from(form, frames, start)
            start += struct.calcsize(form)
        yield frames[start : start + size]
        position = start + size


class Hub:
    """Who listens to which team.

    Events are encoded once and written to every connection of the team, without a task or timer each.

    Args:
        url_lifetime: seconds that a ticket lives.
        on_change: is told the id of a team whose connections became more or fewer.
    """

    def __init__(self, url_lifetime: float, on_change: Callable[[str], None]) -> None:
        self.url_lifetime = url_lifetime
        self._on_change = on_change
        self.opened = 0
        self.frames_sent = 0
        self._teams: dict[str, dict[Connection, None]] = {}
        self._tickets: dict[str, Ticket] = {}
        self._tickets_of: dict[str, list[Ticket]] = {}

    def issue(self, token: Token, now: float) -> str:
        """Make a ticket and give its name, for the URL."""
        self._expire(now)
        name = secrets.token_hex(12)
        ticket = Ticket(token, now + self.url_lifetime)
        self._tickets[name] = ticket
        self._tickets_of.setdefault(token.team_id, []).append(ticket)
        return name

    def peek(self, name: str) -> Ticket | None:
        """Look at a ticket without using it up."""
        return self._tickets.get(name)

    def redeem(self, name: str, now: float) -> Ticket | None:
        """Use a ticket up. None when it is unknown, used, expired, or its token was revoked meanwhile."""
        ticket = self._tickets.pop(name, None)
        if ticket is None:
            return None
        self._forget(ticket)
        return ticket if now < ticket.expires and ticket.token.error is None else None

    def add(self, connection: Connection) -> None:
        """Let a connection hear its team's events."""
        self._teams.setdefault(connection.token.team_id, {})[connection] = None
        self.opened += 1
        self._on_change(connection.token.team_id)

    def remove(self, connection: Connection) -> None:
        """Forget a connection, known or not."""
        group = self._teams.get(connection.token.team_id, {})
        if connection in group:
            del group[connection]
            self._on_change(connection.token.team_id)

    def connections(self, team_id: str) -> list[Connection]:
        """Give a team's connections, oldest first."""
        return list(self._teams.get(team_id, ()))

    def count(self, team_id: str | None = None) -> int:
        """Count the open connections of one team, or of all."""
        if team_id is not None:
            return len(self._teams.get(team_id, ()))
        return sum(map(len, self._teams.values()))

    def awaits(self, team_id: str) -> bool:
        """Whether somebody has a URL of the team and may come for what is kept."""
        return team_id in self._tickets_of

    def everyone(self) -> list[Connection]:
        """Give every open connection."""
        return [connection for group in self._teams.values() for connection in group]

    def publish(
        self, team_id: str, frames: Iterable[bytes], but: Connection | None = None
    ) -> list[asyncio.Future[None]]:
        """Write frames to every connection of a team except `but`; give the writes that are under way."""
        written = list(frames)
        self._keep(team_id, written)
        block = b"".join(written)
        pending = []
        for connection in self.connections(team_id):
            if connection is but:
                continue
            future = connection.send(block)
            if future is None:
                continue
            self.frames_sent += len(written)
            if not future.done():
                pending.append(future)
        return pending

    def sever(self, token: Token) -> None:
        """Cut the connections of a token that died, without a word, as Slack does."""
        for connection in self.connections(token.team_id):
            if connection.token is token:
                connection.sever()

    def _keep(self, team_id: str, frames: list[bytes]) -> None:
        for ticket in self._tickets_of.get(team_id, ()):
            ticket.backlog.extend(frames[: BACKLOG - len(ticket.backlog)])

    def _expire(self, now: float) -> None:
        # Tickets live equally long, so the oldest stand first.
        while self._tickets:
            name, ticket = next(iter(self._tickets.items()))
            if ticket.expires > now:
                return
            del self._tickets[name]
            self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        waiting = self._tickets_of[ticket.token.team_id]
        waiting.remove(ticket)
        if not waiting:
            del self._tickets_of[ticket.token.team_id]
