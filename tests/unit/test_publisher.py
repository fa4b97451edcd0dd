"""The publisher with its thread: order, bounds and counts whatever the broker does."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from botfleet.errors import PublishError, PushedInPart
from botfleet.holder.threads import WatchedThread
from botfleet.model import Bot, Subscription
from botfleet.publishing.publisher import BATCH_BYTES, BATCH_WORK, Outgoing, Publisher
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import MemorySink
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import Frame, decode
from tests.waiting import eventually

ORIGIN = Origin.of(Bot(team_id="T1", sealed_token="plain:x", fingerprint="f"))
ANOTHER = Origin.of(Bot(team_id="T2", sealed_token="plain:x", fingerprint="f"))
EVERYTHING = Subscription(task="t", types=("*",))
Make = Callable[..., Publisher]


class FlakySink(MemorySink):
    """Fails by a plan, and keeps the sizes of its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[bool] = []
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def push(self, batch: Sequence[Outgoing]) -> int:
        assert self.gate.wait(10.0)
        self.batches.append(len(batch))
        if self.plan and self.plan.pop(0):
            raise PublishError("as planned")
        return super().push(batch)


@contextmanager
def running(publisher: Publisher) -> Iterator[Publisher]:
    """Its thread runs; what kills the thread fails the test."""
    deaths: list[BaseException] = []
    thread = WatchedThread("publisher", publisher.run, lambda name, exc: deaths.append(exc))
    thread.start()
    try:
        yield publisher
    finally:
        publisher.close()
        thread.join(5.0)
        assert not thread.is_alive()
        assert deaths == []


def make(
    sink: MemorySink, buffer: int = 2**30, subscriptions: Sequence[Subscription] = (EVERYTHING,)
) -> Publisher:
    publisher = Publisher(sink, buffer, clock=lambda: 5.0)
    publisher.router = Router(subscriptions)
    return publisher


