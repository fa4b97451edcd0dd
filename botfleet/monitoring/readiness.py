"""Whether a process is ready for work: some checks, each of which may block for as long as it likes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

import msgspec

from ..clock import MonotonicClock, monotonic_clock

logger = logging.getLogger(__name__)

#: Says what is wrong in a few words that anybody may read; nothing where all is well. What it raises instead,
#: only the log is told.
Check = Callable[[], str]

#: Seconds that all checks together may take, and for which what they found holds.
PATIENCE = 2.0
FRESH = 1.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks found.

    Attributes:
        ready: all is well.
        checks: `ok`, or what is wrong, by name.
    """

    ready: bool
    checks: dict[str, str]


class Readiness:
    """Runs the checks when somebody asks, at most once a second, each in a thread of its own.

    A check that does not come back has its one thread, and no second one is started beside it.

    Args:
        checks: by name.
        patience: seconds that they may take.
        monotonic: time.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        patience: float = PATIENCE,
        monotonic: MonotonicClock = monotonic_clock,
    ) -> None:
        self._probes = {name: _Probe(name, check) for name, check in checks.items()}
        self._patience = patience
        self._monotonic = monotonic
        # Held while the checks run; who comes meanwhile gets what the last ones found.
        self._looking = threading.Lock()
        self._last: tuple[Report, float] | None = None
        self._ended = False

    def end(self) -> None:
        """From now on the process is not ready, whatever the checks find: it is to end."""
        self._ended = True

    def look(self) -> Report:
        """What the checks find, or found less than a second ago."""
        if self._ended:
            return Report(ready=False, checks={"process": "draining"})
        if not self._looking.acquire(blocking=self._last is None):
            assert self._last is not None, "it never is None again"
            return self._last[0]
        try:
            if self._last is None or self._monotonic() - self._last[1] >= FRESH:
                self._last = (self._run(), self._monotonic())
            return self._last[0]
        finally:
            self._looking.release()

    def _run(self) -> Report:
        for probe in self._probes.values():
            probe.start()
        until = self._monotonic() + self._patience
        checks = {
            name: probe.result(max(0.0, until - self._monotonic()), self._patience)
            for name, probe in self._probes.items()
        }
        return Report(ready=all(result == "ok" for result in checks.values()), checks=checks)


class _Probe:
    """One check, and the thread that it runs in."""

    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._done = threading.Event()
        self._done.set()
        self._result = ""

    def start(self) -> None:
        """Begins, unless it has not come back from the last time."""
        if self._done.is_set():
            self._done.clear()
            threading.Thread(target=self._run, name=f"botfleet-check-{self._name}", daemon=True).start()

    def result(self, wait: float, patience: float) -> str:
        """`ok`, or what is wrong."""
        return self._result if self._done.wait(wait) else f"no answer within {patience:g} s"

    def _run(self) -> None:
        before = self._result
        try:
            self._result = self._check() or "ok"
        except Exception as exc:
            self._result = "does not answer"
            if self._result != before:
                logger.warning("Not ready, %s: %s", self._name, exc, extra={"action": "check.failed"})
        finally:
            self._done.set()


def answering(ping: Callable[[], None]) -> Check:
    """A check that all is well where a call returns."""

    def check() -> str:
        ping()
        return ""

    return check
