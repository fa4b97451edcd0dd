"""A queue with a lane for each bot: one bot's flood does not stand before the events of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from ..clock import MonotonicClock, monotonic_clock
from .outgoing import Bundle, Outgoing

#: Work of a lane before the next one has its turn.
_TURN = 32


class Lanes:
    """Units wait in lanes, in order; lanes take turns. Not safe for several threads.

    Its length is the number of events.

    >>> lanes = Lanes()
    >>> len(lanes), lanes.take(10, 1000)
    (0, [])

    Args:
        clock: for the time that lanes pause.
    """

    def __init__(self, clock: MonotonicClock = monotonic_clock) -> None:
        self._clock = clock
        # A lane is there only while something waits in it: bots are many, and mostly quiet.
        self._lanes: dict[str, deque[Outgoing | Bundle]] = {}
        self._turns: deque[str] = deque()
        # Lanes that have no turns until a time.
        self._pauses: dict[str, float] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, name: str, event: Outgoing) -> None:
        """Puts an event at the end of a lane."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = deque()
            self._turns.append(name)
        lane.append(event)
        self._count += 1

    def give_back(self, units: Sequence[Outgoing | Bundle], pause: float) -> None:
        """Puts units that were taken back to where they were; their lanes pause for so many seconds."""
        if not units:
            return
        for unit in reversed(units):
            lane = self._lanes.setdefault(unit.lane, deque())
            lane.appendleft(unit)
            self._pauses[unit.lane] = self._clock() + pause
        self._turns = deque(name for name in self._turns if name not in self._pauses)
        self._count += count(units)

    def due(self) -> float | None:
        """Seconds until there is something to take; None where nothing waits."""
        if self._turns:
            return 0.0
        if not self._pauses:
            return None
        return max(0.0, min(self._pauses.values()) - self._clock())

    def take(self, work: int, size: int, all_of_them: bool = False) -> list[Outgoing | Bundle]:
        """Takes units out, in order within each lane: about so much work, and so many bytes of messages.

        Args:
            work: in messages of one event.
            size: in bytes.
            all_of_them: of lanes that pause, too.
        """
        self._resume(all_of_them)
        taken: list[Outgoing | Bundle] = []
        while self._turns and work > 0 and size > 0:
            name = self._turns.popleft()
            lane = self._lanes[name]
            turn = _TURN
            while lane and turn > 0 and work > 0 and size > 0:
                unit = lane.popleft()
                taken.append(unit)
                turn -= unit.work
                work -= unit.work
                size -= unit.size
            if lane:
                self._turns.append(name)
            else:
                del self._lanes[name]
        self._count -= count(taken)
        return taken

    def _resume(self, all_of_them: bool) -> None:
        if self._pauses:
            now = self._clock()
            over = [name for name, until in self._pauses.items() if all_of_them or until <= now]
            self._turns.extend(over)
            for name in over:
                del self._pauses[name]


def count(units: Iterable[Outgoing | Bundle]) -> int:
    """How many events there are in some units."""
    return sum(unit.event_count for unit in units)
