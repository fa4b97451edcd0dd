"""What happens in a team, told live to those who look at it on the chat page."""

from __future__ import annotations

import asyncio

from .model import Json

QUEUE = 2_000
"""Events that wait for one viewer; one who is further behind is shown everything anew."""


class Viewer:
    """One open page.

    Attributes:
        team_id: the team that it shows.
        ended: whether nobody looks any more.
    """

    def __init__(self, team_id: str) -> None:
        self.team_id = team_id
        self.ended = False
        self._events: list[Json] | None = []  # None: more happened than is kept
        self._stirred = asyncio.Event()

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
        self.ended = True
        self._stirred.set()

    def take(self) -> list[Json] | None:
        """Give what happened since the last call, or None where it was too much to be kept."""
        taken, self._events = self._events, []
        return taken

    async def wait(self, timeout: float) -> None:
        """Wait until something happens, at most `timeout` seconds."""
        try:
            await asyncio.wait_for(self._stirred.wait(), timeout)
        except TimeoutError:
            return
        self._stirred.clear()


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
        """Tell a team's viewers of an event."""
        for viewer in self._viewers.get(team_id, ()):
            viewer.tell(event)

    def tell_all(self, event: Json) -> None:
        """Tell every viewer."""
        for team_id in self._viewers:
            self.tell(team_id, event)

    def stir(self, team_id: str) -> None:
        """Have a team's viewers look again."""
        for viewer in self._viewers.get(team_id, ()):
            viewer.stir()
