"""The pace at which a fleet opens sockets: turns that all its holders take from the store."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from ..clock import MonotonicClock, monotonic_clock
from ..errors import StoreError
from ..store.base import Store
from .threads import WatchedThread, Watcher

logger = logging.getLogger(__name__)

#: The pace's name in the store.
NAME = "connect"
#: Turns are so far apart that no second at Slack sees more of them than the rate says even if some come there
#: so many seconds late.
SLACK = 0.15
#: Seconds that a thread may wake late for its turn; after that it takes another one. What the slack has left
#: is for the way to Slack.
_LATE = 0.05
#: Seconds after which a store that has not answered counts as away.
_PATIENCE = 1.0
#: Seconds between two questions to a store that is away.
_ASK_AGAIN = 1.0


class Pace:
    """Gives a holder's threads their turns.

    Only a thread of its own asks the store, so that a silent one holds nothing up: while it is away, turns go
    on at the same rate, for this holder alone.

    Args:
        store: where the fleet's turns are.
        rate: turns a second in the whole fleet; 0 means no limit.
        watcher: told when the thread dies.
        clock: what turns are reckoned in.
    """

    def __init__(
        self, store: Store, rate: float, watcher: Watcher, clock: MonotonicClock = monotonic_clock
    ) -> None:
        self._store = store
        self._rate = rate / (1.0 + SLACK)
        self._clock = clock
        self._thread = WatchedThread("pace", self._run, watcher)
        self._stopping = threading.Event()
        self._questions: queue.SimpleQueue[bool] = queue.SimpleQueue()
        #: When the turn is, or why nobody knows.
        self._answers: queue.SimpleQueue[float | StoreError] = queue.SimpleQueue()
        # Held by whoever asks for the next turn; guards what follows.
        self._next = threading.Lock()
        # Whether the answer to a question is still to come.
        self._asked = False
        self._alone = False
        self._last_turn = float("-inf")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and every wait for a turn."""
        self._stopping.set()
        self._questions.put(False)

    def take(self, wanted: Callable[[], bool]) -> bool:
        """Waits for the next turn.

        Args:
            wanted: whether there still is something to do; asked before a turn is taken, and when it came.

        Returns:
            Whether it is to be done now; False also after `stop`.
        """
        while (turn := self._turn(wanted)) is not None:
            self._stopping.wait(max(0.0, turn - self._clock()))
            if self._clock() - turn <= _LATE:
                return wanted() and not self._stopping.is_set()
        return False

    # Who wants a turn

    def _turn(self, wanted: Callable[[], bool]) -> float | None:
        """When the caller's turn is; None where it is not wanted any more."""
        if self._rate == 0.0:
            return self._clock()
        with self._next:
            if self._stopping.is_set() or not wanted():
                return None
            # Also where the store gave it: a late answer must not bring two turns together.
            self._last_turn = max(self._ask(), self._last_turn + 1.0 / self._rate)
            return self._last_turn

    def _ask(self) -> float:
        """When the fleet's next turn is; now, while the store is away."""
        if not self._asked:
            self._asked = True
            self._questions.put(True)
        try:
            answer = self._answers.get(timeout=0.0 if self._alone else _PATIENCE)
        except queue.Empty:
            self._go_alone(f"no answer within {_PATIENCE:g} s")
            return self._clock()
        self._asked = False
        if isinstance(answer, StoreError):
            self._go_alone(str(answer))
            return self._clock()
        self._go_with_the_fleet()
        return answer

    def _go_alone(self, reason: str) -> None:
        if not self._alone:
            logger.warning(
                "The store is away: this holder connects up to %.3g bots a second by itself: %s",
                self._rate,
                reason,
                extra={"action": "pace.alone"},
            )
        self._alone = True

    def _go_with_the_fleet(self) -> None:
        if self._alone:
            logger.info("The store gives turns to connect again", extra={"action": "pace.fleet"})
        self._alone = False

    # The thread

    def _run(self) -> None:
        while self._questions.get():
            try:
                self._answers.put(self._clock() + self._store.reserve(NAME, self._rate))
            except StoreError as exc:
                self._answers.put(exc)
                self._stopping.wait(_ASK_AGAIN)
