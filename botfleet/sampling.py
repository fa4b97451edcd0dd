"""Samples: how the fleet is, now; beat has one taken every `SAMPLE_EVERY` seconds.

What a sample costs grows with the shards, the handlers and the holders, and not with the bots: how many are
in which state, reconciliation has counted as it went round.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from .clock import Clock, wall_clock
from .errors import BotfleetError
from .handlers.running.counters import failed_counter, late_counter, retried_counter, runs_counter
from .model import Sample
from .publishing.router import EVENT_QUEUES
from .store.base import Store

logger = logging.getLogger(__name__)

#: Beat's task that takes a sample.
SAMPLE_TASK = "botfleet.sample"
#: The store's counter (`Store.advance`) of what came by HTTP.
HTTP_COUNTER = "gateway:received"
#: What is counted of each handler and timer.
COUNTERS = (runs_counter, failed_counter, late_counter, retried_counter)


class QueueDepths(Protocol):
    """Looks into the broker's queues, as `depths.Depths` does."""

    def read(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each queue."""

    def unacked(self) -> int | None:
        """How many messages workers have fetched and not yet done."""


class Sampler:
    """Takes samples.

    Args:
        store: of the fleet.
        depths: of the broker.
        queues: those that are looked into beside the events' own.
        clock: says when a sample was taken.
    """

    def __init__(
        self, store: Store, depths: QueueDepths, queues: Sequence[str] = (), clock: Clock = wall_clock
    ) -> None:
        self._store = store
        self._depths = depths
        self._queues = queues
        self._clock = clock

    def take(self) -> Sample:
        """Takes a sample and keeps it in the store.

        Raises:
            StoreUnavailable: the store is away; the next one will do.
        """
        wanted = [one for group in self._store.subscriptions().values() for one in group]
        handlers = sorted({one.task for one in wanted})
        runs, failed, late, retries = handler_totals(self._store, handlers)
        holders = self._store.holders()
        queues, unacked = self._look_into(queue_names(self._store, self._queues))
        (http,), now = self._store.positions([HTTP_COUNTER]), self._clock()
        sample = Sample(
            at=now,
            bots=self._store.state_counts(),
            holders=len(holders),
            rate=round(sum(one.rate for one in holders) + self._http_rate(http, now), 1),
            http=http,
            events=sum(one.events for one in holders),
            published=sum(one.published for one in holders),
            dropped=sum(one.dropped for one in holders),
            unsent=sum(one.unsent for one in holders),
            queues=queues,
            unacked=unacked,
            runs=sum(runs.values()),
            failed=sum(failed.values()),
            late=sum(late.values()),
            retries=sum(retries.values()),
        )
        self._store.put_sample(sample)
        return sample

    def _http_rate(self, http: int, now: float) -> float:
        """Events a second that came by HTTP since the last sample."""
        last = self._store.last_sample()
        if last is None or last.at >= now:
            return 0.0
        # Less than before: the store was emptied.
        return max(0, http - last.http) / (now - last.at)

    def _look_into(self, queues: Sequence[str]) -> tuple[dict[str, int], int | None]:
        try:
            return self._depths.read(queues), self._depths.unacked()
        except BotfleetError as exc:
            logger.warning("A sample has no depths of queues: %s", exc, extra={"action": "sample"})
            return {}, None


def queue_names(store: Store, further: Sequence[str] = ()) -> list[str]:
    """The queues that a fleet has: those of events, of its handlers, of its timers, and some further ones."""
    named = {one.queue for group in store.subscriptions().values() for one in group}
    named |= {one.queue for one in store.timetable().schedules.values()}
    return list(dict.fromkeys([*further, *EVENT_QUEUES, *sorted(named - {""})]))


def handler_totals(store: Store, tasks: Sequence[str]) -> list[dict[str, int]]:
    """What is counted of handlers or timers since the store was made, by task; for each of `COUNTERS`."""
    positions = store.positions([counter(task) for counter in COUNTERS for task in tasks])
    parts = [positions[start : start + len(tasks)] for start in range(0, len(positions), max(1, len(tasks)))]
    return [dict(zip(tasks, part, strict=True)) for part in parts] or [{} for _ in COUNTERS]
