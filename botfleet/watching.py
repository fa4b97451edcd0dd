"""Watching events come in: what `botfleet events --follow` and a dashboard show."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence

import msgspec

from .clock import MonotonicClock, monotonic_clock
from .model import Shown, Sighting, Watch
from .store.base import Store

#: Seconds for which holders go on when nobody renews a watch, and from one renewal to the next.
_TTL = 5.0
_RENEWAL = 1.0
#: Sightings that are remembered, to tell copies: two holders may have sockets of the same bot.
_REMEMBERED = 10_000


def follow(
    store: Store,
    *,
    teams: Sequence[str] = (),
    types: Sequence[str] = (),
    wanted: bool = False,
    text: bool = False,
    monotonic: MonotonicClock = monotonic_clock,
) -> Iterator[Shown | None]:
    """Yields what holders show of the events that come in, from now on, each event once.

    The first that a holder shows has no events: it tells that the holder has begun. Where nothing comes, None
    is yielded once a second.

    Args:
        store: of the fleet.
        teams, types: only these; all where there are none. A team is meant by its id or its bot's key.
        wanted: only what a handler wants.
        text: with envelopes, and so with what people wrote.
        monotonic: for the time of the renewals.

    Raises:
        StoreUnavailable: it may be called again.
    """
    watch = Watch(id=uuid.uuid4().hex, teams=tuple(teams), types=tuple(types), wanted=wanted, text=text)
    seen: dict[str, None] = {}
    with store.viewer(watch.id) as viewer:
        renewed = -_RENEWAL
        while True:
            if monotonic() - renewed >= _RENEWAL:
                store.watch(watch, _TTL)
                renewed = monotonic()
            shown = viewer.next(_RENEWAL)
            yield shown and _without_copies(shown, seen)


def _without_copies(shown: Shown, seen: dict[str, None]) -> Shown:
    new = tuple(sighting for sighting in shown.sightings if _is_new(sighting, seen))
    return msgspec.structs.replace(shown, sightings=new)


def _is_new(sighting: Sighting, seen: dict[str, None]) -> bool:
    if sighting.id in seen:
        return False
    seen[sighting.id] = None
    if len(seen) > _REMEMBERED:
        del seen[next(iter(seen))]
    return True


def time_of(sighting: Sighting) -> str:
    """When an event came, in the local time of day.

    >>> len(time_of(Sighting(id="", received_at=1_700_000_000.5, bot="T1", type="message")))
    12
    """
    at = time.strftime("%H:%M:%S", time.localtime(sighting.received_at))
    return f"{at}.{int(sighting.received_at * 1000) % 1000:03}"
