"""The publisher: takes events from the reactor without ever blocking it, and pushes them in batches.

Its thread pushes what has gathered while the last push was under way, so that a quiet fleet has no delay
and a busy one large batches. While the broker is away events wait in memory, in order, up to a bound in
bytes; what comes past it is dropped, counted and logged.

Events wait in a lane for each bot, those for batch handlers too: bundles are made of what has had its turn,
so that no bot's flood stands before the events of the others.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..clock import Clock, MonotonicClock, monotonic_clock, wall_clock
from ..errors import PublishError, PushedInPart
from ..model import Subscription
from ..slack.backoff import Backoff
from ..slack.envelope import Identifier, Origin, wrap
from ..slack.frames import Frame
from .gathering import Gathering
from .lag import Lag
from .lanes import Lanes, count
from .outgoing import Bundle, Outgoing
from .router import Router, queue_for
from .wake_ups import lane_of

logger = logging.getLogger(__name__)

#: Work in one push, in messages of one event, and what its messages may weigh together before base64, bytes.
#: While the broker does it, which takes some 5 ms, everybody else waits.
BATCH_WORK = 500
BATCH_BYTES = 2 * 2**20
#: Seconds until the next look, while nobody knows whose the events are that wait.
_UNSURE = 0.2
#: Seconds after which the thread looks whether it is to end.
_LOOK = 1.0


#: Sees an event that passes: its id, and how many handlers want it.
Tap = Callable[[Origin, Frame, bytes, str, int], None]


class Sink(ABC):
    """Where messages go: a broker."""

    @abstractmethod
    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        """Puts the messages of all events into their queues, in order.

        Safe to call again with the same batch after an error: what was there already is left out.

        Returns:
            How many events were new; one in a bundle counts like one by itself.

        Raises:
            PushedInPart: all but what another process publishes just now, and what follows it in its lane.
            PublishError: the broker does not take them now.
        """

    def close(self) -> None:  # noqa: B027 (most sinks hold nothing)
        """Lets go of connections."""


@dataclass
class Counters:
    """What a publisher has seen since it was made; written by its two threads, each its own fields."""

    #: Offered by the reactor, and wanted by at least one handler.
    events: int = 0
    wanted: int = 0
    dropped: int = 0
    #: Pushed, and left out as copies.
    published: int = 0
    copies: int = 0


class Publisher:
    """Turns events into messages.

    Args:
        sink: the broker.
        buffer: bytes of events that may wait in memory.
        clock: the time that becomes `received_at`.
        monotonic: for the time that batches linger.
        may_publish_unmarked: whether this process is the one that publishes those events of a bot (by its
            key) which carry no time of their own, so that nothing tells their copies.
        stale_after: seconds after which an event that waits for the broker is published only if it `is_ours`:
            the marks may be gone that tell it from what others have published.
        is_ours: whether a bot (by its key) is this process's alone to publish; None while that is not known.
    """

    def __init__(
        self,
        sink: Sink,
        buffer: int,
        clock: Clock = wall_clock,
        monotonic: MonotonicClock = monotonic_clock,
        may_publish_unmarked: Callable[[str], bool] = lambda key: True,
        stale_after: float = math.inf,
        is_ours: Callable[[str], bool | None] = lambda key: True,
    ) -> None:
        self._may_publish_unmarked = may_publish_unmarked
        self._stale_after = stale_after
        self._is_ours = is_ours
        # Events had to wait for the broker: some may be stale.
        self._behind = False
        self.counters = Counters()
        self.lag = Lag()
        self.router = Router()
        #: While somebody watches what comes in.
        self.tap: Tap | None = None
        self._sink = sink
        self._buffer = buffer
        self._clock = clock
        self._identifier = Identifier()
        self._waiting = Lanes(monotonic)
        # Taken from the lanes and not yet known to be pushed; only the thread changes it.
        self._batch: list[Outgoing | Bundle] = []
        self._gathering = Gathering(monotonic)
        # Bundles that are full, or have lingered enough.
        self._ready: deque[Bundle] = deque()
        self._weight = 0
        # Guards _waiting, _gathering, _ready and _weight together; held for microseconds only.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        # Nothing lingers any more: somebody waits for the end.
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._alarmed = False

    @property
    def unsent(self) -> int:
        """Events that wait to be pushed; once for single handlers, and once for each batch or ordered one."""
        with self._lock:
            return len(self._waiting) + len(self._gathering) + count(self._ready) + count(self._batch)

    def passes_over(self, kind: bytes) -> bool:
        """Whether nobody wants events of this type; then one is counted, and need not be offered."""
        if self.tap is not None or not self.router.ignores(kind):
            return False
        self.counters.events += 1
        return True

    def publish(self, origin: Origin, frame: Frame, raw: bytes) -> None:
        """Offers an event; returns at once, whether anybody wants it or not."""
        self.counters.events += 1
        subscriptions = self.router.match(origin, frame)
        wanted = subscriptions and (frame.time or self._may_publish_unmarked(origin.key))
        if wanted or self.tap is not None:
            event_id = self._identifier.identify(origin, frame)
            if (tap := self.tap) is not None:
                tap(origin, frame, raw, event_id, len(subscriptions))
            if wanted:
                self._offer(origin, frame, raw, event_id, subscriptions)

    def publish_own(self, origin: Origin, frame: Frame, raw: bytes, event_id: str) -> None:
        """Offers an event that botfleet itself made, under an id that tells its copies."""
        subscriptions = self.router.match(origin, frame)
        if (tap := self.tap) is not None:
            tap(origin, frame, raw, event_id, len(subscriptions))
        if subscriptions:
            self._offer(origin, frame, raw, event_id, subscriptions)

    def run(self) -> None:
        """Pushes until `close`; the body of the publisher's thread."""
        backoff = Backoff(0.05, 1.0)
        while True:
            self._take()
            if self._batch:
                self._push(backoff)
            elif self._closing.is_set() and not self.unsent:
                return

    def flush(self, timeout: float) -> bool:
        """Waits until everything is pushed; False when that took longer than `timeout` seconds."""
        self._hurry.set()
        self._wake.set()
        return self._idle.wait(timeout)

    def close(self) -> None:
        """Ends `run`; what still waits is given up and counted as dropped."""
        self._hurry.set()
        self._closing.set()
        self._wake.set()

    # The reactor's side

    def _offer(
        self,
        origin: Origin,
        frame: Frame,
        raw: bytes,
        event_id: str,
        subscriptions: list[Subscription],
    ) -> None:
        received_at = self._clock()
        envelope = wrap(event_id, origin, frame, raw, received_at)
        event = Outgoing(event_id, envelope, received_at, queue_for(frame), subscriptions, origin.key)
        self.counters.wanted += 1
        with self._lock:
            room = self._weight + event.weight <= self._buffer
            if room:
                self._weight += event.weight
                if self.router.divides:
                    self._divide(event, frame)
                else:
                    self._waiting.put(event.lane, event)
                self._idle.clear()
        if not room:
            self._drop(event)
        elif not self._wake.is_set():
            self._wake.set()

    def _divide(self, event: Outgoing, frame: Frame) -> None:
        """Puts an event into its lane: for single handlers, and each batch or ordered one. Needs the lock."""
        parts = divide(event, frame)
        for part in parts:
            self._waiting.put(event.lane, part)
        self._weight += event.weight * (len(parts) - 1)

    def _drop(self, event: Outgoing) -> None:
        self.counters.dropped += 1
        if not self._alarmed:
            self._alarmed = True
            logger.error(
                "Dropping events: %s wait for the broker and fill the buffer of %s bytes (first: %s)",
                self.unsent,
                self._buffer,
                event.id,
                extra={"action": "publish.drop"},
            )

    # The thread's side

    def _take(self) -> None:
        """Waits for events and makes a batch of them; nothing, where one is still to be pushed."""
        if self._batch:
            return
        patience = self._patience()
        if patience:
            self._wake.wait(patience)
        self._wake.clear()
        with self._lock:
            self._batch = self._make_batch()

    def _patience(self) -> float:
        """Seconds to wait for something new."""
        with self._lock:
            dues = [self._waiting.due(), self._gathering.due()]
            if self._ready or (self._hurry.is_set() and len(self._gathering)):
                return 0.0
        if dues[0] is None and self._closing.is_set():
            return 0.0
        return min((due for due in dues if due is not None), default=_LOOK)

    def _make_batch(self) -> list[Outgoing | Bundle]:
        """Makes a batch of bundles and of events that wait; each may have half of it. Needs the lock."""
        batch: list[Outgoing | Bundle] = [*self._take_bundles(BATCH_WORK // 2, BATCH_BYTES // 2)]
        work = max(BATCH_WORK - sum(unit.work for unit in batch), BATCH_WORK // 2)
        size = max(BATCH_BYTES - sum(unit.size for unit in batch), BATCH_BYTES // 2)
        for unit in self._waiting.take(work, size):
            if isinstance(unit, Bundle):
                self._ready.append(unit)
            elif not unit.subscriptions[0].batch:
                batch.append(unit)
            elif (finished := self._gathering.add(unit)) is not None:
                self._ready.append(finished)
        self._ready.extend(self._gathering.take(self._hurry.is_set()))
        if self._ready:
            work = BATCH_WORK - sum(unit.work for unit in batch)
            batch += self._take_bundles(work, BATCH_BYTES - sum(unit.size for unit in batch))
        return batch

    def _take_bundles(self, work: int, size: int) -> list[Bundle]:
        """Takes finished bundles: about so much work, and so many bytes. Needs the lock."""
        taken: list[Bundle] = []
        while self._ready and work > 0 and size > 0:
            bundle = self._ready.popleft()
            taken.append(bundle)
            work -= bundle.work
            size -= bundle.size
        return taken

    def _drop_stale(self) -> bool:
        """Takes out of the batch what others have published long ago; False where nobody knows that yet."""
        if not self._behind:
            return True
        before = self._clock() - self._stale_after
        old = {event.lane for event in _events(self._batch) if event.received_at < before}
        ours = {lane: self._is_ours(lane) for lane in old}
        if None in ours.values():
            return False
        self._behind = bool(old)
        stale = {lane for lane, own in ours.items() if not own}
        if stale:
            self._leave_out(lambda event: event.lane in stale and event.received_at < before)
        return True

    def _leave_out(self, is_stale: Callable[[Outgoing], bool]) -> None:
        kept: list[Outgoing | Bundle] = []
        for unit in self._batch:
            events = [event for event in _events([unit]) if not is_stale(event)]
            if isinstance(unit, Bundle):
                kept += [unit._replace(events=tuple(events))] if events else []
            else:
                kept += events
        lost = count(self._batch) - count(kept)
        self.counters.dropped += lost
        logger.error(
            "Dropped %s events that waited for the broker for more than %.0f s: their bots are others' now, "
            "and copies so late can't be told",
            lost,
            self._stale_after,
            extra={"action": "publish.stale"},
        )
        with self._lock:
            self._weight -= sum(unit.weight for unit in self._batch) - sum(unit.weight for unit in kept)
        self._batch = kept

    def _push(self, backoff: Backoff) -> None:
        if not self._drop_stale():
            if self._closing.wait(_UNSURE):
                self._give_up()
            return
        if not self._batch:
            self._forget()
            return
        left: Sequence[Outgoing | Bundle] = ()
        pause = 0.0
        try:
            new = self._sink.push(self._batch)
        except PushedInPart as exc:
            new, left, pause = exc.new, exc.left, exc.retry_after or 0.0
        except PublishError as exc:
            self._wait_for_broker(exc, backoff)
            return
        backoff.reset()
        self.counters.published += new
        self.counters.copies += count(self._batch) - count(left) - new
        if not left:
            self.lag.note(self._batch, self._clock())
        self._forget(left, pause)
        # Half empty, not just one batch less: a broker that is too slow is one alarm, not one a second.
        if self._alarmed and self._weight <= self._buffer // 2:
            logger.warning(
                "There is room for events again; %s were dropped since the start",
                self.counters.dropped,
                extra={"action": "publish.resume"},
            )
            self._alarmed = False

    def _wait_for_broker(self, exc: PublishError, backoff: Backoff) -> None:
        self._behind = True
        delay = backoff.next()
        logger.warning(
            "The broker does not take events (%s); %s wait, trying again in %.1f s",
            exc,
            self.unsent,
            delay,
            extra={"action": "publish.retry"},
        )
        if self._closing.wait(delay):
            self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            bundles = [*self._ready, *self._gathering.take(all_of_them=True)]
            self._batch += [*bundles, *self._waiting.take(sys.maxsize, sys.maxsize, all_of_them=True)]
            self._ready.clear()
        lost = count(self._batch)
        self.counters.dropped += lost
        logger.error(
            "Shut down with %s events that the broker did not take", lost, extra={"action": "publish.lost"}
        )
        self._forget()

    def _forget(self, left: Sequence[Outgoing | Bundle] = (), pause: float = 0.0) -> None:
        """Lets go of the batch, but for what is left of it: that is to be pushed again after the pause."""
        with self._lock:
            self._weight -= sum(unit.weight for unit in self._batch) - sum(unit.weight for unit in left)
            self._waiting.give_back(left, pause)
            self._batch = []
            if not (self._waiting or self._gathering or self._ready):
                self._idle.set()


def _events(units: Iterable[Outgoing | Bundle]) -> Iterator[Outgoing]:
    for unit in units:
        yield from unit.events if isinstance(unit, Bundle) else (unit,)


def divide(event: Outgoing, frame: Frame) -> list[Outgoing]:
    """An event's parts: one for all single handlers, and one for each batch or ordered one."""
    parts = [
        event._replace(subscriptions=[wanted], ordered_lane=lane_of(wanted, event.lane, frame))
        for wanted in event.subscriptions
        if wanted.batch or wanted.ordered
    ]
    single = [wanted for wanted in event.subscriptions if not (wanted.batch or wanted.ordered)]
    return [event._replace(subscriptions=single), *parts] if single else parts
