"""``GET /sandbox/stream``: a team as it is, then what happens in it, as server-sent events.

The first event is a ``sandbox_snapshot``; what follows are the page's own, whose types begin with
``sandbox_``, and ``slack``: an event of Slack's as the sockets hear it. A viewer that comes back begins with
a snapshot again, and one that could not keep up gets another, so that no event needs a number.
"""

from __future__ import annotations

import json

from tornado import iostream

from .display import bot_state, open_views, snapshot
from .feed import Viewer
from .model import Json, Team
from .webhandler import Discreet

LOOK = 0.5
"""Seconds after which what has no events is looked at again: faults that end, modals that close."""
PAUSE = 0.02
"""Seconds between two writes, in which events gather."""
FLOODED = 0.5
"""Seconds until a viewer is told more that got a snapshot because so much happens."""
HEARTBEAT = 15.0
"""Seconds of quiet after which a comment is sent, so that both sides notice a dead connection."""
RETRY = 500
"""Milliseconds after which a browser comes again."""


class StreamHandler(Discreet):
    """``/sandbox/stream?team=TEAM``; the first team by default."""

    viewer: Viewer | None = None

    async def get(self) -> None:
        """Tell a viewer what happens, until it goes."""
        team = self._team()
        if team is None:
            self.set_status(404)
            self.finish({"ok": False, "error": "team is unknown: expected an id, name or domain"})
            return
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.viewer = self.sandbox.feed.open(team.id)
        try:
            await self._tell(team, self.viewer)
        except iostream.StreamClosedError:
            pass
        finally:
            self.sandbox.feed.close(self.viewer)

    def on_connection_close(self) -> None:
        """Look no more."""
        if self.viewer is not None:
            self.viewer.end()

    def _team(self) -> Team | None:
        name = self.get_argument("team", "")
        world = self.sandbox.world
        return world.find_team(name) if name else next(iter(world.teams.values()), None)

    async def _tell(self, team: Team, viewer: Viewer) -> None:
        self.write(f"retry: {RETRY}\n\n")
        events: list[Json] | None = None
        seen = self._look(team)
        told = self.sandbox.monotonic()
        while not viewer.ended:
            shown = [snapshot(self.sandbox, team)] if events is None else events
            before, seen = seen, self._look(team)
            shown = shown + [now for now in seen if now not in before]
            if shown or self.sandbox.monotonic() - told > HEARTBEAT:
                self.write("".join(map(_encode, shown)) or ":\n\n")
                told = self.sandbox.monotonic()
                await self.flush()
            await viewer.rest(FLOODED if events is None else PAUSE)
            await viewer.wait(LOOK)
            events = viewer.take()

    def _look(self, team: Team) -> list[Json]:
        views = {"type": "sandbox_views", "views": open_views(self.sandbox, team)}
        return [bot_state(self.sandbox, team), views]


def _encode(event: Json) -> str:
    return f"data: {json.dumps(event)}\n\n"