def offer(
    publisher: Publisher, number: int, size: int = 0, type: str = "message", origin: Origin = ORIGIN
) -> None:
    raw = json.dumps({"type": type, "channel": "C1", "ts": f"{number}.0", "text": "x" * size}).encode()
    frame = decode(raw)
    assert frame is not None
    publisher.publish(origin, frame, raw)


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the publisher logged, by its `action` fields."""
    return [str(record.__dict__.get("action")) for record in caplog.records]


def pushed(sink: MemorySink) -> list[int]:
    return [int(event.id.rsplit(":", 1)[1].split(".")[0]) for event in sink.events]


def test_an_event_becomes_an_envelope_with_its_subscriptions() -> None:
    sink = MemorySink()
    with running(make(sink)) as publisher:
        offer(publisher, 1)
        assert publisher.flush(5.0)
    event = sink.events[0]
    assert (event.id, event.received_at) == ("T1:C1:message:1.0", 5.0)
    assert (event.queue, event.subscriptions) == ("events.message.public", [EVERYTHING])
    assert json.loads(event.envelope)["payload"]["ts"] == "1.0"


def test_what_nobody_wants_is_counted_and_not_pushed() -> None:
    sink = MemorySink()
    with running(make(sink, subscriptions=[Subscription(task="t", types=("team_join",))])) as publisher:
        offer(publisher, 1)
        assert publisher.flush(0.0)
    assert sink.events == []
    assert (publisher.counters.events, publisher.counters.wanted) == (1, 0)


def test_new_subscriptions_count_from_the_next_event_on() -> None:
    sink = MemorySink()
    with running(make(sink, subscriptions=[])) as publisher:
        offer(publisher, 1)
        publisher.router = Router([EVERYTHING])
        offer(publisher, 2)
        assert publisher.flush(5.0)
    assert pushed(sink) == [2]


def test_order_is_kept_over_failures() -> None:
    sink = FlakySink()
    sink.plan = [True, True, False, True, False, True]
    with running(make(sink)) as publisher:
        for number in range(2000):
            offer(publisher, number)
        assert publisher.flush(20.0)
    assert pushed(sink) == list(range(2000))
    assert publisher.counters.published == 2000
    assert publisher.counters.dropped == 0
    assert publisher.unsent == 0


def test_while_the_broker_is_away_events_wait_and_then_go_out_in_order() -> None:
    sink = FlakySink()
    sink.failing = True
    with running(make(sink)) as publisher:
        for number in range(100):
            offer(publisher, number)
        eventually(lambda: len(sink.batches) >= 3)
        assert publisher.unsent == 100
        assert not publisher.flush(0.0)
        sink.failing = False
        for number in range(100, 200):
            offer(publisher, number)
        assert publisher.flush(10.0)
    assert pushed(sink) == list(range(200))


def test_several_threads_may_offer() -> None:
    sink = MemorySink()
    with running(make(sink)) as publisher:
        threads = [
            threading.Thread(target=lambda at=at: [offer(publisher, at + n) for n in range(500)])
            for at in (10_000, 20_000, 30_000)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert publisher.flush(10.0)
    assert len(sink.events) == 1500
    for at in (10_000, 20_000, 30_000):
        assert [n for n in pushed(sink) if at <= n < at + 1000] == list(range(at, at + 500))


def test_past_the_bound_events_are_dropped_counted_and_alarmed_once(caplog: pytest.LogCaptureFixture) -> None:
    sink = MemorySink()
    sink.failing = True
    with running(make(sink, buffer=20_000)) as publisher, caplog.at_level(logging.ERROR):
        for number in range(200):
            offer(publisher, number)
        kept = publisher.unsent
        assert 5 < kept < 60
        assert publisher.counters.dropped == 200 - kept
        assert actions(caplog) == ["publish.drop"]
        sink.failing = False
        assert publisher.flush(10.0)
        offer(publisher, 1000)
        assert publisher.flush(10.0)
    assert pushed(sink) == [*range(kept), 1000], "the oldest are kept, in order"
    assert publisher.counters.published == kept + 1
    assert publisher.counters.wanted == 201


def test_the_bound_is_one_of_bytes() -> None:
    sink = MemorySink()
    sink.failing = True
    publisher = make(sink, buffer=100_000)
    for number in range(10):
        offer(publisher, number, size=30_000)
    assert publisher.unsent == 3
    offer(publisher, 10, size=10)
    assert publisher.unsent == 4, "a small one still has room"


def test_there_is_room_again_after_each_push() -> None:
    sink = MemorySink()
    with running(make(sink, buffer=50_000)) as publisher:
        for number in range(50):
            offer(publisher, number, size=30_000)
            assert publisher.flush(5.0)
    assert publisher.counters.dropped == 0
    assert len(sink.events) == 50


def test_a_broker_that_is_too_slow_raises_one_alarm(caplog: pytest.LogCaptureFixture) -> None:
    permits = threading.Semaphore(0)

    class SlowSink(MemorySink):
        def push(self, batch: Sequence[Outgoing]) -> int:
            assert permits.acquire(timeout=10.0)
            return super().push(batch)

    numbers = itertools.count()
    with running(make(SlowSink(), buffer=2_000_000)) as publisher, caplog.at_level(logging.WARNING):
        for _ in range(5):
            before = publisher.counters.dropped
            while publisher.counters.dropped == before:
                offer(publisher, next(numbers))
            full = publisher.unsent
            permits.release()
            eventually(lambda full=full: publisher.unsent < full)
        permits.release(100)
        assert publisher.flush(10.0)
        eventually(lambda: "publish.resume" in actions(caplog))
    assert actions(caplog) == ["publish.drop", "publish.resume"]


def test_copies_are_counted_and_left_out() -> None:
    sink = MemorySink()
    with running(make(sink)) as publisher:
        for number in (1, 2, 1, 2, 3):
            offer(publisher, number)
        assert publisher.flush(5.0)
    assert pushed(sink) == [1, 2, 3]
    assert (publisher.counters.published, publisher.counters.copies) == (3, 2)


class LeavingSink(MemorySink):
    """Leaves some events, with what follows them in their lane, as if others were publishing them.

    Attributes:
        elsewhere: the ids of those that it leaves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: set[str] = set()
        self.pushes = 0

    def push(self, batch: Sequence[Outgoing]) -> int:
        self.pushes += 1
        left: list[Outgoing] = []
        for event in batch:
            if event.id in self.elsewhere or event.lane in {one.lane for one in left}:
                left.append(event)
        new = super().push([event for event in batch if event not in left])
        if left:
            raise PushedInPart(new, left, 0.01)
        return new


def test_what_is_left_of_a_batch_waits_and_holds_up_no_other_bot() -> None:
    sink = LeavingSink()
    sink.elsewhere = {"T1:C1:message:3.0"}
    with running(make(sink)) as publisher:
        for number in range(6):
            offer(publisher, number)
            offer(publisher, number, origin=ANOTHER)
        eventually(lambda: len(sink.events) == 9 and sink.pushes > 3)
        for number in range(6, 9):
            offer(publisher, number)
            offer(publisher, number, origin=ANOTHER)
        eventually(lambda: len(sink.events) == 12)
        assert publisher.unsent == 6
        assert not publisher.flush(0.05), "they are not pushed yet"
        sink.elsewhere.clear()
        assert publisher.flush(5.0)
        assert publisher.unsent == 0
    for lane in ("T1", "T2"):
        assert [one.id for one in sink.events if one.lane == lane] == [
            f"{lane}:C1:message:{number}.0" for number in range(9)
        ]
    assert (publisher.counters.published, publisher.counters.copies) == (18, 0)


