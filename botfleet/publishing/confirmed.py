"""A publisher for those who must know: it returns when the broker has the event, or says that it has not.

Its thread pushes what has gathered while the last push was under way, as that of `publisher.Publisher` does.
Nothing waits in memory beyond that: whoever sent the event is told that it was not taken, and sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
from collections.abc import Sequence

from ..clock import Clock, MonotonicClock, monotonic_clock, wall_clock
from ..errors import PublishError, PushedInPart
from ..slack.envelope import Origin, wrap
from ..slack.frames import Frame
from ..store.base import Store
from .deadlines import Deadlines
from .gathering import Gathering
from .lag import Lag
from .lanes import count
from .outgoing import Bundle, Outgoing
from .publisher import BATCH_BYTES, BATCH_WORK, Counters, Sink, Tap, divide
from .router import Router, queue_for, wanted_by

logger = logging.getLogger(__name__)

#: Seconds until a push that has not ended counts as failed: Slack waits for three.
PATIENCE = 2.0
#: Seconds within which a failed push is worth a second try: a connection that the broker closed meanwhile.
_AT_ONCE = 1.0
#: One event on its way, in parts, and what whoever waits for it waits for.
_Waiting = tuple[Sequence[Outgoing], asyncio.Future[None]]


class ConfirmedPublisher:
    """Turns events into messages, and says when the broker has them. For coroutines of any loop.

    Args:
        sink: the broker.
        store: where handlers say what they want; asked by `look`.
        buffer: bytes of events that may wait for the push that is under way.
        patience: seconds for which an event may wait.
        clock: the time that becomes `received_at`.
        monotonic: for the time that a push takes.

    Attributes:
        counters: what came, and what became of it.
        lag: of the events that the broker has.
        router: by which events find their handlers; None as long as it is not known what they want.
        tap: while somebody watches what comes in.
    """

    def __init__(
        self,
        sink: Sink,
        store: Store,
        buffer: int = 64 * 2**20,
        patience: float = PATIENCE,
        clock: Clock = wall_clock,
        monotonic: MonotonicClock = monotonic_clock,
    ) -> None:
        self.counters = Counters()
        self.lag = Lag()
        self.router: Router | None = None
        self.tap: Tap | None = None
        self._sink = sink
        self._store = store
        self._buffer = buffer
        self._deadlines = Deadlines[asyncio.Future[None]](patience, _give_up)
        self._clock = clock
        self._monotonic = monotonic
        # What waits for the thread; None asks it to end.
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        # Bytes of the envelopes that wait.
        self._weight = 0
        self._closing = False
        self._failing = False
        # The version of the subscriptions that `router` is made of.
        self._version = 0
        self._emptied = False

    async def publish(self, origin: Origin, frame: Frame, raw: bytes, event_id: str) -> bool:
        """Publishes an event; returns when the broker has it, or had it already.

        Returns:
            Whether any handler wants it; where none does, nothing is published.

        Raises:
            PublishError: the broker did not take it in time. It may have it nevertheless; published once more
                with the same id, it is told from its copy.
        """
        if (router := self.router) is None:
            raise PublishError("nobody knows yet what the handlers want: the store is away")
        self.counters.events += 1
        subscriptions = router.match(origin, frame)
        if self.tap is not None:
            self.tap(origin, frame, raw, event_id, len(subscriptions))
        if not subscriptions:
            return False
        now = self._clock()
        envelope = wrap(event_id, origin, frame, raw, now)
        event = Outgoing(event_id, envelope, now, queue_for(frame), subscriptions, origin.key)
        parts = divide(event, frame) if router.divides else (event,)
        self.counters.wanted += 1
        weight = len(envelope)
        if self._closing or self._weight + weight > self._buffer:
            self.counters.dropped += 1
            raise PublishError("shutting down" if self._closing else "too many events wait for the broker")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._deadlines.begin(loop, future)
        self._weight += weight
        self._queue.put((parts, future))
        try:
            await future
        except BaseException:
            self.counters.dropped += 1
            raise
        finally:
            self._weight -= weight
        return True

    def look(self) -> None:
        """Takes over what handlers want, where that has changed; to be called again and again by one thread.

        Raises:
            StoreUnavailable: what they wanted last holds.
        """
        version = self._store.subscriptions_version()
        if version == 0 and self._version > 0:
            # The store was emptied: until the handlers speak again, what they said last holds.
            self._emptied = True
        elif self.router is None or version != self._version or self._emptied:
            self.router = Router(wanted_by(self._store.subscriptions()))
            self._version, self._emptied = version, False

    def run(self) -> None:
        """Pushes until `close`; the body of the publisher's thread."""
        while (batch := self._take()) is not None:
            if batch:
                self._push(batch)

    def close(self) -> None:
        """Ends `run`, after what waits now."""
        self._closing = True
        self._queue.put(None)

    # The thread's side

    def _take(self) -> list[_Waiting] | None:
        """Waits for events and takes about so many as one push is good for; None at the end."""
        batch: list[_Waiting] = []
        work, size = BATCH_WORK, BATCH_BYTES
        waiting = self._queue.get()
        while waiting is not None:
            # Nobody waits for it any more: it was refused, and comes again.
            parts, future = waiting
            if not future.done():
                batch.append(waiting)
                for part in parts:
                    work -= part.work
                    size -= part.size
            if work <= 0 or size <= 0:
                return batch
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._queue.put(None)
        return batch or None

    def _push(self, batch: list[_Waiting]) -> None:
        units = _units_of(batch)
        left: Sequence[Outgoing | Bundle] = ()
        try:
            new = self._try(units)
        except PushedInPart as exc:
            new, left = exc.new, exc.left
        except PublishError as exc:
            self._say(exc)
            _settle(batch, exc)
            return
        self._say(None)
        self.counters.published += new
        self.counters.copies += count(units) - count(left) - new
        if missing := _ids(left):
            others = [waiting for waiting in batch if waiting[0][0].id in missing]
            batch = [waiting for waiting in batch if waiting[0][0].id not in missing]
            _settle(others, PublishError("another process publishes it just now"))
        _settle(batch, None)
        now = self._clock()
        for parts, _ in batch:
            self.lag.add(now - parts[0].received_at)

    def _try(self, units: Sequence[Outgoing | Bundle]) -> int:
        """Pushes, a second time where the first failed at once."""
        began = self._monotonic()
        try:
            return self._sink.push(units)
        except PushedInPart:
            raise
        except PublishError:
            if self._monotonic() - began > _AT_ONCE:
                raise
        return self._sink.push(units)

    def _say(self, failure: PublishError | None) -> None:
        """Logs that the broker does not take events, and that it does again, once each."""
        if failure is not None and not self._failing:
            logger.warning(
                "The broker does not take events (%s): they are refused",
                failure,
                extra={"action": "publish.refuse"},
            )
        elif failure is None and self._failing:
            logger.warning("The broker takes events again", extra={"action": "publish.resume"})
        self._failing = failure is not None


def _give_up(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(PublishError("the broker did not take it in time"))


def _units_of(batch: Sequence[_Waiting]) -> list[Outgoing | Bundle]:
    """What is pushed: parts for batch handlers in bundles, which linger for nobody."""
    units: list[Outgoing | Bundle] = []
    gathering = Gathering()
    for parts, _ in batch:
        for part in parts:
            if not part.subscriptions[0].batch:
                units.append(part)
            elif (finished := gathering.add(part)) is not None:
                units.append(finished)
    return [*units, *gathering.take(all_of_them=True)]


def _ids(units: Sequence[Outgoing | Bundle]) -> frozenset[str]:
    """The ids of the events in some units."""
    events = (unit.events if isinstance(unit, Bundle) else (unit,) for unit in units)
    return frozenset(event.id for some in events for event in some)


def _settle(batch: Sequence[_Waiting], failure: PublishError | None) -> None:
    """Tells those who wait, in their loops."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, future in batch:
        by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, futures in by_loop.items():
        # Closed: nobody waits there any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, futures, failure)


def _resolve(futures: Sequence[asyncio.Future[None]], failure: PublishError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(PublishError(str(failure)))
