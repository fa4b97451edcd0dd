"""The processes that `up` starts: kept alive, logged to files, and gone when `up` is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..clock import MonotonicClock, monotonic_clock
from ..errors import BotfleetError

#: A child that ends this often within `_WINDOW` seconds will not come good by itself.
_MOST_ENDS = 4
_WINDOW = 60.0
_PR_SET_PDEATHSIG = 1
_LOG_TAIL = 12


class ChildFailed(BotfleetError):
    """A child ended again and again; the text says which and shows the end of its log."""


class Child:
    """One process.

    Args:
        name: e.g. `holder`; also its log's name.
        command: what is run.
        environment: all of its environment.
        log: the file that its output is added to.
        clock: for how often it ends.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        clock: MonotonicClock = monotonic_clock,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._clock = clock
        self._ends: deque[float] = deque(maxlen=_MOST_ENDS)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def ended(self) -> bool:
        """Whether it was started and has ended."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Starts it. In a session of its own, so that a terminal's Ctrl-C reaches only `up`."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def look_after(self) -> int | None:
        """Starts it again if it has ended; returns its exit status in that case.

        Raises:
            ChildFailed: it has ended too often.
        """
        if self._process is None or (status := self._process.poll()) is None:
            return None
        now = self._clock()
        self._ends.append(now)
        if len(self._ends) == _MOST_ENDS and now - self._ends[0] < _WINDOW:
            raise ChildFailed(
                f"{self.name} ended {_MOST_ENDS} times in a row; see {self.log}:\n{self.tail()}"
            )
        self.start()
        return status

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_LOG_TAIL:])

    def restart(self, patience: float) -> None:
        """Ends it, within so many seconds, and starts it again; that is none of the ends that are counted."""
        self.end()
        self.wait(self._clock() + patience)
        self.start()

    def end(self) -> None:
        """Asks it to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Waits for its end up to a time of the clock, and then kills it with all that it started."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, until - self._clock()))
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _die_with_parent() -> None:
    # Runs between fork and exec. The signal comes when the thread that started the child ends: `up` starts
    # all its children from its main thread.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_leftovers(pids: Sequence[int], timeout: float = 5.0) -> int:
    """Ends what an earlier `up` left running when it was killed; returns how many there were.

    Only processes whose command line names botfleet are touched: a process id may have found a new owner.
    """
    left = [pid for pid in pids if "botfleet" in _command_of(pid)]
    for pid in left:
        _kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while any(_command_of(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        if _command_of(pid):
            _kill(pid, signal.SIGKILL)
    return len(left)


def _command_of(pid: int) -> str:
    """A live process's command line; empty where there is no such process."""
    found = subprocess.run(
        ["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return "" if found.startswith("Z") else found


def _kill(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