def test_what_another_has_published_meanwhile_is_a_copy() -> None:
    sink = LeavingSink()
    sink.elsewhere = {"T1:C1:message:1.0"}
    with running(make(sink)) as publisher:
        for number in range(3):
            offer(publisher, number)
        eventually(lambda: sink.pushes > 2)
        sink._seen.add("T1:C1:message:1.0")
        sink.elsewhere.clear()
        assert publisher.flush(5.0)
    assert pushed(sink) == [0, 2]
    assert (publisher.counters.published, publisher.counters.copies) == (2, 1)


def test_what_is_left_counts_for_the_bound_until_it_is_pushed() -> None:
    sink = LeavingSink()
    sink.elsewhere = {f"T1:C1:message:{number}.0" for number in range(100)}
    with running(make(sink, buffer=20_000)) as publisher:
        for number in range(100):
            offer(publisher, number)
        kept = 100 - publisher.counters.dropped
        assert 5 < kept < 60
        eventually(lambda: sink.pushes > 2)
        sink.elsewhere.clear()
        assert publisher.flush(5.0)
        for number in range(kept):
            offer(publisher, number, origin=ANOTHER)
        assert publisher.flush(5.0)
    assert publisher.counters.dropped == 100 - kept
    assert len(sink.events) == 2 * kept


def test_close_waits_for_what_another_publishes() -> None:
    """Another that died has its claims for a few seconds; one that lives is done sooner."""
    sink = LeavingSink()
    sink.elsewhere = {"T1:C1:message:1.0"}
    with running(make(sink)) as publisher:
        for number in range(3):
            offer(publisher, number)
        publisher.close()
        eventually(lambda: sink.pushes > 3)
        sink.elsewhere.clear()
    assert pushed(sink) == [0, 1, 2]
    assert publisher.counters.dropped == 0


def test_events_of_our_own_are_told_by_the_id_they_are_given() -> None:
    sink = MemorySink()
    frame = Frame(type="bot_disabled")
    with running(make(sink)) as publisher:
        for _ in range(3):
            publisher.publish_own(ORIGIN, frame, b'{"type":"bot_disabled"}', "T1:bot_disabled:1")
        assert publisher.flush(5.0)
    assert [event.id for event in sink.events] == ["T1:bot_disabled:1"]
    assert publisher.counters.events == 0, "Slack did not send it"


def test_a_tap_sees_what_passes_wanted_or_not_under_the_id_that_is_published() -> None:
    sink = MemorySink()
    seen: list[tuple[str, str, int]] = []

    def see(origin: Origin, frame: Frame, raw: bytes, event_id: str, handlers: int) -> None:
        seen.append((frame.type, event_id, handlers))

    with running(make(sink, subscriptions=[Subscription(task="t", types=("message", "hello"))])) as publisher:
        assert publisher.passes_over(b"user_typing")
        publisher.tap = see
        assert not publisher.passes_over(b"user_typing")
        offer(publisher, 1)
        offer(publisher, 2, type="user_change")
        publisher.publish_own(ORIGIN, Frame(type="hello"), b'{"type":"hello"}', "T1:hello:1")
        publisher.tap = None
        offer(publisher, 3)
        assert publisher.flush(5.0)
    assert seen == [
        ("message", "T1:C1:message:1.0", 1),
        ("user_change", "T1:C1:user_change:2.0", 0),
        ("hello", "T1:hello:1", 1),
    ]
    assert [event.id for event in sink.events] == ["T1:C1:message:1.0", "T1:hello:1", "T1:C1:message:3.0"]
    assert publisher.counters.events == 4


