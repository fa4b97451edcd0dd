"""The fleet at a glance: what the first page shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...errors import BotfleetError, StoreError
from ...model import TROUBLES, Sample, State
from ...overview import HolderView, Query, Snapshot, Team, holders_of
from ..context import WebContext
from ..pages import text_of
from .plots import SPAN, plots_of, rows_of
from .shared import Fragment

#: How many bots in trouble are listed.
_LISTED = 4
#: States in the order in which they are shown.
_ORDER: tuple[State, ...] = (
    "connected",
    "connecting",
    "rate_limited",
    "disconnected",
    "token_revoked",
    "stopped",
)
#: The width of the bar of states, and what a single bot has of it at least.
_BAR, _LEAST = 1000.0, 6.0


class Glance(NamedTuple):
    """The fleet at one moment.

    Attributes:
        total, counts: how many bots there are, and in which state.
        troubled: the bots that have been in trouble for the shortest time.
        holders: those that are alive.
        queues: messages that wait, by queue; None where the broker does not answer.
        samples: of the last hour.
        needs_holder: whether some bot has a socket, or there is no bot yet.
    """

    total: int
    counts: Mapping[State, int]
    troubled: Sequence[Team]
    holders: Sequence[HolderView]
    queues: Mapping[str, int] | None
    samples: Sequence[Sample]
    needs_holder: bool

    @property
    def rate(self) -> float:
        """Events a second, read from sockets."""
        return sum(one.rate for one in self.holders)

    @property
    def waiting(self) -> int:
        """Messages in all queues."""
        return sum((self.queues or {}).values())

    @property
    def failed(self) -> int:
        """Events that handlers gave up, in the last hour."""
        return max(0, self.samples[-1].failed - self.samples[0].failed) if self.samples else 0

    @property
    def troubles(self) -> int:
        """How many bots are in trouble."""
        return sum(self.counts[state] for state in TROUBLES)


class Part(NamedTuple):
    """A state's part of the bar of all bots, in the bar's own units."""

    state: State
    start: float
    width: float


def look(context: WebContext) -> Glance:
    """Looks at the fleet. Blocks.

    Raises:
        StoreError: the store is away.
    """
    store, snapshot = context.fleet.store, context.census.now()
    return Glance(
        total=snapshot.total,
        counts={state: snapshot.counts[state] for state in _ORDER},
        troubled=_troubled(snapshot),
        holders=holders_of(store),
        queues=_depths(context),
        samples=store.samples(context.clock() - SPAN),
        needs_holder=not snapshot.total or any(one.transport != "http" for one in snapshot.teams.values()),
    )


def fragment_of(context: WebContext) -> Fragment:
    """The page's living part. Blocks."""
    seen = look(context)
    text = text_of(
        "dashboard/glance.html",
        seen=seen,
        parts=parts_of(seen.counts),
        plots=plots_of(seen.samples),
        rows=rows_of(seen.samples),
        installable=bool(context.settings.installable_apps),
    )
    return Fragment("glance", "/dashboard/glance", text)


def parts_of(counts: Mapping[State, int]) -> list[Part]:
    """The bar of all bots: a part for each state that some are in, wide enough to be seen.

    >>> [(part.state, part.width) for part in parts_of({"connected": 1, "stopped": 3})]
    [('connected', 250.0), ('stopped', 750.0)]
    """
    shown = {state: counts[state] for state in _ORDER if counts.get(state)}
    total = sum(shown.values())
    widths = {state: max(_LEAST, _BAR * count / total) for state, count in shown.items()}
    scale = _BAR / sum(widths.values()) if widths else 1.0
    parts, start = [], 0.0
    for state, width in widths.items():
        parts.append(Part(state, round(start, 1), round(width * scale, 1)))
        start += width * scale
    return parts


def _troubled(snapshot: Snapshot) -> Sequence[Team]:
    if not any(snapshot.counts[state] for state in TROUBLES):
        return ()
    return snapshot.page(Query(statuses=TROUBLES, sort="-since", limit=_LISTED)).teams


def _depths(context: WebContext) -> Mapping[str, int] | None:
    try:
        return context.depths()
    except StoreError:
        raise
    except BotfleetError:
        return None
