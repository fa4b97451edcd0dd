"""A queue with a lane for each bot: one bot's flood does not stand before the events of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .outgoing import Bundle, Outgoing

#: Units that a lane may give before the next one has its turn.
_TURN = 32


class Lanes:
    """Units wait in lanes, in order; lanes take turns. Not safe for several threads.

    >>> lanes = Lanes()
    >>> len(lanes), lanes.take(10, 1000)
    (0, [])
    """

    def __init__(self) -> None:
        # A lane is there only while something waits in it: bots are many, and mostly quiet.
        self._lanes: dict[str, deque[Outgoing | Bundle]] = {}
        self._turns: deque[str] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, name: str, unit: Outgoing | Bundle) -> None:
        """Puts a unit at the end of a lane."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = deque()
            self._turns.append(name)
        lane.append(unit)
        self._count += 1

    def take(self, most: int, size: int) -> list[Outgoing | Bundle]:
        """Takes units out, in order within each lane: up to `most`, and about `size` bytes of messages."""
        taken: list[Outgoing | Bundle] = []
        while self._turns and len(taken) < most and size > 0:
            name = self._turns.popleft()
            lane = self._lanes[name]
            for _ in range(min(_TURN, len(lane), most - len(taken))):
                unit = lane.popleft()
                taken.append(unit)
                size -= unit.size
                if size <= 0:
                    break
            if lane:
                self._turns.append(name)
            else:
                del self._lanes[name]
        self._count -= len(taken)
        return taken


def count(units: Sequence[Outgoing | Bundle]) -> int:
    """How many events there are in some units."""
    return sum(len(unit.events) if isinstance(unit, Bundle) else 1 for unit in units)
