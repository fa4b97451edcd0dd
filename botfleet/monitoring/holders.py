"""What a holder tells of itself, in figures: on its own port, and for all holders on the web role's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from prometheus_client.core import Metric

from ..model import HolderInfo
from .families import Values, counters, gauges


class _Figure(NamedTuple):
    """A field of `HolderInfo`, and what it says."""

    field: str
    text: str


_GAUGES = (
    _Figure("shards", "Shards that the holder has a part in."),
    _Figure("led", "Shards that the holder leads."),
    _Figure("bots", "Bots that the holder has, connected or not."),
    _Figure("connected", "Bots whose connection is open."),
    _Figure("left_out", "Bots that are not connected because the holder is full."),
    _Figure("unsent", "Events that wait to be published."),
    _Figure("standby", "1 while the holder stands by without a shard."),
    _Figure("draining", "1 while the holder gives its shards away."),
)
_COUNTERS = (
    _Figure("events", "Events read from sockets."),
    _Figure("published", "Events published as tasks."),
    _Figure("copies", "Events left out because they were published already, by this holder or another."),
    _Figure("dropped", "Events lost: no room while the broker was away, or too old to tell their copies."),
    _Figure("malformed", "Frames that could not be read."),
)


class HolderMetrics:
    """What this process's holder tells of itself.

    Args:
        info: asks it.
    """

    def __init__(self, info: Callable[[], HolderInfo]) -> None:
        self._info = info

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now."""
        # What it publishes, `PublisherMetrics` tells.
        return holder_families("botfleet_holder", [self._info()], by_holder=False, counted=_COUNTERS[-1:])


def holder_families(
    prefix: str,
    holders: Sequence[HolderInfo],
    by_holder: bool = True,
    counted: Sequence[_Figure] = _COUNTERS,
) -> Iterable[Metric]:
    """Metrics of some holders.

    Args:
        prefix: what their names begin with.
        holders: what they say.
        by_holder: whether a label names the holder.
        counted: which counters there are, beside that of reconnects.
    """
    label = ("holder",) if by_holder else ()

    def values(field: str) -> Values:
        return [((one.name,) if by_holder else (), float(getattr(one, field))) for one in holders]

    for field, text in _GAUGES:
        yield gauges(f"{prefix}_{field}", text, label, values(field))
    for field, text in counted:
        yield counters(f"{prefix}_{field}_total", text, label, values(field))
    reconnects = [
        ((one.name, reason) if by_holder else (reason,), times)
        for one in holders
        for reason, times in one.reconnects.items()
    ]
    text = "Connections opened anew, by reason."
    yield counters(f"{prefix}_reconnects_total", text, (*label, "reason"), reconnects)
