"""Writes to the store what the reactor's thread has to tell: the last status of each bot, and answers.

Statuses gather for a moment and go in batches; for answers somebody waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..errors import StoreError
from ..model import Answer, Status
from ..store.base import Store

logger = logging.getLogger(__name__)

#: Seconds for which statuses gather before they are written; a cold start changes each bot's twice.
_GATHER = 0.05
#: Seconds for which an answer is kept for who waits for it, or asks for it in a later try.
ANSWER_TTL = 600.0
#: Answers that wait for a store which is away, at the most; whoever waited has given up by then.
_MOST_ANSWERS = 10_000


class Reporter:
    """Keeps statuses and answers until the store has taken them.

    Args:
        store: where they go.
        may_write: whether this holder speaks for a bot; asked just before, for it may have changed.
    """

    def __init__(self, store: Store, may_write: Callable[[str], bool]) -> None:
        self._store = store
        self._may_write = may_write
        self._latest: dict[str, Status] = {}
        self._answers: dict[str, Answer] = {}
        # Guards these two; held for microseconds only.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()

    def report(self, key: str, status: Status) -> None:
        """Takes note of a bot's status; never blocks."""
        with self._lock:
            self._latest[key] = status
        self._wake.set()

    def answer(self, ticket: str, answer: Answer) -> None:
        """Takes note of what became of a message; never blocks."""
        with self._lock:
            if len(self._answers) < _MOST_ANSWERS:
                self._answers[ticket] = answer
        self._wake.set()

    def run(self) -> None:
        """Writes until `close`, and then what is left; the body of the reporter's thread."""
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            told = self._tell_answers()
            if self._latest:
                self._closing.wait(_GATHER)
            if not (self.flush() and told):
                self._closing.wait(1.0)
                self._wake.set()
        self._tell_answers()
        self.flush()

    def _tell_answers(self) -> bool:
        with self._lock:
            answers, self._answers = self._answers, {}
        try:
            self._store.put_answers(answers, ANSWER_TTL)
        except StoreError as exc:
            with self._lock:
                self._answers = {**answers, **self._answers}
            logger.warning(
                "Answers to %s messages wait for the store: %s", len(answers), exc, extra={"action": "answer"}
            )
            return False
        return True

    def flush(self) -> bool:
        """Writes the statuses there are; False where the store did not take them (they are kept)."""
        with self._lock:
            batch, self._latest = self._latest, {}
        batch = {key: status for key, status in batch.items() if self._may_write(key)}
        if not batch:
            return True
        try:
            self._store.put_statuses(batch)
        except StoreError as exc:
            with self._lock:
                self._latest = {**batch, **self._latest}
            logger.warning(
                "Statuses of %s bots wait for the store: %s", len(batch), exc, extra={"action": "report"}
            )
            return False
        return True

    def close(self) -> None:
        """Ends `run`."""
        self._closing.set()
        self._wake.set()
