"""Faults of Celery's libraries that end or hold up workers, mended until they are mended there.

Tested with kombu 5.7 and billiard 4.3. Both faults are races: `tests/acceptance/test_faults.py` and
`test_ends.py` show each of them in some runs only when its repair is taken out.
"""

from __future__ import annotations

from typing import Any

from billiard import pool
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as ConnectionLost

#: How often a process of a prefork pool looks, at its end and 0.1 s apart, whether its last result was read.
#: Nobody ever reads that of a task that a warm stop took back: with billiard's 300 looks one SIGTERM in ten
#: of a busy worker lasted 30 s. Such a task is done again, as it was not acknowledged.
_LAST_LOOKS = 20


class Channel(kombu_redis.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel that says what is wrong when it is used after its connection was closed.

    Tasks that run while the broker dies are acknowledged later, on a channel that is closed by then. kombu
    raises an AttributeError there, which ends the worker for good; a lost connection it takes as such.
    """

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            raise ConnectionLost("the connection to the broker was closed")
        return super()._connparams(asynchronous)


def mend() -> None:
    """Mends this process, and those that it forks."""
    kombu_redis.Transport.Channel = Channel
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = _LAST_LOOKS
