"""What was sent against what was handled: sets of messages and times, and no process in sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from ..report import Report


class Said(NamedTuple):
    """A message that the sandbox took as said in a team."""

    team: str
    #: What tells it from every other message of the run.
    number: str
    #: Unix seconds.
    at: float
    #: Whether a socket of the team was open, or its URL given out.
    heard: bool = True


class Handled(NamedTuple):
    """A handler's run for a message."""

    team: str
    number: str
    at: float


@dataclass(frozen=True)
class Account:
    """One load, from its first message to the last that was handled.

    Attributes:
        said: all messages, in the order in which they were sent.
        runs: all runs of the handler for them, in any order.
        spacing: seconds between two messages of one team, as they were sent.
    """

    said: Sequence[Said]
    runs: Sequence[Handled]
    spacing: float

    @cached_property
    def _times(self) -> dict[tuple[str, str], float]:
        """When each message was handled, for the first time."""
        found: dict[tuple[str, str], float] = {}
        for run in self.runs:
            key = (run.team, run.number)
            found[key] = min(run.at, found.get(key, run.at))
        return found

    @property
    def handled(self) -> int:
        """Messages that were handled at least once."""
        return len(self.said) - len(self.missed)

    @cached_property
    def missed(self) -> list[Said]:
        """Messages that were not handled."""
        return [one for one in self.said if (one.team, one.number) not in self._times]

    @cached_property
    def doubled(self) -> int:
        """Runs beyond the first of each message."""
        counts = Counter((run.team, run.number) for run in self.runs)
        return sum(count - 1 for count in counts.values())

    @property
    def longest_gap(self) -> float:
        """How long any team waited beyond the usual, seconds.

        That is the longest time without a handled message of a team, from when its first message was sent to
        when its last one was sent or handled, less the spacing of its messages.

        >>> said = [Said("T1", str(n), float(n)) for n in range(4)]
        >>> Account(said, [Handled("T1", "0", 0.0), Handled("T1", "3", 3.2)], 1.0).longest_gap
        2.2
        """
        sent: dict[str, list[float]] = {}
        for one in self.said:
            sent.setdefault(one.team, []).append(one.at)
        handled: dict[str, list[float]] = {team: [] for team in sent}
        for (team, _), at in self._times.items():
            handled[team].append(at)
        longest = max((_longest_pause(at, handled[team]) for team, at in sent.items()), default=0.0)
        return max(0.0, round(longest - self.spacing, 3))

    @property
    def longest_delay(self) -> float:
        """The longest time from a message to its handler, seconds."""
        delays = [self._times.get((one.team, one.number), one.at) - one.at for one in self.said]
        return max(delays, default=0.0)

    def add_to(self, report: Report) -> None:
        """Puts down the figures that every fault has."""
        report.add("sent", "events", len(self.said))
        report.add("handled", "events", self.handled)
        report.add("missed", "events", len(self.missed))
        report.add("missed of those heard", "events", len(heard(self.missed)))
        report.add("doubled", "events", self.doubled)
        report.add("longest gap", "s", self.longest_gap)
        report.add("longest delay", "s", self.longest_delay)


def _longest_pause(sent: Sequence[float], handled: Sequence[float]) -> float:
    """The longest time between two of a team's handled messages, or before the first or after the last."""
    last = max(sent[-1], *handled) if handled else sent[-1]
    return max(later - earlier for earlier, later in pairwise([sent[0], *sorted(handled), last]))


def heard(messages: Iterable[Said]) -> list[Said]:
    """Those that a socket got."""
    return [one for one in messages if one.heard]
