"""What happens in a team, told live to those who look at it on the chat page."""

from __future__ import annotations

import asyncio

from .model import Json

QUEUE = 200
"""Events that wait for one viewer; when there are more, everything is shown anew."""


class Viewer:
    """One open page.

    Attributes:
        team_id: the team that it shows.
    """

    def __init__(self, team_id: str) -> None:
        self.team_id = team_id
        self._events: list[Json] | None = []  # None: more happened than is kept
        self._stirred = asyncio.Event()
        self._end = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nobody looks any more."""
        return self._end.is_set()

    def tell(self, event: Json) -> None:
        """Keep an event for this viewer."""
        if self._events is not None:
            self._events.append(event)
            if len(self._events) > QUEUE:
                self._events = None
        self._stirred.set()

    def stir(self) -> None:
        """Have the viewer look again, though there is no event."""
        self._stirred.set()

    def end(self) -> None:
        """Have the viewer look no more."""
        self._end.set()
        self._stirred.set()

    def take(self) -> list[Json] | None:
        """Give what happened since the last call, or None where it was too much to be kept."""
        taken, self._events = self._events, []
        return taken

    async def wait(self, timeout: float) -> None:
        """Wait until something happens, at most `timeout` seconds."""
        if await _is_set(self._stirred, timeout):
            self._stirred.clear()

    async def rest(self, seconds: float) -> None:
        """Let events gather for a time, if the viewer does not end before."""
        await _is_set(self._end, seconds)


class Feed:
    """The viewers of all teams. Telling costs one look where nobody watches."""

    def __init__(self) -> None:
        self._viewers: dict[str, list[Viewer]] = {}

    def open(self, team_id: str) -> Viewer:
        """Begin to watch a team."""
        viewer = Viewer(team_id)
        self._viewers.setdefault(team_id, []).append(viewer)
        return viewer

    def close(self, viewer: Viewer) -> None:
        """End watching."""
        group = self._viewers[viewer.team_id]
        group.remove(viewer)
        if not group:
            del self._viewers[viewer.team_id]

    def end(self) -> bool:
        """End all watching. False where nobody watches."""
        for group in self._viewers.values():
            for viewer in group:
                viewer.end()
        return bool(self._viewers)

    def tell(self, team_id: str, event: Json) -> None:
        """Tell a team's viewers of an event of the page's own."""
        for viewer in self._viewers.get(team_id, ()):
            viewer.tell(event)

    def hear(self, team_id: str, event: Json) -> None:
        """Tell a team's viewers of one of Slack's events, which may be anything that somebody sent."""
        if team_id in self._viewers:
            self.tell(team_id, {"type": "slack", "event": event})

    def tell_all(self, event: Json) -> None:
        """Tell every viewer."""
        for team_id in self._viewers:
            self.tell(team_id, event)

    def stir(self, team_id: str) -> None:
        """Have a team's viewers look again."""
        for viewer in self._viewers.get(team_id, ()):
            viewer.stir()


async def _is_set(event: asyncio.Event, timeout: float) -> bool:
    try:
        return await asyncio.wait_for(event.wait(), timeout)
    except TimeoutError:
        return False
