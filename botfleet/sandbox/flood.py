"""Bulk load: numbered messages, spread round robin over teams."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from .model import Team
from .service import Sandbox, message_event

CHUNK = 500
"""Messages written before the loop serves anything else; more where there are many teams."""

LARGEST_CHUNK = 8000
PER_TEAM = 4
"""Messages of one team in a chunk: they share a write, and writes are what costs."""

TICK = 0.01
PATIENCE = 5.0
"""Seconds that a flood waits for a reader that does not keep up."""


@dataclass(slots=True)
class Flood:
    """One bulk load and how far it is.

    Attributes:
        id: its number.
        teams: who gets the messages.
        count: how many messages there are in all.
        rate: messages per second, or None for as fast as the sockets take them.
        text: the messages' text, with ``{n}`` for the number, from 1.
        channel: the channel's name.
        noted: whether it keeps `chunks` and `unheard`.
        sent: messages posted so far.
        frames: frames written to sockets so far.
        seconds: time taken so far.
        chunks: how many were posted at what time, unix seconds.
        unheard: the numbers of those that came when nobody was connected, nor about to be.
    """

    id: int
    teams: list[Team]
    count: int
    rate: float | None
    text: str
    channel: str
    noted: bool = False
    sent: int = 0
    frames: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    chunks: list[tuple[int, float]] = field(default_factory=list)
    unheard: list[int] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Post no more."""
        self.count = self.sent

    def notes(self) -> dict[str, Any]:
        """Give what was sent when, to whom; number N went to the team at (N - 1) modulo their number."""
        teams = [team.id for team in self.teams]
        return {**self.summary(), "teams": teams, "chunks": self.chunks, "unheard": self.unheard}

    def summary(self) -> dict[str, Any]:
        """Give the progress, for the state."""
        return {
            "id": self.id,
            "count": self.count,
            "sent": self.sent,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "done": self.sent >= self.count,
        }


async def run(sandbox: Sandbox, flood: Flood) -> None:
    """Post the messages in chunks; a socket that does not keep up slows the flood down."""
    while flood.sent < flood.count:
        due = min(_chunk(flood), flood.count - flood.sent)
        before = sandbox.hub.frames_sent
        pending = _post_chunk(sandbox, flood, due)
        flood.frames += sandbox.hub.frames_sent - before
        flood.seconds = time.monotonic() - flood.started
        if pending:
            await asyncio.wait(pending, timeout=PATIENCE)
        while sandbox.outbox is not None and sandbox.outbox.is_crowded:
            await asyncio.sleep(TICK)
        await asyncio.sleep(TICK if flood.rate else 0)


def _chunk(flood: Flood) -> int:
    largest = min(max(CHUNK, PER_TEAM * len(flood.teams)), LARGEST_CHUNK)
    if flood.rate is None:
        return largest
    due = 1 + int((time.monotonic() - flood.started) * flood.rate) - flood.sent
    return max(0, min(due, largest))


def _post_chunk(sandbox: Sandbox, flood: Flood, due: int) -> list[asyncio.Future[None]]:
    frames: dict[str, list[bytes]] = {}
    numbers: dict[str, list[int]] = {}
    if due and flood.noted:
        flood.chunks.append((due, sandbox.clock()))
    for _ in range(due):
        team = flood.teams[flood.sent % len(flood.teams)]
        flood.sent += 1
        channel = team.channel_named(flood.channel)
        if channel is None:  # the endpoint has looked, and channels don't go away
            continue
        text = flood.text.replace("{n}", str(flood.sent))
        message, frame = sandbox.write(team, channel, next(team.humans), text, "control")
        if sandbox.listening(team):
            sandbox.tell_apps(team, message_event(team, channel, message))
        frames.setdefault(team.id, []).append(frame)
        numbers.setdefault(team.id, []).append(flood.sent)
    pending: list[asyncio.Future[None]] = []
    for team_id, batch in frames.items():
        before = sandbox.hub.frames_sent
        pending += sandbox.hub.publish(team_id, batch)
        heard = sandbox.hub.frames_sent > before or sandbox.hub.awaits(team_id)
        if flood.noted and not heard and not sandbox.listening(sandbox.world.teams[team_id]):
            flood.unheard += numbers[team_id]
    return pending
