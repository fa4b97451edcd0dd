"""The publisher that says when the broker has an event: in batches, in time, and never without it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from botfleet.errors import PublishError, PushedInPart, StoreUnavailable
from botfleet.holder.threads import WatchedThread
from botfleet.model import Bot, Subscription
from botfleet.publishing.confirmed import ConfirmedPublisher
from botfleet.publishing.deadlines import Deadlines
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.sinks import MemorySink
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import Frame
from botfleet.store.memory import MemoryStore

ORIGIN = Origin.of(Bot(team_id="T1", sealed_token="plain:x", fingerprint="f", transport="http"))
FRAME = Frame(type="message", channel="C1", ts="1.1")
EVERYTHING = Subscription(task="t", types=("*",), queue="q")


class GatedSink(MemorySink):
    """Pushes when it may; fails as planned; keeps the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[Exception] = []
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = 0

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        self.begun += 1
        assert self.gate.wait(10.0)
        self.batches.append(len(batch))
        if self.plan:
            raise self.plan.pop(0)
        return super().push(batch)


@pytest.fixture
def sink() -> GatedSink:
    return GatedSink()


@contextmanager
def running(
    sink: GatedSink, patience: float = 5.0, buffer: int = 2**20, *wanted: Subscription
) -> Iterator[ConfirmedPublisher]:
    """With its thread; what kills the thread fails the test."""
    store = MemoryStore(1)
    store.put_subscriptions("handler", wanted or [EVERYTHING])
    publisher = ConfirmedPublisher(sink, store, buffer, patience)
    publisher.look()
    deaths: list[BaseException] = []
    thread = WatchedThread("confirmed", publisher.run, lambda name, exc: deaths.append(exc))
    thread.start()
    try:
        yield publisher
    finally:
        sink.gate.set()
        publisher.close()
        thread.join(5.0)
        assert (thread.is_alive(), deaths) == (False, [])


def publish(publisher: ConfirmedPublisher, number: int = 0, size: int = 0) -> Awaitable[bool]:
    raw = b'{"text":"%b"}' % (b"x" * size)
    return publisher.publish(ORIGIN, FRAME, raw, f"Ev{number}")


def run(do: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await do()

    asyncio.run(main())


def test_what_gathers_while_a_push_is_under_way_goes_in_one(sink: GatedSink) -> None:
    with running(sink) as publisher:

        async def flood() -> None:
            sink.gate.clear()
            tasks = [asyncio.ensure_future(publish(publisher, number)) for number in range(300)]
            while publisher.counters.wanted < 300:
                await asyncio.sleep(0)
            assert not any(task.done() for task in tasks)
            sink.gate.set()
            assert all(await asyncio.gather(*tasks))

        run(flood)
        assert sum(sink.batches) == 300
        assert len(sink.batches) <= 3
        assert [event.id for event in sink.events] == [f"Ev{number}" for number in range(300)]
        assert (sum(publisher.lag.counts), publisher.counters.published) == (300, 300)


def test_nothing_is_said_before_the_broker_has_it(sink: GatedSink) -> None:
    with running(sink) as publisher:

        async def look() -> None:
            for number in range(20):
                await publish(publisher, number)
                assert sink.events[-1].id == f"Ev{number}"

        run(look)


def test_a_push_that_fails_is_tried_once_more_at_once(sink: GatedSink) -> None:
    sink.plan = [PublishError("stale"), PublishError("away"), PublishError("away")]
    with running(sink) as publisher:

        async def fail() -> None:
            with pytest.raises(PublishError, match="away"):
                await publish(publisher, 1)
            assert await publish(publisher, 2)

        run(fail)
        assert (len(sink.batches), publisher.counters.dropped) == (4, 1)
        assert [event.id for event in sink.events] == ["Ev2"]


def test_one_that_took_too_long_is_given_up_and_not_pushed_later(sink: GatedSink) -> None:
    with running(sink, patience=0.05) as publisher:

        async def wait() -> None:
            sink.gate.clear()
            first = asyncio.ensure_future(publish(publisher, 1))
            while not sink.begun:
                await asyncio.sleep(0)
            with pytest.raises(PublishError, match="in time"):
                await publish(publisher, 2)
            with pytest.raises(PublishError, match="in time"):
                await first
            sink.gate.set()
            assert await publish(publisher, 3)

        run(wait)
        # The first was on its way already: its copy will be told by the mark.
        assert [event.id for event in sink.events] == ["Ev1", "Ev3"]


def test_what_another_process_publishes_just_now_is_refused_alone(sink: GatedSink) -> None:
    with running(sink) as publisher:
        push = sink.push

        def push_but_one(batch: Sequence[Outgoing | Bundle]) -> int:
            left = [unit for unit in batch if isinstance(unit, Outgoing) and unit.id == "Ev1"]
            new = push([unit for unit in batch if unit not in left])
            if left:
                raise PushedInPart(new, left, 0.1)
            return new

        sink.push = push_but_one  # type: ignore[method-assign]

        async def flood() -> None:
            results = await asyncio.gather(*(publish(publisher, n) for n in range(3)), return_exceptions=True)
            assert [type(one) for one in results] == [bool, PublishError, bool]

        run(flood)
        assert publisher.counters.published == 2


def test_one_that_is_given_up_refuses_what_came_with_it_at_the_most(sink: GatedSink) -> None:
    with running(sink) as publisher:

        async def cancel() -> None:
            sink.gate.clear()
            tasks = [asyncio.ensure_future(publish(publisher, number)) for number in range(3)]
            while not sink.begun:
                await asyncio.sleep(0)
            later = asyncio.ensure_future(publish(publisher, 3))
            tasks[1].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(one) for one in results] == [PublishError, asyncio.CancelledError, PublishError]
            sink.gate.set()
            assert await later

        run(cancel)
        assert publisher.counters.dropped == 3


