"""Marks of what was published, on brokers that run no scripts, and the sink that goes by them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import redis
from celery import Celery
from hypothesis import given

from botfleet.celery import FleetApp
from botfleet.configuration import celery_defaults
from botfleet.errors import PublishError, PushedInPart, StoreUnavailable
from botfleet.model import Bot, Subscription
from botfleet.publishing.kombu_sink import KombuSink
from botfleet.publishing.marks import Claim, Marks, MemoryMarks, RedisMarks
from botfleet.publishing.ordered import OrderedLanes
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.publisher import Publisher
from botfleet.publishing.router import Router
from botfleet.settings import Settings
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode
from botfleet.steps import make_sink
from botfleet.store.redis_client import client_of

from ..unit.test_publisher import EVERYTHING, running
from ..waiting import eventually
from .rabbit import RabbitMQ
from .sink_worker import ELSEWHERE, FIRST, SECOND, app_for
from .test_sinks import event, expected, refuse, take, waiting

OURS, ANOTHERS, DONE = Claim.OURS, Claim.ANOTHERS, Claim.DONE
TTL = 1000.0


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Kind:
    """One kind of marks, and the passing of time for it."""

    def __init__(self, client: redis.Redis, url: str) -> None:
        self.client = client
        self.url = url
        self.made: list[Marks] = []

    def make(self, **options: Any) -> Marks:
        """Marks of the same store, each time."""
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        """Lets claims and marks grow older."""
        raise NotImplementedError

    def count(self) -> int:
        """How many marks of published messages there are."""
        raise NotImplementedError


class InMemory(Kind):
    clock = Clock()

    def make(self, **options: Any) -> Marks:
        if not self.made:
            self.clock = Clock()
            self.made.append(MemoryMarks(**{"dedupe_ttl": TTL, "clock": self.clock, **options}))
        return self.made[0]

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    def count(self) -> int:
        return len(self.made[0]._done)  # type: ignore[attr-defined]


class InRedis(Kind):
    def make(self, **options: Any) -> Marks:
        self.made.append(RedisMarks(client_of(self.url), **{"dedupe_ttl": TTL, **options}))
        return self.made[-1]

    def pass_time(self, seconds: float) -> None:
        if self.client.exists("botfleet:seen"):
            self.client.hincrby("botfleet:seen", "since", -int(seconds * 1000))
        for key in self.client.scan_iter("botfleet:claim:*"):
            left = int(self.client.pttl(key)) - int(seconds * 1000)  # type: ignore[arg-type]
            self.client.pexpire(key, left) if left > 0 else self.client.delete(key)

    def count(self) -> int:
        return sum(int(self.client.scard(key)) for key in self.client.scan_iter("botfleet:seen:*"))  # type: ignore[arg-type]


@pytest.fixture(params=[InMemory, InRedis])
def kind(request: pytest.FixtureRequest, redis_client: redis.Redis, redis_url: str) -> Iterator[Kind]:
    kind = request.param(redis_client, redis_url)
    yield kind
    for marks in kind.made:
        marks.close()


class TestContract:
    def test_a_claim_is_for_one(self, kind: Kind) -> None:
        one, other = kind.make(), kind.make()
        assert one.claim("a", ["m1", "m2"]) == [OURS, OURS]
        assert other.claim("b", ["m2", "m3"]) == [ANOTHERS, OURS]
        assert one.claim("a", ["m3", "m1", "m2"]) == [ANOTHERS, OURS, OURS]

    def test_nothing_is_nothing(self, kind: Kind) -> None:
        assert kind.make().claim("a", []) == []
        kind.make().settle("a", [], [])

    def test_what_is_done_is_done_for_all(self, kind: Kind) -> None:
        one, other = kind.make(), kind.make()
        one.claim("a", ["m1", "m2", "m3"])
        one.settle("a", ["m1", "m2"], [])
        assert other.claim("b", ["m1", "m2", "m3"]) == [DONE, DONE, ANOTHERS]
        assert one.claim("a", ["m1", "m2", "m3"]) == [DONE, DONE, OURS]

    def test_what_is_given_back_is_free(self, kind: Kind) -> None:
        marks = kind.make()
        marks.claim("a", ["m1", "m2"])
        marks.settle("a", ["m1"], ["m2"])
        assert marks.claim("b", ["m1", "m2"]) == [DONE, OURS]

    def test_settling_again_is_harmless(self, kind: Kind) -> None:
        """An answer may be lost."""
        marks = kind.make()
        marks.claim("a", ["m1", "m2"])
        for _ in range(3):
            marks.settle("a", ["m1"], ["m2"])
        assert kind.count() == 1
        assert marks.claim("b", ["m1", "m2"]) == [DONE, OURS]

    def test_a_claim_ends_and_each_claiming_prolongs_it(self, kind: Kind) -> None:
        marks = kind.make(claim_ttl=100.0)
        marks.claim("a", ["m1", "m2"])
        kind.pass_time(60.0)
        assert marks.claim("a", ["m1"]) == [OURS]
        kind.pass_time(60.0)
        assert marks.claim("b", ["m1", "m2"]) == [ANOTHERS, OURS]

    def test_who_comes_too_late_takes_nothing_from_another(self, kind: Kind) -> None:
        marks = kind.make(claim_ttl=100.0)
        marks.claim("a", ["m1", "m2"])
        kind.pass_time(101.0)
        assert marks.claim("b", ["m1", "m2"]) == [OURS, OURS]
        marks.settle("a", ["m1"], ["m2"])
        assert marks.claim("c", ["m1", "m2"]) == [DONE, ANOTHERS]

    def test_marks_last_and_end(self, kind: Kind) -> None:
        marks = kind.make()
        marks.settle("a", ["m1"], [])
        kind.pass_time(TTL - 1.0)
        assert marks.claim("b", ["m1"]) == [DONE]
        kind.pass_time(TTL / 2 + 1.0)
        assert marks.claim("b", ["m1"]) == [OURS]

    def test_marks_are_bounded(self, kind: Kind) -> None:
        marks = kind.make(dedupe_marks=300)
        names = [f"m{n}" for n in range(900)]
        for start in range(0, 900, 50):
            marks.settle("a", names[start : start + 50], [])
            assert kind.count() <= 300
        assert set(marks.claim("b", names[-200:])) == {DONE}
        assert set(marks.claim("b", names[:100])) == {OURS}

    def test_of_several_at_once_each_claim_has_one(self, kind: Kind) -> None:
        names = [f"m{n}" for n in range(2000)]
        won: list[str] = []

        def hold(name: str, marks: Marks) -> None:
            for start in range(0, 2000, 40):
                part = names[start : start + 40]
                won.extend(
                    mark for mark, claim in zip(part, marks.claim(name, part), strict=True) if claim is OURS
                )

        threads = [threading.Thread(target=hold, args=(name, kind.make())) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert sorted(won) == sorted(names)


class TestInRedis:
    def test_every_key_has_a_prefix_and_an_end(self, redis_client: redis.Redis, redis_url: str) -> None:
        with contextlib.closing(RedisMarks(client_of(redis_url), "beta:", TTL)) as marks:
            marks.claim("a", ["T1:C1:message:1.1:t", "m2"])
            marks.settle("a", ["m2"], [])
        keys = ["beta:botfleet:claim:T1:C1:message:1.1:t", "beta:botfleet:seen", "beta:botfleet:seen:0"]
        assert sorted(redis_client.scan_iter()) == keys
        assert all(int(redis_client.pttl(key)) > 0 for key in keys)  # type: ignore[arg-type]

    def test_a_server_that_is_away_is_a_store_that_is_away(self, tmp_path: Path) -> None:
        with contextlib.closing(RedisMarks(client_of(f"redis+socket://{tmp_path}/nobody.sock"))) as marks:
            with pytest.raises(StoreUnavailable):
                marks.claim("a", ["m1"])
            with pytest.raises(StoreUnavailable):
                marks.settle("a", ["m1"], [])


class FaultyMarks(MemoryMarks):
    """Fails by a plan.

    Attributes:
        plan: for the next calls, whether each fails, before it does anything.
        calls: the names of all calls.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.plan: list[bool] = []
        self.calls: list[str] = []

    def claim(self, claimant: str, marks: Sequence[str]) -> list[Claim]:
        self._fail("claim")
        return super().claim(claimant, marks)

    def settle(self, claimant: str, done: Sequence[str], given_back: Sequence[str]) -> None:
        self._fail("settle")
        super().settle(claimant, done, given_back)

    def _fail(self, call: str) -> None:
        self.calls.append(call)
        if self.plan and self.plan.pop(0):
            raise StoreUnavailable("as planned")


