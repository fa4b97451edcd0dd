"""A publisher for those who must know: it returns when the broker has the event, or says that it has not.

Its thread pushes what has gathered while the last push was under way, as that of `publisher.Publisher` does.
In one turn of the loop, what comes shares its way there, and what is waited for: for each event by itself,
these would cost more than all else.
Nothing waits in memory beyond that: whoever sent the event is told that it was not taken, and sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import queue
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from ..clock import Clock, MonotonicClock, monotonic_clock, wall_clock
from ..errors import PublishError, PushedInPart
from ..slack.envelope import Origin, wrap
from ..slack.frames import Frame
from ..store.base import Store
from .announced import Announced
from .deadlines import Deadlines
from .gathering import Gathering
from .lag import Lag
from .lanes import count
from .outgoing import Bundle, Outgoing
from .publisher import BATCH_BYTES, BATCH_WORK, Counters, Sink, Tap, divide
from .router import Router, queue_for

logger = logging.getLogger(__name__)

#: Seconds until a push that has not ended counts as failed: Slack waits for three.
PATIENCE = 2.0
#: Seconds within which a failed push is worth a second try: a connection that the broker closed meanwhile.
_AT_ONCE = 1.0


class _Failure(NamedTuple):
    """Why events were not taken.

    Attributes:
        reason: for people.
        ids: of these events; None where it is all that came together.
    """

    reason: str
    ids: frozenset[str] | None = None


class _Turn:
    """Events that came in one turn of a loop, in parts.

    Attributes:
        loop: theirs.
        outcome: what those who gave them wait for, all of them.
        count: of the events.
        work: messages that they make.
        size: bytes that these carry.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.outcome: asyncio.Future[_Failure | None] = loop.create_future()
        self.parts: list[Outgoing] = []
        self.count = self.work = self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether they are half of what one push is good for, so that none gets much more."""
        return self.work >= BATCH_WORK // 2 or self.size >= BATCH_BYTES // 2

    def add(self, event: Outgoing, parts: Sequence[Outgoing]) -> None:
        """Adds an event."""
        self.parts += parts
        self.count += 1
        handlers = len(event.subscriptions)
        self.work += handlers
        self.size += handlers * len(event.envelope)


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
        self._announced = Announced(store)
        self._buffer = buffer
        self._deadlines = Deadlines[asyncio.Future[_Failure | None]](patience, _give_up)
        self._clock = clock
        self._monotonic = monotonic
        # What waits for the thread; None asks it to end.
        self._queue: queue.SimpleQueue[_Turn | None] = queue.SimpleQueue()
        # What the thread gets at the end of this turn of the loop.
        self._turn: _Turn | None = None
        # Bytes of the envelopes that wait.
        self._weight = 0
        self._closing = False
        self._failing = False

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
        turn = self._turn_of(asyncio.get_running_loop())
        turn.add(event, parts)
        self._weight += weight
        try:
            failure = await turn.outcome
        except asyncio.CancelledError:
            self.counters.dropped += 1
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            raise PublishError("one that came together with it was given up") from None
        finally:
            self._weight -= weight
        if failure is not None and (failure.ids is None or event_id in failure.ids):
            self.counters.dropped += 1
            raise PublishError(failure.reason)
        return True

    def look(self) -> None:
        """Takes over what handlers want, where that has changed; to be called again and again by one thread.

        Raises:
            StoreUnavailable: what they wanted last holds.
        """
        self.router = self._announced.look() or self.router

    def run(self) -> None:
        """Pushes until `close`; the body of the publisher's thread."""
        while (batch := self._take()) is not None:
            if batch:
                self._push(batch)

    def close(self) -> None:
        """Ends `run`, after what waits now."""
        self._closing = True
        self._queue.put(None)

    # The loop's side

    def _turn_of(self, loop: asyncio.AbstractEventLoop) -> _Turn:
        turn = self._turn
        if turn is None or turn.loop is not loop or turn.is_full:
            turn = self._turn = _Turn(loop)
            self._deadlines.begin(loop, turn.outcome)
            loop.call_soon(self._hand_over, turn)
        return turn

    def _hand_over(self, turn: _Turn) -> None:
        if self._turn is turn:
            self._turn = None
        if self._closing:
            # The thread takes no more.
            _tell([turn], _Failure("shutting down"))
        else:
            self._queue.put(turn)

    # The thread's side

    def _take(self) -> list[_Turn] | None:
        """Waits for events and takes about so many as one push is good for; None at the end."""
        batch: list[_Turn] = []
        work, size = BATCH_WORK, BATCH_BYTES
        turn = self._queue.get()
        while turn is not None:
            # Nobody waits for it any more: it was refused, and comes again.
            if not turn.outcome.done():
                batch.append(turn)
                work -= turn.work
                size -= turn.size
            if work <= 0 or size <= 0:
                return batch
            try:
                turn = self._queue.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._queue.put(None)
        return batch or None

    def _push(self, batch: list[_Turn]) -> None:
        units = _units_of(batch)
        left: Sequence[Outgoing | Bundle] = ()
        try:
            new = self._try(units)
        except PushedInPart as exc:
            new, left = exc.new, exc.left
        except PublishError as exc:
            self._say(exc)
            _settle(batch, _Failure(str(exc)))
            return
        self._say(None)
        self.counters.published += new
        self.counters.copies += count(units) - count(left) - new
        missing = _ids(left)
        now = self._clock()
        for turn in batch:
            refused = len(missing.intersection(part.id for part in turn.parts)) if missing else 0
            self.lag.add(now - turn.parts[0].received_at, turn.count - refused)
        # Last: who is told finds all this in the figures.
        _settle(batch, _Failure("another process publishes it just now", missing) if missing else None)

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


def _give_up(outcome: asyncio.Future[_Failure | None]) -> None:
    if not outcome.done():
        outcome.set_result(_Failure("the broker did not take it in time"))


def _units_of(batch: Sequence[_Turn]) -> list[Outgoing | Bundle]:
    """What is pushed: parts for batch handlers in bundles, which linger for nobody."""
    units: list[Outgoing | Bundle] = []
    gathering = Gathering()
    for turn in batch:
        for part in turn.parts:
            if not part.subscriptions[0].batch:
                units.append(part)
            elif (finished := gathering.add(part)) is not None:
                units.append(finished)
    return [*units, *gathering.take(all_of_them=True)]


def _ids(units: Sequence[Outgoing | Bundle]) -> frozenset[str]:
    """The ids of the events in some units."""
    events = (unit.events if isinstance(unit, Bundle) else (unit,) for unit in units)
    return frozenset(event.id for some in events for event in some)


def _settle(batch: Sequence[_Turn], failure: _Failure | None) -> None:
    """Tells those who wait, in their loops."""
    for loop, turns in itertools.groupby(batch, attrgetter("loop")):
        # Closed: nobody waits there any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, list(turns), failure)


def _tell(turns: Sequence[_Turn], failure: _Failure | None) -> None:
    for turn in turns:
        if not turn.outcome.done():
            turn.outcome.set_result(failure)