def test_there_is_a_bound_to_what_waits(sink: GatedSink) -> None:
    with running(sink, 5.0, 20_000) as publisher:

        async def fill() -> None:
            sink.gate.clear()
            tasks = [asyncio.ensure_future(publish(publisher, n, 5_000)) for n in range(5)]
            await asyncio.sleep(0)
            with pytest.raises(PublishError, match="too many"):
                await publish(publisher, 9, 5_000)
            sink.gate.set()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert results.count(True) == 3
            assert await publish(publisher, 10, 5_000)

        run(fill)


def test_a_batch_handler_gets_what_came_together_and_nothing_lingers(sink: GatedSink) -> None:
    batch = Subscription(task="b", types=("*",), queue="q", batch=4, linger=60.0)
    with running(sink, 5.0, 2**20, EVERYTHING, batch) as publisher:

        async def flood() -> None:
            sink.gate.clear()
            tasks = [asyncio.ensure_future(publish(publisher, number)) for number in range(11)]
            while publisher.counters.wanted < 11:
                await asyncio.sleep(0)
            sink.gate.set()
            assert all(await asyncio.gather(*tasks))

        run(flood)
        assert len(sink.events) == 11
        assert sum(len(bundle.events) for bundle in sink.bundles) == 11
        assert len(sink.bundles) <= 5


def test_nothing_is_taken_before_it_is_known_who_wants_it() -> None:
    publisher = ConfirmedPublisher(MemorySink(), MemoryStore(1))
    with pytest.raises(PublishError, match="what the handlers want"):
        run(lambda: _just(publish(publisher)))


def test_after_the_end_nothing_is_taken(sink: GatedSink) -> None:
    with running(sink) as publisher:
        publisher.close()
        with pytest.raises(PublishError, match="shutting down"):
            run(lambda: _just(publish(publisher)))


def test_what_came_in_the_turn_of_the_end_is_refused_at_once(sink: GatedSink) -> None:
    with running(sink, patience=60.0) as publisher:

        async def end() -> None:
            task = asyncio.ensure_future(publish(publisher))
            while not publisher.counters.wanted:
                await asyncio.sleep(0)
            publisher.close()
            with pytest.raises(PublishError, match="shutting down"):
                await asyncio.wait_for(task, 5.0)

        run(end)


def test_more_than_one_push_is_good_for_goes_in_several(sink: GatedSink) -> None:
    with running(sink, 5.0, 2**26) as publisher:

        async def flood() -> None:
            assert all(await asyncio.gather(*(publish(publisher, number, 2**18) for number in range(40))))

        run(flood)
        assert sum(sink.batches) == 40
        assert max(sink.batches) <= 12


def test_a_store_that_was_emptied_changes_nothing_until_the_handlers_speak(sink: GatedSink) -> None:
    class Emptied(MemoryStore):
        version = 7

        def subscriptions_version(self) -> int:
            if self.version < 0:
                raise StoreUnavailable("away")
            return self.version

    store = Emptied(1)
    store.put_subscriptions("handler", [EVERYTHING])
    publisher = ConfirmedPublisher(sink, store)
    publisher.look()
    known = publisher.router
    store.version = 0
    store.put_subscriptions("handler", [])
    publisher.look()
    assert publisher.router is known
    store.version = -1
    with pytest.raises(StoreUnavailable):
        publisher.look()
    store.version = 1
    publisher.look()
    assert publisher.router is not known


def test_deadlines_are_kept_in_each_loop() -> None:
    late: list[str] = []
    deadlines = Deadlines[asyncio.Future[str]](0.02, lambda future: future.set_result("late"))

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        done, waits = loop.create_future(), loop.create_future()
        deadlines.begin(loop, done)
        done.set_result("done")
        deadlines.begin(loop, waits)
        late.append(await asyncio.wait_for(waits, 2.0))
        assert await done == "done"

    run(wait)
    run(wait)
    assert late == ["late", "late"]


async def _just(awaited: Awaitable[bool]) -> None:
    await awaited