def of(lane: str, *numbers: int) -> list[Outgoing]:
    """Events of one bot."""
    return [event(number)._replace(lane=lane) for number in numbers]


def mark(number: int, task: str = FIRST.task, lane: str = "") -> str:
    """As the sink names it: ids are a bot's own."""
    return f"{lane}:Ev{number}:{task}" if lane else f"Ev{number}:{task}"


def left(sink: KombuSink, batch: Sequence[Outgoing | Bundle]) -> tuple[int, list[Any]]:
    """Pushes; gives how many were new, and the ids of what is left."""
    try:
        return sink.push(batch), []
    except PushedInPart as exc:
        ids = [[one.id for one in unit.events] if isinstance(unit, Bundle) else unit.id for unit in exc.left]
        return exc.new, ids


class TestSink:
    """On a broker in memory."""

    @pytest.fixture
    def app(self) -> Iterator[Celery]:
        app = app_for("memory://")
        yield app
        with app.connection_for_write() as connection:
            for name in ("q", "elsewhere"):
                connection.default_channel.queue_delete(name)

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def marks(self, clock: Clock) -> FaultyMarks:
        return FaultyMarks(clock=clock)

    @pytest.fixture
    def make(self, app: Celery, marks: Marks, clock: Clock) -> Iterator[Callable[[], KombuSink]]:
        with contextlib.ExitStack() as stack:

            def make() -> KombuSink:
                sink = KombuSink(app, marks, monotonic=clock)
                stack.callback(sink.close)
                return sink

            yield make

    def test_a_copy_is_told_by_another_holder(self, app: Celery, make: Callable[[], KombuSink]) -> None:
        one, other = make(), make()
        assert one.push([event(1), event(2, FIRST, SECOND), event(1)]) == 2
        assert other.push([event(2, FIRST, SECOND), event(3), event(1)]) == 1
        assert waiting(app) == ["Ev1:tasks.first", "Ev2:tasks.first", "Ev2:tasks.second", "Ev3:tasks.first"]

    def test_what_another_publishes_is_left_with_what_follows_in_its_lane(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        sink = make()
        marks.claim("other", [mark(2, lane="T1")])
        batch = [*of("T1", 1, 2, 3), *of("T2", 4), *of("T1", 5)]
        assert left(sink, batch) == (2, ["Ev2", "Ev3", "Ev5"])
        assert waiting(app) == expected([1, 4])
        assert marks.claim("other", [mark(3, lane="T1"), mark(5, lane="T1")]) == [OURS, OURS], (
            "the other may go on"
        )

    def test_when_the_other_is_done_the_rest_goes_out(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        sink = make()
        marks.claim("other", [mark(2, lane="T1")])
        assert left(sink, of("T1", 1, 2, 3)) == (1, ["Ev2", "Ev3"])
        assert left(sink, of("T1", 2, 3)) == (0, ["Ev2", "Ev3"])
        marks.settle("other", [mark(2, lane="T1")], [])
        assert left(sink, of("T1", 2, 3)) == (1, [])
        assert waiting(app) == expected([1, 3])

    def test_what_the_dead_had_claimed_goes_out_when_the_claim_ends(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks, clock: Clock
    ) -> None:
        one, other = make(), make()
        marks.claim("dead", [mark(2, lane="T1")])
        clock.now += marks.claim_ttl
        assert left(one, of("T1", 1, 2, 3)) == (3, [])
        assert left(other, of("T1", 1, 2, 3)) == (0, [])
        assert waiting(app) == expected([1, 2, 3])

    def test_of_an_event_only_the_messages_that_are_another_s_are_left(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        sink = make()
        marks.claim("other", [mark(1, SECOND.task)])
        with pytest.raises(PushedInPart) as caught:
            sink.push([event(1, FIRST, SECOND, ELSEWHERE)])
        assert [one.subscriptions for one in caught.value.left] == [[SECOND]]
        assert caught.value.new == 0, "it counts when it is through"
        assert (waiting(app), waiting(app, "elsewhere")) == (expected([1]), expected([1], ELSEWHERE.task))
        marks.settle("other", [], [mark(1, SECOND.task)])
        assert sink.push(caught.value.left) == 1
        assert waiting(app) == expected([1], SECOND.task)

    def test_of_a_bundle_only_the_events_that_are_another_s_are_left(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        sink = make()
        marks.claim("other", [mark(2)])
        bundles = [Bundle(FIRST, "q", tuple(of("", *numbers))) for numbers in ((1, 2, 3, 1), (4, 3))]
        assert left(sink, bundles) == (3, [["Ev2"]])
        bodies = [json.loads(message.body)[0][0] for message in take(app)]
        assert [[one["id"] for one in body] for body in bodies] == [["Ev1", "Ev3"], ["Ev4"]]

    def test_what_the_broker_did_not_take_is_given_back(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        """So that another holder, which may reach the broker, can publish it."""
        sink = make()
        app.amqp.queues.add(app.amqp.Queues({}).new_missing("elsewhere"))
        app.amqp.queues["elsewhere"].queue_declare = refuse
        with pytest.raises(PublishError):
            sink.push([event(1), event(2, FIRST, ELSEWHERE, SECOND), event(3)])
        del app.amqp.queues["elsewhere"].queue_declare
        names = [mark(1), mark(2), mark(2, ELSEWHERE.task), mark(2, SECOND.task), mark(3)]
        assert marks.claim("other", names) == [DONE, DONE, OURS, OURS, OURS]

    def test_without_the_store_nothing_is_published_or_lost(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        sink = make()
        marks.plan = [True]
        with pytest.raises(PublishError, match="as planned"):
            sink.push([event(1)])
        assert waiting(app) == []
        assert sink.push([event(1)]) == 1
        assert waiting(app) == expected([1])

    def test_what_was_published_and_not_settled_is_not_published_again(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks, clock: Clock
    ) -> None:
        sink = make()
        marks.plan = [False, True, True]
        for _ in range(2):
            with pytest.raises(PublishError, match="as planned"):
                sink.push([event(1), event(2)])
        sink.push([event(1), event(2), event(3)])
        assert waiting(app) == expected([1, 2, 3])
        assert marks.claim("other", [mark(1), mark(2), mark(3)]) == [DONE, DONE, DONE]

    def test_claims_are_renewed_while_the_broker_is_slow(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks, clock: Clock
    ) -> None:
        sink = make()
        send, claimed_at = sink._send, [0.0]

        def send_slowly(*args: Any) -> None:
            clock.now += marks.claim_ttl / 10
            send(*args)
            sent_at.append(clock.now)

        sent_at: list[float] = []
        sink._send = send_slowly  # type: ignore[method-assign]
        claim = marks.claim
        marks.claim = lambda *args: (claimed_at.append(clock.now), claim(*args))[1]  # type: ignore[method-assign]
        numbers = range(40)
        assert sink.push([event(n) for n in numbers]) == 40
        assert waiting(app) == expected(numbers)
        for at in sent_at:
            assert at - max(one for one in claimed_at if one < at) < marks.claim_ttl

    def test_a_store_that_answers_too_late_is_one_that_is_away(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks, clock: Clock
    ) -> None:
        sink = make()
        claim = marks.claim

        def claim_slowly(claimant: str, names: Sequence[str]) -> list[Claim]:
            clock.now += marks.claim_ttl
            return claim(claimant, names)

        marks.claim = claim_slowly  # type: ignore[method-assign]
        with pytest.raises(PublishError, match="too slow"):
            sink.push([event(1)])
        marks.claim = claim  # type: ignore[method-assign]
        assert sink.push([event(1)]) == 1
        assert waiting(app) == expected([1])

    def test_a_large_batch_is_claimed_in_parts(
        self, app: Celery, make: Callable[[], KombuSink], marks: FaultyMarks
    ) -> None:
        """A holder that dies leaves little to be published twice."""
        assert make().push([event(n, FIRST, ELSEWHERE) for n in range(50)]) == 50
        assert marks.calls == ["claim", "settle"] * 5
        assert waiting(app) == expected(range(50))

    def test_where_the_store_is_in_memory_marks_are(self, app: Celery) -> None:
        with contextlib.closing(make_sink(fleet_app("memory://", "memory://"))) as sink:
            assert [sink.push([event(1)]) for _ in range(2)] == [1, 0]


@pytest.fixture(scope="module")
def memory_app() -> Celery:
    """One app for many sinks."""
    return app_for("memory://")


class Killed(BaseException):
    """The end of a holder, in the midst of a push."""


class Holder:
    """One of several that hear the same events.

    Args:
        queue: where all of them publish to.
    """

    def __init__(self, app: Celery, marks: FaultyMarks, clock: Clock, queue: list[int]) -> None:
        self.batch: Sequence[Outgoing | Bundle] = [*of("T1", *range(45)), *of("T2", *range(100, 145))]
        self._marks = marks
        self._queue = queue
        self._faults: list[str] = []
        self.sink = KombuSink(app, marks, monotonic=clock)
        self.sink._send = self._send  # type: ignore[method-assign]

    def push(self, fault: str = "", after: int = 0) -> None:
        """Pushes what it has; something goes wrong after so many messages, or calls of the store."""
        if fault in ("claim", "settle"):
            # Of two calls the first is a claim.
            self._marks.plan = [False] * (2 * after + (fault == "settle")) + [True]
        else:
            self._faults = [""] * after + [fault]
        try:
            self.sink.push(self.batch)
            self.batch = []
        except PushedInPart as exc:
            self.batch = exc.left
        except PublishError:
            pass
        self._marks.plan, self._faults = [], []

    def _send(self, *args: Any) -> None:
        fault = self._faults.pop(0) if self._faults else ""
        if fault == "refused":
            raise OSError("as planned")
        self._queue.append(int(args[2].id.removeprefix("Ev")))
        if fault == "unconfirmed":
            raise OSError("as planned")
        if fault == "killed":
            self._marks.plan = [True]
            raise Killed


FAULTS = ("", "claim", "settle", "refused", "unconfirmed", "killed")
#: Those that may double what was published.
DOUBLING = {"settle", "unconfirmed", "killed"}


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(FAULTS), st.integers(0, 60), st.floats(0.0, 12.0)),
        max_size=20,
    )
)
@hypothesis.settings(deadline=None, max_examples=200)
def test_whatever_fails_nothing_is_lost_and_each_bot_s_order_stays(
    memory_app: Celery,
    steps: list[tuple[int, str, int, float]],
) -> None:
    """Three holders hear the same; the first one lives on."""
    clock, queue = Clock(), list[int]()
    marks = FaultyMarks(clock=clock, claim_ttl=10.0)
    holders = [Holder(memory_app, marks, clock, queue) for _ in range(3)]
    for number, fault, after, wait in steps:
        if fault != "killed":
            holders[number].push(fault, after)
        elif number:
            with contextlib.suppress(Killed, StoreUnavailable):
                holders[number].push(fault, after)
            holders[number].batch = []
        clock.now += wait
    for _ in range(10):
        for holder in holders:
            holder.push()
        clock.now += 4.0
    assert not any(holder.batch for holder in holders)
    first_come = list(dict.fromkeys(queue))
    assert [n for n in first_come if n < 100] == list(range(45))
    assert [n for n in first_come if n >= 100] == list(range(100, 145))
    doubling = [fault for _, fault, _, _ in steps if fault in DOUBLING]
    assert len(queue) <= 90 + 20 * len(doubling)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbit")) as server:
        yield server


#: A holder that is killed while it publishes, by its own word.
VICTIM = """
import sys, time
from botfleet.publishing.kombu_sink import KombuSink
from botfleet.publishing.marks import RedisMarks
from botfleet.store.redis_client import client_of
from tests.integration.sink_worker import app_for
from tests.integration.test_marks import of

class Slow(KombuSink):
    def _send(self, producer, subscription, event, message_id, argument):
        if event.id == "Ev30":
            print("claimed", flush=True)
            time.sleep(60)
        super()._send(producer, subscription, event, message_id, argument)

Slow(app_for(sys.argv[1]), RedisMarks(client_of(sys.argv[2]), claim_ttl=2.0)).push(of("T1", *range(50)))
"""


class TestRabbitMQ:
    @pytest.fixture
    def app(self, rabbit: RabbitMQ) -> Iterator[Celery]:
        app = app_for(rabbit.url)
        yield app
        with app.connection_for_write() as connection:
            for name in ("q", "elsewhere", "events.message.public"):
                connection.default_channel.queue_delete(name)

    @pytest.fixture
    def make(self, app: Celery, redis_url: str) -> Iterator[Callable[..., KombuSink]]:
        with contextlib.ExitStack() as stack:

            def make(**options: Any) -> KombuSink:
                sink = KombuSink(app, RedisMarks(client_of(redis_url), **options))
                stack.callback(sink.close)
                return sink

            yield make

    def test_two_holders_at_once_publish_each_event_once_and_in_order(
        self, app: Celery, make: Callable[..., KombuSink]
    ) -> None:
        """Both hear the same bots, and each publishes as fast as it can."""
        publishers = [Publisher(make(), 2**30) for _ in range(2)]
        with contextlib.ExitStack() as stack:
            for publisher in publishers:
                publisher.router = Router([EVERYTHING])
                stack.enter_context(running(publisher))
            for number in range(300):
                for team in ("T1", "T2", "T3"):
                    for publisher in publishers if number % 2 else reversed(publishers):
                        hear(publisher, team, number)
            assert all(publisher.flush(60.0) for publisher in publishers)
        assert sum(publisher.counters.published for publisher in publishers) == 900
        assert sum(publisher.counters.copies for publisher in publishers) == 900
        found = waiting(app, "events.message.public")
        assert len(found) == 900
        for team in ("T1", "T2", "T3"):
            its = [one for one in found if one.startswith(team)]
            assert its == [f"{team}:C1:message:{number}.0:t" for number in range(300)]

    def test_two_holders_at_once_fill_the_lanes_of_an_ordered_handler_in_order(
        self, app: Celery, redis_client: redis.Redis, redis_url: str
    ) -> None:
        ordered = Subscription(task="t", types=("*",), ordered="channel")
        lanes = OrderedLanes(client_of(redis_url))
        sinks = [KombuSink(app, RedisMarks(client_of(redis_url)), lanes) for _ in range(2)]
        publishers = [Publisher(sink, 2**30) for sink in sinks]
        with contextlib.ExitStack() as stack:
            for sink, publisher in zip(sinks, publishers, strict=True):
                stack.callback(sink.close)
                publisher.router = Router([ordered])
                stack.enter_context(running(publisher))
            for number in range(100):
                for team in ("T1", "T2"):
                    for publisher in publishers if number % 2 else reversed(publishers):
                        hear(publisher, team, number)
            assert all(publisher.flush(60.0) for publisher in publishers)
        for team in ("T1", "T2"):
            found: Any = redis_client.lrange(f"botfleet:lane:t:{team}:C1", 0, -1)
            assert [json.loads(one)["payload"]["ts"] for one in found] == [f"{n}.0" for n in range(100)]
        bodies = [json.loads(message.body)[0][0] for message in take(app, "events.message.public")]
        assert len(bodies) == 200
        assert {body["lane"] for body in bodies} == {"t:T1:C1", "t:T2:C1"}
        lanes.close()

    def test_what_a_killed_holder_had_claimed_another_publishes(
        self, app: Celery, make: Callable[..., KombuSink], rabbit: RabbitMQ, redis_url: str
    ) -> None:
        sink = make(claim_ttl=2.0)
        command = [sys.executable, "-c", VICTIM, rabbit.url, redis_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            assert victim.stdout.readline() == "claimed\n"
            batch = of("T1", *range(50))
            new, rest = left(sink, [*batch, event(100)])
            assert (new, rest) == (1, [f"Ev{n}" for n in range(20, 50)]), "it holds up nobody else"
            os.kill(victim.pid, signal.SIGKILL)
        assert eventually(lambda: left(sink, batch) == (30, []), 10.0, 0.1)
        # What it had published and not settled comes again.
        twice = [*range(30), 100, *range(20, 50)]
        assert waiting(app) == expected(twice)

    def test_workers_share_their_marks_by_the_store(
        self, app: Celery, redis_client: redis.Redis, redis_url: str, rabbit: RabbitMQ
    ) -> None:
        made = [fleet_app(rabbit.url, redis_url, key_prefix="beta:") for _ in range(2)]
        with contextlib.ExitStack() as stack:
            one, other = (stack.enter_context(contextlib.closing(make_sink(each))) for each in made)
            assert one.push([event(1)]) == 1
            assert other.push([event(1), event(2)]) == 1
        assert waiting(app) == expected([1, 2])
        assert redis_client.exists("beta:botfleet:seen") == 1


def fleet_app(broker_url: str, store_url: str, **options: Any) -> FleetApp:
    """An app as workers have it."""
    app = FleetApp("test", set_as_current=False)
    app.settings = Settings(broker_url=broker_url, store_url=store_url, **options)
    app.conf.update(celery_defaults(app.settings))
    app.conf.broker_native_delayed_delivery_queue_type = "classic"
    app.conf.result_backend = "cache+memory://"
    return app


def hear(publisher: Publisher, team: str, number: int) -> None:
    """Offers a message as the reactor does."""
    raw = json.dumps({"type": "message", "channel": "C1", "ts": f"{number}.0", "text": "hi"}).encode()
    frame = decode(raw)
    assert frame is not None
    publisher.publish(Origin.of(Bot(team_id=team, sealed_token="plain:x", fingerprint="f")), frame, raw)
