"""The handlers that are announced in the store, with how much they do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..clock import MonotonicClock, monotonic_clock
from ..handlers.declaring.classes import LISTENERS
from ..handlers.running.counters import failed_counter, late_counter, runs_counter, slow_counter
from ..model import Subscription
from ..store.base import Store

#: Fields of a subscription that say where its messages go, and not what is wanted.
_WAYS = frozenset({"task", "types", "queue", "kwargs", "bot"})
#: Seconds that a rate is the mean of.
_SPAN = 60.0
#: Seconds for which a reading is shown; also the shortest time that a rate is reckoned from.
_KEPT = 2.0


class HandlerView(msgspec.Struct, frozen=True, kw_only=True):
    """A handler that workers have announced, as people see it.

    Attributes:
        handler: its task's name.
        group: the role whose workers run it; `listeners` for what a bot's code added while it ran.
        wants: its subscription, in words.
        queue: its own queue; empty where its events' types decide.
        bots: how many bots it was added for; 0 where it is every bot's.
        runs: events whose task ended well, also where that found that there was nothing to do.
        failed: events that were given up.
        late: events that were too old.
        slow: events for which its pattern took too long.
        rate, failure_rate: of `runs` and `failed`, events a second in the last minute; None until there are
            two looks to reckon them from.
    """

    handler: str
    group: str
    wants: str
    queue: str
    bots: int
    runs: int
    failed: int
    late: int
    slow: int
    rate: float | None
    failure_rate: float | None


class _Look(msgspec.Struct, frozen=True):
    """What the counters said: runs, failures, late and slow ones by handler."""

    at: float
    counts: Mapping[str, tuple[int, int, int, int]]


class HandlerBook:
    """Reads handlers and counters, not too often. Safe to use from several threads.

    Args:
        store: of the fleet.
        monotonic: for rates.
        kept: seconds for which a reading is shown.
    """

    def __init__(
        self, store: Store, monotonic: MonotonicClock = monotonic_clock, kept: float = _KEPT
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._kept = kept
        #: Guards what follows, and is held while the store is read.
        self._lock = threading.Lock()
        self._looks = deque[_Look]()
        self._shown: list[HandlerView] = []

    def now(self) -> list[HandlerView]:
        """The handlers: those of roles first, in the order of their declaration.

        Raises:
            StoreError: the store is away.
        """
        with self._lock:
            now = self._monotonic()
            if not self._looks or now - self._looks[-1].at >= self._kept:
                self._shown = self._read(now)
            return self._shown

    def _read(self, now: float) -> list[HandlerView]:
        wanted = _by_handler(self._store.subscriptions())
        look = _Look(now, self._counts(list(dict.fromkeys(name for _, name in wanted))))
        self._looks.append(look)
        while len(self._looks) > 2 and now - self._looks[1].at >= _SPAN:
            self._looks.popleft()
        before = self._looks[0]
        return [_view(group, name, wants, before, look) for (group, name), wants in wanted.items()]

    def _counts(self, names: Sequence[str]) -> dict[str, tuple[int, int, int, int]]:
        kinds = (runs_counter, failed_counter, late_counter, slow_counter)
        found = iter(self._store.positions([of(name) for name in names for of in kinds]))
        return {name: (next(found), next(found), next(found), next(found)) for name in names}


def _by_handler(groups: Mapping[str, Iterable[Subscription]]) -> dict[tuple[str, str], list[Subscription]]:
    """Subscriptions by the group and the name of their handler; all bots' listeners are one group."""
    found: dict[tuple[str, str], list[Subscription]] = {}
    for group in sorted(groups, key=lambda group: (group.startswith(LISTENERS), group)):
        shown = LISTENERS.rstrip(":") if group.startswith(LISTENERS) else group
        for one in groups[group]:
            found.setdefault((shown, one.task), []).append(one)
    return found


def _view(group: str, name: str, wants: Sequence[Subscription], before: _Look, look: _Look) -> HandlerView:
    runs, failed, late, slow = look.counts[name]
    return HandlerView(
        handler=name,
        group=group,
        wants="; ".join(dict.fromkeys(map(in_words, wants))),
        queue=",".join(sorted({one.queue for one in wants if one.queue})),
        bots=len({one.bot for one in wants if one.bot}),
        runs=runs,
        failed=failed,
        late=late,
        slow=slow,
        rate=_rate(name, 0, before, look),
        failure_rate=_rate(name, 1, before, look),
    )


def _rate(name: str, kind: int, before: _Look, look: _Look) -> float | None:
    if look.at <= before.at or name not in before.counts:
        return None
    grown = look.counts[name][kind] - before.counts[name][kind]
    # A store that was emptied meanwhile counts from 0 again.
    return round(max(0, grown) / (look.at - before.at), 2)


def in_words(wanted: Subscription) -> str:
    """A subscription in a line: its types, and each filter that is set.

    >>> in_words(Subscription(task="t", types=("message",), addressed=True, words=("hi", "hello")))
    'message addressed words=hi,hello'
    """
    parts = [",".join(wanted.types)]
    for spec in msgspec.structs.fields(wanted):
        value: Any = getattr(wanted, spec.name)
        if spec.name in _WAYS or value == spec.default:
            continue
        parts.append(spec.name if value is True else f"{spec.name}={_in_words(value)}")
    return " ".join(parts)


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
