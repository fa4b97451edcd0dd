"""One scenario's course: a fleet, loads on it, and a report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from botfleet.errors import StoreUnavailable
from botfleet.sandbox import SandboxError

from ..processes import BenchError, wait_until
from ..report import Report
from .account import Account, Said
from .fleet import Fleet, Size
from .load import Load, account_of, wait_for_all

#: Small enough for the tests, and for two cores.
QUICK = Size(bots=30, rate=60.0, lease_ttl=2.0, check_interval=1.0, handover_timeout=20.0, calm=0.5)
#: Seconds between two looks at something that is timed.
_LOOK = 0.05


@dataclass(frozen=True)
class Scenario:
    """A fault by name.

    Attributes:
        name: for the command line.
        title: what is done, one line.
        body: does it.
    """

    name: str
    title: str
    body: Callable[[Run], None]

    def play(self, quick: bool, fleets: Fleets | None = None) -> Report:
        """Plays it, in large or in small, in a fleet of its own or in one of these.

        Raises:
            BenchError: the fleet never came to where the fault could begin, or its effects be seen.
        """
        report = Report(self.name, self.title)
        with nullcontext(fleets) if fleets else Fleets() as lent:
            self.body(Run(report, quick, lent))
        return report


class Fleets:
    """Lends fleets; the last one is kept, and lent again for a scenario of the same size that follows."""

    def __init__(self) -> None:
        self._kept: Fleet | None = None

    @contextmanager
    def lend(self, size: Size) -> Iterator[Fleet]:
        """A fleet of this size, with handler and beat; it is not lent again if it is left with an error."""
        fleet = self._kept
        if fleet is None or fleet.size != size:
            self.close()
            fleet = Fleet(size)
            fleet.start_workers()
        self._kept = None
        try:
            yield fleet
        except BaseException:
            fleet.close()
            raise
        self._kept = fleet

    def close(self) -> None:
        """Ends the fleet that is kept."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Run:
    """What a scenario's body works with.

    Attributes:
        report: gets figures and goals.
        quick: in small.
    """

    def __init__(self, report: Report, quick: bool, fleets: Fleets) -> None:
        self.report = report
        self.quick = quick
        self._fleets = fleets
        self._said: list[Said] = []
        self._spacing = 0.0

    def size(self, **changes: Any) -> Size:
        """The fleet's size; what is given is for both runs, in large and in small."""
        return replace(QUICK if self.quick else Size(), **changes)

    def seconds(self, usual: float, quick: float) -> float:
        """A time that is shorter in small."""
        return quick if self.quick else usual

    def say(self, text: str) -> None:
        """Says on standard error what is going on."""
        print(f"  … {text}", file=sys.stderr, flush=True)

    @contextmanager
    def fleet(self, size: Size, *holders: str) -> Iterator[Fleet]:
        """A fleet with these holders, in which all is as it should be."""
        with self._fleets.lend(size) as fleet:
            fleet.have(*holders)
            yield fleet

    @contextmanager
    def load(self, fleet: Fleet) -> Iterator[None]:
        """Loads the fleet; for a calm while also before and after what is done meanwhile."""
        fleet.loads += 1
        load = Load(fleet.control, f"load{fleet.loads}", fleet.teams, fleet.size.rate)
        time.sleep(fleet.size.calm)
        yield
        time.sleep(fleet.size.calm)
        fleet.check()
        self._said += load.stop()
        self._spacing = load.spacing

    def account(self, fleet: Fleet) -> Account:
        """Waits for the handler, and puts down what became of all loads."""
        # More than a retry takes.
        quiet = self.seconds(5.0, 2.0)
        wait_for_all(self._said, fleet.notes, fleet.queued, quiet)
        account = account_of(self._said, fleet.notes, self._spacing)
        account.add_to(self.report)
        return account

    def time(self, figure: str, condition: Callable[[], bool], timeout: float, since: float) -> float:
        """Waits for something, and puts down how long that took, counted from a unix time.

        It counts as `timeout` where it did not come true in that time.
        """

        def is_so() -> bool:
            with suppress(StoreUnavailable, SandboxError):
                return condition()
            return False

        try:
            wait_until(figure, is_so, max(0.0, timeout - (time.time() - since)), _LOOK)
        except BenchError:
            self.report.note(f"{figure}: not within {timeout:g} s")
        took = time.time() - since
        self.report.add(figure, "s", took)
        return took

    def none(self, *figures: str) -> None:
        """States that there must be none of these."""
        for figure in figures:
            self.report.at_most(figure, 0)
