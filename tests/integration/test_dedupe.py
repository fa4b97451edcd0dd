"""Copies of events: told for a time and up to a bound, and never is another event taken for one."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
import redis
from celery import Celery
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from botfleet.embedded import EmbeddedServer
from botfleet.errors import PublishError
from botfleet.model import Bot, Subscription
from botfleet.publishing.kombu_sink import KombuSink
from botfleet.publishing.marks import RedisMarks
from botfleet.publishing.outgoing import Outgoing
from botfleet.publishing.publisher import Publisher, Sink
from botfleet.publishing.router import EVENT_QUEUES, Router
from botfleet.publishing.sinks import MemorySink, RedisSink
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode
from botfleet.store.redis_client import client_of

from ..conftest import flush
from ..unit.test_publisher import running
from ..waiting import eventually
from .sink_worker import FIRST, app_for
from .test_sinks import event, events, expected, ids

STATE = "botfleet:seen"
#: So long that the time which a test takes is nothing to it, seconds.
TTL = 10_000.0


@cache
def one_app(url: str) -> Celery:
    """One app for many sinks: each takes a tenth of a second to get ready."""
    return app_for(url)


def generation_keys(client: redis.Redis) -> list[str]:
    return sorted(client.scan_iter(f"{STATE}:*"))


def marks(client: redis.Redis) -> int:
    """How many marks there are."""
    return sum(int(client.scard(key)) for key in generation_keys(client))  # type: ignore[arg-type]


def pass_time(client: redis.Redis, seconds: float) -> None:
    """Lets marks grow older, without waiting."""
    if client.exists(STATE):
        client.hincrby(STATE, "since", -int(seconds * 1000))


class TestGenerations:
    """In Redis, where marks lie in sets that come and go."""

    @pytest.fixture
    def make(self, redis_url: str) -> Iterator[Callable[..., RedisSink]]:
        with contextlib.ExitStack() as stack:

            def make(**options: Any) -> RedisSink:
                sink = RedisSink(app_for(redis_url), client_of(redis_url), **{"dedupe_ttl": TTL, **options})
                stack.callback(sink.close)
                return sink

            yield make

    def test_a_mark_has_the_teams_id_and_an_end(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        make(dedupe_ttl=100.0).push([event(1)._replace(id="T1:C1:message:1.1")])
        assert redis_client.smembers(f"{STATE}:0") == {"T1:C1:message:1.1"}
        assert 190_000 < int(redis_client.pttl(f"{STATE}:0")) <= 200_000  # type: ignore[arg-type]
        assert 290_000 < int(redis_client.pttl(STATE)) <= 300_000  # type: ignore[arg-type]

    def test_a_fleet_at_rest_forgets_everything(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        sink = make(dedupe_ttl=0.05)
        sink.push([event(1)])
        eventually(lambda: list(redis_client.scan_iter()) == ["q"])
        assert sink.push([event(1)]) == 1

    @pytest.mark.parametrize("age", [0.0, 0.4, 0.6, 0.99])
    def test_a_copy_is_told_for_the_whole_time(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis, age: float
    ) -> None:
        one, other = make(), make()
        one.push([event(1)])
        for _ in range(4):
            pass_time(redis_client, age * TTL / 4)
            assert other.push([event(1)]) == 0

    @pytest.mark.parametrize("step", [0.1, 0.5, 1.5, 7.0])
    def test_a_copy_does_not_prolong_a_mark(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis, step: float
    ) -> None:
        sink = make()
        sink.push([event(1)])
        age = 0.0
        while age + step < 1.5:
            pass_time(redis_client, step * TTL)
            age += step
            sink.push([event(1), event(int(age * 100) + 1000)])
        pass_time(redis_client, step * TTL)
        assert sink.push([event(1)]) == 1

    def test_old_generations_are_gone(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        sink = make()
        for number in range(20):
            sink.push([event(number)])
            assert len(generation_keys(redis_client)) == min(number + 1, 3)
            pass_time(redis_client, TTL / 2)
        pass_time(redis_client, 5 * TTL)
        sink.push([event(100)])
        assert len(generation_keys(redis_client)) == 1

    def test_copies_alone_write_nothing(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        sink = make()
        sink.push(events(range(10)))
        pass_time(redis_client, TTL * 0.7)
        before = {key: redis_client.dump(key) for key in (STATE, *generation_keys(redis_client))}
        sink.push(events(range(10)))
        assert before == {key: redis_client.dump(key) for key in (STATE, *generation_keys(redis_client))}

    def test_a_push_that_is_refused_forgets_nothing_either(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        """Not even when it would have begun new generations."""
        sink = make(dedupe_marks=30)
        sink.push(events(range(25)))
        pass_time(redis_client, TTL * 0.6)
        before = {key: redis_client.dump(key) for key in redis_client.scan_iter(f"{STATE}*")}
        redis_client.rename("q", "kept")
        redis_client.set("q", "not a list")
        with pytest.raises(PublishError, match="WRONGTYPE"):
            sink.push(events(range(100, 200)))
        assert before == {key: redis_client.dump(key) for key in redis_client.scan_iter(f"{STATE}*")}
        redis_client.rename("kept", "q")
        assert sink.push(events(range(10, 25))) == 0
        assert sink.push(events(range(100, 200))) == 100

    def test_marks_are_bounded(self, make: Callable[..., RedisSink], redis_client: redis.Redis) -> None:
        sink = make(dedupe_marks=3000)
        for start in range(0, 9000, 450):
            assert sink.push(events(range(start, start + 450))) == 450
            assert marks(redis_client) <= 3000
            assert len(generation_keys(redis_client)) <= 3
        assert marks(redis_client) > 2000
        assert sink.push(events(range(7000, 9000))) == 0, "the newest are known"
        assert sink.push(events(range(100))) == 100, "the oldest are forgotten"

    def test_a_batch_larger_than_the_bound_is_bounded(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        sink = make(dedupe_marks=30)
        assert sink.push([*events(range(500)), *events(range(500))]) == 500
        assert marks(redis_client) <= 30
        assert ids(redis_client) == expected(range(500))

    def test_a_clock_that_is_set_back_stops_nothing(
        self, make: Callable[..., RedisSink], redis_client: redis.Redis
    ) -> None:
        sink = make()
        sink.push([event(1)])
        pass_time(redis_client, -1e6)
        assert sink.push([event(1), event(2)]) == 1
        assert int(redis_client.hget(STATE, "since")) <= 1000 * time.time()  # type: ignore[arg-type]
        pass_time(redis_client, 1.5 * TTL)
        assert sink.push([event(1), event(2)]) == 2


class Fleet(RuleBasedStateMachine):
    """Some sinks, a clock, and what must, may and must not be told to be a copy."""

    client: redis.Redis
    url: str
    dedupe_marks = 3_000_000

    @initialize()
    def begin(self) -> None:
        flush(self.url)
        options = {"dedupe_ttl": TTL, "dedupe_marks": self.dedupe_marks}
        self.sinks = [RedisSink(one_app(self.url), client_of(self.url), **options) for _ in range(2)]
        self.now = 0.0
        self.fresh = 1000
        # By event: when it was new; the oldest first.
        self.new_at: dict[int, float] = {}

    def teardown(self) -> None:
        for sink in getattr(self, "sinks", []):
            sink.close()

    @rule(seconds=st.floats(0.0, 2 * TTL))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        pass_time(self.client, seconds)

    @rule(sink=st.integers(0, 1), numbers=st.lists(st.integers(0, 40), max_size=30), new=st.integers(0, 12))
    def push(self, sink: int, numbers: list[int], new: int) -> None:
        numbers = [*numbers, *range(self.fresh, self.fresh + new)]
        self.fresh += new
        self.client.delete("q")
        count = self.sinks[sink].push([event(number) for number in numbers])
        found = [int(one.partition(":")[0].removeprefix("Ev")) for one in ids(self.client)]
        assert len(found) == len(set(found)) == count, "no event twice in a batch"
        self.check(set(numbers), found)
        for number in found:
            self.new_at.pop(number, None)
            self.new_at[number] = self.now

    def check(self, numbers: set[int], found: list[int]) -> None:
        newest_first = list(reversed(self.new_at))
        third = self.dedupe_marks // 3
        for number in numbers:
            age = self.now - self.new_at.get(number, -1e9)
            # A second is what this test itself may have taken.
            surely = 2 * third if age < TTL / 2 - 1.0 else third
            if number in newest_first[:surely] and age < TTL - 1.0:
                assert number not in found, "a copy is told"
            if age >= 1.5 * TTL:
                assert number in found, "another event is not"

    @invariant()
    def bounded(self) -> None:
        assert marks(self.client) <= self.dedupe_marks
        assert len(generation_keys(self.client)) <= 3
        assert all(self.client.pttl(key) != -1 for key in self.client.scan_iter(f"{STATE}*"))


@pytest.mark.parametrize("bound", [3_000_000, 60, 9])
def test_whatever_happens_copies_are_told_and_others_are_not(valkey: EmbeddedServer, bound: int) -> None:
    with redis.Redis.from_url(valkey.url.replace("redis+socket", "unix"), decode_responses=True) as client:

        class Bounded(Fleet):
            url = valkey.url
            dedupe_marks = bound

        Bounded.client = client
        run_state_machine_as_test(
            Bounded, settings=settings(max_examples=40, stateful_step_count=25, deadline=None)
        )


@given(numbers=st.lists(st.text(min_size=1, max_size=30), unique=True, max_size=60))
@settings(deadline=None, max_examples=50)
def test_no_two_ids_are_taken_for_one(valkey: EmbeddedServer, numbers: list[str]) -> None:
    flush(valkey.url)
    with contextlib.closing(RedisSink(one_app(valkey.url), client_of(valkey.url))) as sink:
        batch = [event(1)._replace(id=text) for text in numbers]
        assert sink.push(batch) == len(numbers)
        assert sink.push(batch) == 0


# What Slack sends

MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1700000000.000100"}
EDIT = {
    "type": "message",
    "subtype": "message_changed",
    "hidden": True,
    "channel": "C1",
    "ts": "1700000003.000100",
    "message": {"type": "message", "user": "U1", "text": "hi", "ts": MESSAGE["ts"]},
}
ADDED = {
    "type": "reaction_added",
    "user": "U1",
    "reaction": "wave",
    "item": {"type": "message", "channel": "C1", "ts": MESSAGE["ts"]},
    "event_ts": "1700000005.000200",
}
SHARED = {
    "type": "file_shared",
    "file_id": "F1",
    "user_id": "U1",
    "channel_id": "C1",
    "event_ts": "1700000009.000100",
}
READ = {"type": "channel_marked", "channel": "C1", "ts": MESSAGE["ts"]}
TYPING = {"type": "user_typing", "channel": "C1", "user": "U1"}


class Case(NamedTuple):
    """Different events that have much in common.

    Attributes:
        frames: as they come, each with the bot that gets it.
        told: whether a copy of each can be told.
    """

    frames: Sequence[tuple[Bot, dict[str, Any]]]
    told: bool = True


def bot(team_id: str = "T1", namespace: str = "") -> Bot:
    return Bot(team_id=team_id, namespace=namespace, sealed_token="plain:x", fingerprint="f")


def here(*frames: dict[str, Any]) -> list[tuple[Bot, dict[str, Any]]]:
    return [(bot(), frame) for frame in frames]


CASES = {
    "another channel, same text, same second": Case(here(MESSAGE, {**MESSAGE, "channel": "C2"})),
    "same channel, same text, same second": Case(here(MESSAGE, {**MESSAGE, "ts": "1700000000.000200"})),
    "another channel of a file": Case(here(SHARED, {**SHARED, "channel_id": "C2"})),
    "another's file": Case(here(SHARED, {**SHARED, "user_id": "U2"})),
    "edited, and edited back": Case(
        here(MESSAGE, EDIT, {**EDIT, "ts": "1700000004.000100"}, {**EDIT, "ts": "1700000005.000100"})
    ),
    "edited and deleted": Case(
        here(MESSAGE, EDIT, {**EDIT, "subtype": "message_deleted", "ts": "1700000004.000100"})
    ),
    "edited and deleted with one time": Case(here(EDIT, {**EDIT, "subtype": "message_deleted"})),
    "a thread's replies": Case(
        here(
            MESSAGE,
            {**EDIT, "subtype": "message_replied", "ts": MESSAGE["ts"]},
            {**EDIT, "subtype": "message_replied", "ts": MESSAGE["ts"], "event_ts": "1700000004.000100"},
        )
    ),
    "added, removed, added": Case(
        here(
            ADDED,
            {**ADDED, "type": "reaction_removed", "event_ts": "1700000006.000100"},
            {**ADDED, "event_ts": "1700000007.000100"},
        )
    ),
    "added and removed with one time": Case(here(ADDED, {**ADDED, "type": "reaction_removed"})),
    "another's reaction": Case(here(ADDED, {**ADDED, "user": "U2"})),
    "a reaction in another channel": Case(
        here(ADDED, {**ADDED, "item": {"type": "message", "channel": "C2", "ts": MESSAGE["ts"]}})
    ),
    "another namespace": Case([(bot(), MESSAGE), (bot(namespace="beta"), MESSAGE)]),
    "another team": Case([(bot("T1"), MESSAGE), (bot("T2"), MESSAGE)]),
    "a shared channel": Case(
        [
            (bot(team_id), {**frame, "team": "T1"})
            for team_id in ("T1", "T2", "E3")
            for frame in (MESSAGE, EDIT, ADDED)
        ]
    ),
    "typing": Case(here(TYPING, TYPING, TYPING), told=False),
    "presence": Case(here(*[{"type": "presence_change", "user": "U1", "presence": "away"}] * 3), told=False),
    "hello": Case(here({"type": "hello"}, {"type": "hello"}), told=False),
    "read, and read back": Case(here(READ, {**READ, "ts": "1700000001.000100"}, READ), told=False),
    "read, with times of its own": Case(
        here({**READ, "event_ts": "1700000002.000100"}, {**READ, "event_ts": "1700000003.000100"})
    ),
}

WANTED = Subscription(task=FIRST.task, types=("*",), subtypes=("*",), own=True, bots=True)


def offer(publisher: Publisher, case: Case) -> None:
    for its_bot, fields in case.frames:
        raw = json.dumps(fields).encode()
        frame = decode(raw)
        assert frame is not None
        publisher.publish(Origin.of(its_bot), frame, raw)


def payloads(found: Sequence[bytes]) -> list[tuple[str, str, dict[str, Any]]]:
    """Of envelopes: the team, the namespace and what Slack sent."""
    read = [json.loads(one) for one in found]
    return [(one["team_id"], one["namespace"], one["payload"]) for one in read]


class Kept(Sink):
    """Before a broker: keeps what was new there.

    Attributes:
        new: the envelopes that the broker took.
    """

    def __init__(self, broker: Sink) -> None:
        self.new: list[bytes] = []
        self._broker = broker

    def push(self, batch: Sequence[Any]) -> int:
        found = 0
        for unit in batch:
            taken = self._broker.push([unit])
            assert isinstance(unit, Outgoing)
            self.new += [unit.envelope] * taken
            found += taken
        return found

    def close(self) -> None:
        self._broker.close()


@pytest.fixture(params=["memory", "redis", "kombu"])
def two_ways(request: pytest.FixtureRequest, redis_url: str) -> Iterator[list[Kept]]:
    """Two holders' ways to one broker."""
    app = app_for(redis_url if request.param == "redis" else "memory://")
    memory = MemorySink()
    make: dict[str, Callable[[], Sink]] = {
        "memory": lambda: memory,
        "redis": lambda: RedisSink(app, client_of(redis_url)),
        "kombu": lambda: KombuSink(app, RedisMarks(client_of(redis_url))),
    }
    ways = [Kept(make[request.param]()) for _ in range(2)]
    yield ways
    for way in ways:
        way.close()
    if request.param == "kombu":
        with app.connection_for_write() as connection:
            for name in EVENT_QUEUES:
                connection.default_channel.queue_delete(name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_different_events_all_arrive_and_their_copies_do_not(two_ways: list[Kept], case: Case) -> None:
    sent = [(its_bot.team_id, its_bot.namespace, fields) for its_bot, fields in case.frames]
    for number, way in enumerate(two_ways):
        publisher = Publisher(way, 2**20)
        publisher.router = Router([WANTED])
        with running(publisher):
            offer(publisher, case)
            assert publisher.flush(10.0)
        first = number == 0
        assert payloads(way.new) == (sent if first or not case.told else [])
        new = len(sent) if first or not case.told else 0
        assert (publisher.counters.published, publisher.counters.copies) == (new, len(sent) - new)