def test_a_batch_is_bounded_in_events_and_in_bytes() -> None:
    sink = FlakySink()
    sink.gate.clear()
    with running(make(sink)) as publisher:
        for number in range(3 * BATCH_WORK):
            offer(publisher, number)
        sink.gate.set()
        assert publisher.flush(10.0)
        assert max(sink.batches) <= BATCH_WORK
        sink.batches.clear()
        sink.gate.clear()
        for number in range(10_000, 10_006):
            offer(publisher, number, size=BATCH_BYTES // 2)
        sink.gate.set()
        assert publisher.flush(10.0)
        assert max(sink.batches) <= 2


def test_an_event_for_many_handlers_counts_for_each_in_a_batch() -> None:
    sink = FlakySink()
    sink.gate.clear()
    handlers = [Subscription(task=f"t{n}", types=("*",)) for n in range(8)]
    with running(make(sink, subscriptions=handlers)) as publisher:
        for number in range(4):
            offer(publisher, number, size=BATCH_BYTES // 8)
        sink.gate.set()
        assert publisher.flush(10.0)
    assert max(sink.batches) <= 1


def test_a_push_is_bounded_in_messages() -> None:
    sink = FlakySink()
    sink.gate.clear()
    handlers = [Subscription(task=f"t{n}", types=("*",)) for n in range(10)]
    with running(make(sink, subscriptions=handlers)) as publisher:
        for number in range(BATCH_WORK):
            offer(publisher, number)
        sink.gate.set()
        assert publisher.flush(10.0)
    assert max(sink.batches) <= BATCH_WORK // 10


def test_close_ends_at_once_when_all_is_pushed() -> None:
    with running(make(MemorySink())) as publisher:
        offer(publisher, 1)
        assert publisher.flush(5.0)
    assert publisher.counters.dropped == 0


def test_close_pushes_what_waits_when_the_broker_takes_it() -> None:
    sink = FlakySink()
    sink.gate.clear()
    with running(make(sink)) as publisher:
        for number in range(2000):
            offer(publisher, number)
        publisher.close()
        sink.gate.set()
    assert pushed(sink) == list(range(2000))


def test_close_gives_up_what_the_broker_does_not_take_and_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    sink = FlakySink()
    sink.failing = True
    with running(make(sink)) as publisher, caplog.at_level(logging.ERROR):
        for number in range(7):
            offer(publisher, number)
        eventually(lambda: sink.batches)
    assert publisher.counters.dropped == 7
    assert publisher.unsent == 0
    assert "7 events" in caplog.text


def test_flush_says_when_it_took_too_long() -> None:
    sink = MemorySink()
    sink.failing = True
    with running(make(sink)) as publisher:
        assert publisher.flush(0.0), "there is nothing to wait for"
        offer(publisher, 1)
        assert not publisher.flush(0.05)


def test_an_error_that_is_no_publish_error_reaches_the_watcher() -> None:
    class BrokenSink(MemorySink):
        def push(self, batch: Sequence[Outgoing]) -> int:
            raise ZeroDivisionError

    deaths: list[tuple[str, type[BaseException]]] = []
    publisher = make(BrokenSink())
    thread = WatchedThread("publisher", publisher.run, lambda name, exc: deaths.append((name, type(exc))))
    thread.start()
    offer(publisher, 1)
    thread.join(5.0)
    assert deaths == [("botfleet-publisher", ZeroDivisionError)]


class TestStale:
    """What waited so long that the marks of its copies may be gone."""

    @staticmethod
    def publisher(sink: MemorySink, ours: Callable[[str], bool | None]) -> tuple[Publisher, list[float]]:
        now = [5.0]
        made = Publisher(sink, 2**30, clock=lambda: now[0], stale_after=100.0, is_ours=ours)
        made.router = Router([EVERYTHING])
        return made, now

    @pytest.mark.parametrize(("ours", "left"), [(True, [1, 2]), (False, [2])])
    def test_is_published_only_if_nobody_else_did(
        self, ours: bool, left: list[int], caplog: pytest.LogCaptureFixture
    ) -> None:
        sink = MemorySink()
        sink.failing = True
        made, now = self.publisher(sink, lambda key: ours)
        with running(made) as publisher:
            offer(publisher, 1)
            eventually(lambda: "publish.retry" in actions(caplog))
            now[0] = 200.0
            offer(publisher, 2)
            sink.failing = False
            assert publisher.flush(5.0)
            assert pushed(sink) == left
            assert publisher.counters.dropped == 2 - len(left)
            assert ("publish.stale" in actions(caplog)) is not ours
            assert publisher.unsent == 0

    def test_waits_until_it_is_known_whose_it_is(self) -> None:
        sink = MemorySink()
        sink.failing = True
        known: list[bool | None] = [None]
        made, now = self.publisher(sink, lambda key: known[0])
        with running(made) as publisher:
            offer(publisher, 1)
            eventually(lambda: publisher._behind)
            now[0] = 200.0
            sink.failing = False
            assert not publisher.flush(0.7)
            known[0] = True
            assert publisher.flush(5.0)
            assert pushed(sink) == [1]

    def test_nothing_is_asked_while_the_broker_keeps_up(self) -> None:
        def ours(key: str) -> bool:
            raise AssertionError("asked")

        sink = MemorySink()
        made, now = self.publisher(sink, ours)
        with running(made) as publisher:
            for number in range(3):
                now[0] += 200.0
                offer(publisher, number)
                assert publisher.flush(5.0)
        assert pushed(sink) == [0, 1, 2]
