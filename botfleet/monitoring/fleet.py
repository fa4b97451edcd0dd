"""The whole fleet in figures, from what the store knows: for the web role's `/metrics`.

What it costs grows with the holders, the handlers and the queues, and not with the bots, whose numbers are
those of the last sample. Names begin with `botfleet_fleet_`: each web process shows the same, and what a
process tells of itself has other names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import Metric

from ..errors import StoreError
from ..handlers.sending.counting import RESULTS, VIAS, sends_counter
from ..model import STATES, Sample
from ..sampling import HTTP_COUNTER, handler_totals
from ..store.base import Store
from .families import counter, counters, gauge, gauges
from .holders import holder_families

#: What is counted of handlers and of timers, in the order of `sampling.COUNTERS`.
_OF_HANDLERS: Mapping[str, str] = {
    "runs": "Events whose task ended well.",
    "failed": "Events that were given up.",
    "late": "Events that were too old.",
    "retries": "Runs that failed and were tried again.",
}
_OF_TIMERS: Mapping[str, str] = {
    "runs": "Runs of a timer that ended well.",
    "failed": "Runs of a timer that were given up.",
    "late": "",
    "retries": "Runs of a timer that failed and were tried again.",
}


class FleetMetrics:
    """What the store knows of the fleet.

    Args:
        store: of the fleet.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now; of a store that is away, only that it is."""
        try:
            found = list(self._families())
        except StoreError:
            found = []
        up = "1 where the store answered; without it there is nothing else of the fleet."
        return [gauge("botfleet_fleet_up", up, float(bool(found))), *found]

    def _families(self) -> Iterator[Metric]:
        sample = self._store.last_sample()
        if sample is not None:
            yield from _of_sample(sample)
        holders = self._store.holders()
        yield gauge("botfleet_fleet_holders", "Holders that live, those on standby included.", len(holders))
        yield from holder_families("botfleet_fleet_holder", holders)
        wanted = {one.task for group in self._store.subscriptions().values() for one in group}
        yield from self._of_tasks("handler", _OF_HANDLERS, sorted(wanted))
        yield from self._of_tasks("timer", _OF_TIMERS, sorted(self._store.timetable().schedules))
        yield self._sends()
        text = "Events, slash commands and interactive payloads that came by HTTP."
        yield counter("botfleet_fleet_http_events_total", text, *self._store.positions([HTTP_COUNTER]))

    def _of_tasks(self, kind: str, texts: Mapping[str, str], names: list[str]) -> Iterator[Metric]:
        totals = handler_totals(self._store, names)
        for (figure, text), counted in zip(texts.items(), totals, strict=True):
            values = [((name,), times) for name, times in counted.items()]
            if text:
                yield counters(f"botfleet_fleet_{kind}_{figure}_total", text, (kind,), values)

    def _sends(self) -> Metric:
        names = [(via, result) for via in VIAS for result in RESULTS]
        found = self._store.positions([sends_counter(*name) for name in names])
        values = [(name, times) for name, times in zip(names, found, strict=True) if times]
        text = "What handlers sent to Slack, by way and result."
        return counters("botfleet_fleet_sends_total", text, ("via", "result"), values)


def _of_sample(sample: Sample) -> Iterator[Metric]:
    text = "When the last sample was taken, unix seconds; the numbers of bots and messages are of then."
    yield gauge("botfleet_fleet_sampled_timestamp_seconds", text, sample.at)
    bots = [((state,), sample.bots.get(state, 0)) for state in STATES]
    yield gauges("botfleet_fleet_bots", "Bots by state.", ("state",), bots)
    queues = [((queue,), depth) for queue, depth in sample.queues.items()]
    yield gauges("botfleet_fleet_queue_messages", "Messages that wait, by queue.", ("queue",), queues)
    if sample.unacked is not None:
        text = "Messages that workers have fetched and not yet done."
        yield gauge("botfleet_fleet_unacked_messages", text, sample.unacked)
