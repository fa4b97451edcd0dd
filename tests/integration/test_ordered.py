"""Ordered handlers: from the publisher through Redis to many workers, each channel's events in order."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import redis
from celery import Celery
from celery.app.trace import build_tracer

from botfleet.configuration import celery_defaults
from botfleet.errors import TokenRevoked
from botfleet.handlers import Event, Handler, Loaded, on
from botfleet.handlers.running.binding import bind
from botfleet.handlers.running.counters import failed_counter, late_counter
from botfleet.handlers.running.ordered import MOST_EVENTS, MOST_LOST
from botfleet.model import Bot, Subscription
from botfleet.publishing.kombu_sink import KombuSink
from botfleet.publishing.marks import RedisMarks
from botfleet.publishing.ordered import OrderedLanes
from botfleet.publishing.publisher import Publisher, Sink
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import RedisSink
from botfleet.publishing.sweeping import Sweeper
from botfleet.publishing.wake_ups import lane_of, wake_up
from botfleet.settings import Settings
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode
from botfleet.store.redis_client import client_of

from ..unit.bots import NOW, context_with_bot
from ..unit.test_publisher import running
from ..waiting import eventually
from .test_lanes import INDEX, keys, pass_time

ORIGIN = Origin.of(Bot(team_id="T1", sealed_token="plain:x", fingerprint="f"))
QUEUE = "events.message.public"
CHANNELS = [f"C{n}" for n in range(5)]


def raw(number: int, channel: str = "C1", **fields: Any) -> bytes:
    event = {
        "type": "message",
        "channel": channel,
        "user": "U1",
        "ts": f"{number}.0",
        "text": f"number {number}",
    }
    return json.dumps({**event, **fields}).encode()


class Fleet:
    """A publisher, a queue in Redis, and as many workers as a test asks for, each a thread.

    Attributes:
        handled: channel and number of each event that was handled, in the order of their ends.
        failing: what becomes of events, by number, once for each entry.
        wait: seconds that an event takes.
    """

    def __init__(
        self, url: str, make_sink: Callable[[Celery], Sink] | None = None, prefix: str = "", **options: Any
    ) -> None:
        self.handled: list[tuple[str, int]] = []
        self.failing: dict[int, list[Exception]] = defaultdict(list)
        self.wait: Callable[[], float] = lambda: 0.0
        #: Handlers at work, by channel; the most in one channel, and the most in all, at a time.
        self.at_work: dict[str, int] = defaultdict(int)
        self.most, self.most_together = 0, 0
        self._lock = threading.Lock()
        self.app = Celery("test", set_as_current=False)
        self.app.conf.update(celery_defaults(Settings(broker_url=url, store_url=url, key_prefix=prefix)))
        self.lanes = OrderedLanes(client_of(url), prefix, ttl=1000.0)
        self.queue = prefix + QUEUE
        self.client = client_of(url)
        self.context = dataclasses.replace(context_with_bot(), lanes=self.lanes)
        self.handler = self._declare({"ordered": "channel", **options})
        [self.wanted] = bind(self.app, Loaded(("test",), (self.handler,)), self.context)
        self.app.finalize()
        self.task = self.app.tasks[self.handler.name]
        self.sink = make_sink(self.app) if make_sink else RedisSink(self.app, client_of(url), prefix)
        self.states: list[str] = []

    def _declare(self, options: dict[str, Any]) -> Handler[..., object]:
        @on("message", **options)
        def note(event: Event) -> None:
            number = int(event.text.split()[1])
            with self._at_work(str(event.channel)):
                time.sleep(self.wait())
                if self.failing[number]:
                    raise self.failing[number].pop(0)
            self.handled.append((str(event.channel), number))

        return note

    @contextlib.contextmanager
    def _at_work(self, channel: str) -> Iterator[None]:
        with self._lock:
            self.at_work[channel] += 1
            self.most = max(self.most, self.at_work[channel])
            self.most_together = max(self.most_together, sum(self.at_work.values()))
        try:
            yield
        finally:
            with self._lock:
                self.at_work[channel] -= 1

    def publish(self, *raws: bytes) -> None:
        publisher = Publisher(self.sink, 2**25, clock=lambda: NOW)
        publisher.router = Router([self.wanted])
        with running(publisher):
            for one in raws:
                frame = decode(one)
                assert frame is not None
                publisher.publish(ORIGIN, frame, one)
            assert publisher.flush(20.0)

    def take(self) -> list[dict[str, Any]]:
        """Takes the messages out of the queue, oldest first."""
        found: Any = self.client.lrange(self.queue, 0, -1)
        self.client.delete(self.queue)
        return [json.loads(one) for one in reversed(found)]

    def run(self, message: dict[str, Any]) -> str:
        """Runs a message as a worker does; returns how it ended."""
        args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
        headers = message["headers"]
        request = {**headers, "delivery_info": {"exchange": "", "routing_key": QUEUE}}
        tracer = build_tracer(self.task.name, self.task, app=self.app)
        info = tracer(headers["id"], args, kwargs, request).info
        self.states.append(info.state if info else "SUCCESS")
        return self.states[-1]

    def run_all(self, pause: float = 3000.0) -> None:
        """Runs all messages, one after another, until there is none; those that are to wait at the end."""
        while messages := self.take():
            for message in sorted(messages, key=lambda one: one["headers"]["eta"] or ""):
                if message["headers"]["eta"]:
                    for name in self.client.zrange(INDEX, 0, -1):
                        pass_time(self.client, pause, name.decode())
                self.run(message)

    @contextlib.contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """Workers that take messages from the queue, and wait for the time of those that have one."""
        closing = threading.Event()
        threads = [threading.Thread(target=self._work, args=(closing,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            closing.set()
            for thread in threads:
                thread.join(10.0)

    def _work(self, closing: threading.Event) -> None:
        later: list[dict[str, Any]] = []
        while not closing.is_set():
            due = [one for one in later if _seconds(one) <= 0]
            later = [one for one in later if one not in due]
            found: Any = self.client.brpop([QUEUE], 0.02)
            due += [json.loads(found[1])] if found else []
            for message in due:
                if _seconds(message) > 0:
                    later.append(message)
                else:
                    self.run(message)

    def failed(self) -> int:
        """Events that were given up."""
        return self.context.store.advance(failed_counter(self.task.name), 0)

    def numbers(self) -> list[int]:
        """What was handled, in order."""
        return [number for _, number in self.handled]

    def close(self) -> None:
        self.sink.close()
        self.lanes.close()
        self.client.close()


def _seconds(message: dict[str, Any]) -> float:
    """Until a message's time."""
    eta = message["headers"]["eta"]
    return datetime.fromisoformat(eta).timestamp() - time.time() if eta else 0.0


MakeFleet = Callable[..., Fleet]


@pytest.fixture
def make(redis_url: str, redis_client: redis.Redis) -> Iterator[MakeFleet]:
    with contextlib.ExitStack() as stack:

        def make(*args: Any, **options: Any) -> Fleet:
            fleet = Fleet(redis_url, *args, **options)
            stack.callback(fleet.close)
            return fleet

        yield make


# Published


def test_an_event_stands_in_its_lane_and_its_message_wakes_it(make: MakeFleet) -> None:
    fleet = make(max_age=5.0)
    fleet.publish(raw(1, text="nobody's business"))
    (ours,) = fleet.take()
    lane = f"{fleet.task.name}:T1:C1"
    assert (
        json.loads(fleet.client.lindex(f"botfleet:lane:{lane}", 0))["payload"]["text"] == "nobody's business"
    )  # type: ignore[arg-type]
    assert fleet.client.hgetall(f"botfleet:lane-state:{lane}") == {b"queue": QUEUE.encode()}
    event_id = "T1:C1:message:1.0"
    wanted = wake_up(event_id, lane)
    fleet.task.apply_async([wanted], task_id=f"{event_id}:{fleet.task.name}", queue=QUEUE)
    (theirs,) = fleet.take()
    for message in (ours, theirs):
        message["body"] = json.loads(base64.b64decode(message["body"]))
        del message["properties"]["delivery_tag"], message["properties"]["reply_to"]
        del message["headers"]["origin"]
    assert ours == theirs
    assert ours["headers"]["argsrepr"] == f"<event {event_id}>"
    assert ours["headers"]["expires"] is None, "it may be the one that wakes the lane for others"


@pytest.mark.parametrize(
    ("ordered", "lanes"),
    [
        ("channel", {"C1": [1, 2], "C2": [3], "": [4]}),
        ("user", {"U1": [1, 3], "U2": [2], "": [4]}),
        ("team", {"": [1, 2, 3, 4]}),
    ],
)
def test_events_with_the_same_value_share_a_lane(
    make: MakeFleet, ordered: str, lanes: dict[str, list[int]]
) -> None:
    fleet = make(ordered=ordered)
    fleet.publish(raw(1), raw(2, user="U2"), raw(3, "C2"), raw(4, channel=None, user=None))
    found = {}
    for key in fleet.client.scan_iter("botfleet:lane:*"):
        entries: Any = fleet.client.lrange(key, 0, -1)
        times = [float(json.loads(entry)["payload"]["ts"]) for entry in entries]
        found[key.decode().rpartition(":")[2]] = [int(number) for number in times]
    assert found == lanes


def test_a_copy_stands_in_no_lane(make: MakeFleet, redis_url: str) -> None:
    one, other = make(), make()
    one.publish(raw(1), raw(2), raw(1))
    other.publish(raw(1), raw(2), raw(3))
    one.run_all()
    assert one.numbers() == [1, 2, 3]


def test_other_handlers_of_the_event_are_not_disturbed(make: MakeFleet, redis_client: redis.Redis) -> None:
    fleet = make()
    others = [
        Subscription(task="tasks.plain", types=("message",)),
        Subscription(task="tasks.archive", types=("message",), batch=10, linger=0.01),
        Subscription(task="tasks.log", types=("*",), ordered="team"),
    ]
    publisher = Publisher(fleet.sink, 2**25)
    publisher.router = Router([others[0], fleet.wanted, *others[1:]])
    with running(publisher):
        for number in range(4):
            frame = decode(raw(number))
            assert frame is not None
            publisher.publish(ORIGIN, frame, raw(number))
        assert publisher.flush(20.0)
    assert publisher.unsent == 0
    assert publisher.counters.published == 16
    by_task: dict[str, list[str]] = defaultdict(list)
    for message in fleet.take():
        args, _, _ = json.loads(base64.b64decode(message["body"]))
        found = args[0] if isinstance(args[0], list) else args
        by_task[message["headers"]["task"]] += [one["id"] for one in found]
    wanted = [f"T1:C1:message:{n}.0" for n in range(4)]
    assert by_task == {one.task: wanted for one in (*others, fleet.wanted)}


def test_a_push_says_what_is_common_to_its_events_only_once(make: MakeFleet) -> None:
    fleet = make()
    publisher = Publisher(fleet.sink, 2**25)
    publisher.router = Router([Subscription(task="tasks.plain", types=("message",)), fleet.wanted])
    frames = [(raw(n), decode(raw(n))) for n in range(100)]
    for one, frame in frames:
        assert frame is not None
        publisher.publish(ORIGIN, frame, one)
    before = fleet.client.info("stats")["total_net_input_bytes"]
    with running(publisher):
        assert publisher.flush(20.0)
    sent = fleet.client.info("stats")["total_net_input_bytes"] - before
    assert len(fleet.take()) == 200
    # A message without what is its event's own has more than 800 bytes.
    assert sent < 200 * 800


def test_a_lanes_key_that_is_something_else_leaves_nothing_behind(
    make: MakeFleet, redis_client: redis.Redis
) -> None:
    fleet = make()
    key = f"botfleet:lane:{fleet.task.name}:T1:C1"
    redis_client.set(key, "not a list")
    publisher = Publisher(fleet.sink, 2**25)
    publisher.router = Router([fleet.wanted])
    with running(publisher):
        frame = decode(raw(1))
        assert frame is not None
        publisher.publish(ORIGIN, frame, raw(1))
        assert not publisher.flush(0.2)
        assert list(redis_client.scan_iter()) == [key]
        redis_client.delete(key)
        assert publisher.flush(10.0)
    fleet.run_all()
    assert fleet.numbers() == [1]


@pytest.mark.parametrize("value", ["\ud800", "C 1:\n", "x" * 5000])
def test_an_odd_value_makes_a_harmless_lane(value: str) -> None:
    frame = decode(json.dumps({"type": "message", "channel": "C1"}).encode())
    assert frame is not None
    wanted = Subscription(task="t", types=("*",), ordered="channel")
    lane = lane_of(wanted, "T1", type(frame)(type="message", channel=value))
    assert lane.startswith("t:T1:odd:")
    assert len(lane.encode()) < 100


# Handled


def test_a_channels_events_are_handled_in_order_and_channels_in_parallel(
    make: MakeFleet, redis_client: redis.Redis
) -> None:
    fleet = make()
    chance = random.Random(5)
    fleet.wait = lambda: chance.random() * 0.008
    with fleet.workers(4):
        for start in range(0, 200, 20):
            fleet.publish(*(raw(n, chance.choice(CHANNELS)) for n in range(start, start + 20)))
        eventually(lambda: len(fleet.handled) >= 200, 30.0)
    for channel in CHANNELS:
        its = [number for where, number in fleet.handled if where == channel]
        assert its == sorted(its)
    assert sorted(fleet.numbers()) == list(range(200)), "each once"
    assert fleet.most == 1
    assert fleet.most_together > 1
    eventually(lambda: keys(redis_client) == [])


def test_a_failure_is_tried_again_in_its_place(make: MakeFleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet = make(retry_backoff=False, default_retry_delay=0.1)
    fleet.failing[3] = [OSError("number 3 is full"), OSError("number 3 is full")]
    fleet.publish(*(raw(n) for n in range(6)), *(raw(n, "C2") for n in range(6, 9)))
    with fleet.workers(4):
        eventually(lambda: len(fleet.handled) >= 9, 20.0)
    assert [n for channel, n in fleet.handled if channel == "C1"] == [0, 1, 2, 3, 4, 5]
    assert fleet.numbers().index(8) < fleet.numbers().index(3), "other lanes don't wait"
    assert (fleet.states.count("RETRY"), fleet.states.count("FAILURE"), fleet.failed()) == (2, 0, 0)
    assert "failed for T1:C1:message:3.0, try 1 of 4; its lane waits for 0.1 s" in caplog.text
    assert "number 3" not in caplog.text, "what people wrote"


def test_an_event_that_is_given_up_does_not_block_its_lane(
    make: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = make(max_retries=1)
    fleet.failing[1] = [OSError("full")] * 5
    fleet.failing[3] = [TokenRevoked("token_revoked")] * 5
    fleet.publish(*(raw(n) for n in range(5)))
    fleet.run_all()
    assert fleet.numbers() == [0, 2, 4]
    assert (len(fleet.failing[1]), len(fleet.failing[3])) == (3, 4), "two tries, and one"
    assert (fleet.states.count("RETRY"), fleet.states.count("FAILURE"), fleet.failed()) == (1, 2, 2)
    for number in (1, 3):
        assert f"message:{number}.0, try {2 if number == 1 else 1} of 2, and gives it up" in caplog.text
    assert keys(fleet.client) == []  # type: ignore[comparison-overlap]


def test_nothing_of_a_lane_that_waits_is_handled_before_its_time(make: MakeFleet) -> None:
    fleet = make(retry_backoff=False, default_retry_delay=100)
    fleet.failing[0] = [OSError("full")]
    fleet.publish(raw(0), raw(1), raw(2))
    first, *others = fleet.take()
    assert fleet.run(first) == "RETRY"
    (again,) = fleet.take()
    assert 90 < _seconds(again) <= 100
    for message in others:
        assert fleet.run(message) == "SUCCESS"
    assert fleet.handled == []
    # Even if its own message comes too early, for clocks differ; it comes again.
    assert fleet.run(again) == "SUCCESS"
    (again,) = fleet.take()
    assert 90 < _seconds(again) <= 100
    assert fleet.handled == []
    pass_time(fleet.client, 100.0, f"{fleet.task.name}:T1:C1")
    fleet.run(again)
    assert fleet.numbers() == [0, 1, 2]


def test_a_late_copy_of_a_wake_up_does_nothing(make: MakeFleet) -> None:
    fleet = make()
    fleet.publish(raw(0), raw(1))
    messages = fleet.take()
    for message in (*messages, *messages):
        assert fleet.run(message) == "SUCCESS"
    assert fleet.numbers() == [0, 1]
    assert fleet.take() == []


def test_a_run_does_not_keep_its_worker_for_ever(make: MakeFleet) -> None:
    fleet = make()
    fleet.publish(*(raw(n) for n in range(MOST_EVENTS + 10)))
    first = fleet.take()[0]
    fleet.run(first)
    assert fleet.numbers() == list(range(MOST_EVENTS))
    (again,) = fleet.take()
    assert again["headers"]["argsrepr"] == f"<event T1:C1:message:{MOST_EVENTS}.0>"
    fleet.run(again)
    assert fleet.numbers() == list(range(MOST_EVENTS + 10))


@pytest.mark.parametrize("options", [{"time_limit": 5.0}, {"soft_time_limit": 5.0}, {"rate_limit": "5/m"}])
def test_where_celery_limits_runs_each_has_one_event(make: MakeFleet, options: dict[str, Any]) -> None:
    fleet = make(**options)
    fleet.publish(raw(0), raw(1), raw(2))
    message = fleet.take()[0]
    for done in (1, 2, 3):
        fleet.run(message)
        assert len(fleet.handled) == done
        message = next(iter(fleet.take()), {})
    assert message == {}


def test_what_is_too_old_is_dropped_and_counted(make: MakeFleet) -> None:
    fleet = make(max_age=5.0)
    fleet.publish(raw(0), raw(1))
    object.__setattr__(fleet.context, "clock", lambda: NOW + 6.0)
    fleet.run_all()
    assert fleet.handled == []
    assert fleet.context.store.advance(late_counter(fleet.task.name), 0) == 2


def test_what_can_not_be_read_is_given_up(make: MakeFleet) -> None:
    fleet = make()
    lane = f"{fleet.task.name}:T1:C1"
    for envelope in (b'{"id":"Ev1","n":' + b"1" * 5000 + b"}", b'{"id":"Ev2"}', b"[]", b"junk"):
        fleet.lanes.append(envelope.decode(), lane, QUEUE, envelope)
    fleet.publish(raw(7))
    fleet.run_all()
    assert fleet.numbers() == [7]
    assert fleet.failed() == fleet.states.count("FAILURE") == 4
    assert "RETRY" not in fleet.states


def test_an_event_that_kills_its_worker_each_time_is_given_up(
    make: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = make()
    fleet.publish(raw(0), raw(1))
    lane = f"{fleet.task.name}:T1:C1"
    for number in range(MOST_LOST + 1):
        assert fleet.lanes.take(lane, f"killed {number}") is not None
        pass_time(fleet.client, 1000.0, lane)
    fleet.run_all()
    assert fleet.numbers() == [1]
    assert fleet.failed() == 1
    assert "message:0.0" in caplog.text


def test_a_run_that_loses_its_lane_says_so_and_leaves_the_rest(
    make: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = make()
    fleet.publish(raw(0), raw(1))
    lane = f"{fleet.task.name}:T1:C1"

    def be_overtaken() -> float:
        fleet.wait = lambda: 0.0
        pass_time(fleet.client, 1000.0, lane)
        assert fleet.lanes.take(lane, "other") is not None
        return 0.0

    fleet.wait = be_overtaken
    fleet.run_all()
    assert fleet.numbers() == [0]
    assert "another worker handles it again" in caplog.text
    assert fleet.lanes.strike(lane, "other", go_on=True).head is not None, "the other's to strike out"


class TestChanges:
    """Handlers that become ordered, or are so no more."""

    def test_an_event_by_itself_is_handled_and_tried_again(self, make: MakeFleet) -> None:
        fleet = make()
        fleet.failing[1] = [OSError("full")]
        envelope = {"id": "Ev1", "type": "message", "subtype": None, "team_id": "T1", "namespace": ""}
        envelope |= {"bot_user_id": "U0", "transport": "rtm", "received_at": NOW, "backfilled": False}
        fleet.task.apply_async([{**envelope, "payload": json.loads(raw(1))}], queue=QUEUE)
        fleet.run_all()
        assert fleet.states == ["RETRY", "SUCCESS"]
        assert fleet.numbers() == [1]

    def test_a_lane_of_before_is_emptied(self, make: MakeFleet) -> None:
        make().publish(raw(0), raw(1))
        later = make(ordered=None)
        later.run_all()
        assert later.numbers() == [0, 1]


# Swept


def test_a_lane_whose_wake_up_is_lost_goes_on(make: MakeFleet) -> None:
    fleet = make()
    store = fleet.context.store
    store.put_subscriptions("handler", [fleet.wanted])
    sweeper = Sweeper(fleet.app, store, fleet.lanes)
    fleet.publish(raw(0), raw(1))
    fleet.take()
    assert sweeper.run().woken == 0
    pass_time(fleet.client, 10.0, f"{fleet.task.name}:T1:C1")
    assert sweeper.run().woken == 1
    (message,) = fleet.take()
    assert message["headers"]["argsrepr"] == "<event T1:C1:message:0.0>"
    fleet.run(message)
    assert fleet.numbers() == [0, 1]
    assert sweeper.run().woken == 0


def test_with_a_prefix_every_key_has_it(make: MakeFleet, redis_client: redis.Redis) -> None:
    fleet = make(prefix="beta:")
    fleet.publish(raw(0), raw(1))
    assert [key for key in redis_client.scan_iter() if not str(key).startswith("beta:")] == []
    fleet.take()
    fleet.context.store.put_subscriptions("handler", [fleet.wanted])
    redis_client.zincrby("beta:botfleet:lanes", -10_000, f"{fleet.task.name}:T1:C1")
    assert Sweeper(fleet.app, fleet.context.store, fleet.lanes).run().woken == 1
    fleet.run_all()
    assert fleet.numbers() == [0, 1]
    assert keys(redis_client) == []


def test_lanes_of_a_handler_that_is_gone_go_after_a_while(
    make: MakeFleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = make()
    sweeper = Sweeper(fleet.app, fleet.context.store, fleet.lanes)
    fleet.publish(raw(0), raw(1))
    fleet.take()
    minutes = 0
    while not sweeper.run().dropped:
        pass_time(fleet.client, 60.0, f"{fleet.task.name}:T1:C1")
        minutes += 1
    assert 5 <= minutes <= 15, "a deploy may take some minutes"
    assert keys(fleet.client) == []  # type: ignore[comparison-overlap]
    assert "2 events are dropped: their handler is gone" in caplog.text
    assert fleet.take() == []


# On brokers without scripts


class Flaky(KombuSink):
    """Loses its broker when it is told to."""

    failing = 0

    def _send(self, *args: Any) -> None:
        if self.failing:
            self.failing -= 1
            raise OSError("the broker is away")
        super()._send(*args)


@pytest.fixture
def flaky(make: MakeFleet, redis_url: str) -> Fleet:
    """Publishes as to RabbitMQ; the queue is in Redis all the same."""
    lanes = OrderedLanes(client_of(redis_url), ttl=1000.0)
    return make(lambda app: Flaky(app, RedisMarks(client_of(redis_url)), lanes))


def test_on_other_brokers_the_lanes_are_in_the_store(flaky: Fleet) -> None:
    flaky.publish(*(raw(n, channel) for n, channel in enumerate(CHANNELS * 6)))
    flaky.publish(raw(3, "C3"))
    flaky.run_all()
    assert sorted(flaky.numbers()) == list(range(30))
    for channel in CHANNELS:
        its = [number for where, number in flaky.handled if where == channel]
        assert its == sorted(its)


def test_there_a_push_that_is_tried_again_appends_nothing_twice(flaky: Fleet) -> None:
    assert isinstance(flaky.sink, Flaky)
    flaky.sink.failing = 2
    flaky.publish(raw(0), raw(1), raw(2))
    assert len(flaky.client.lrange(f"botfleet:lane:{flaky.task.name}:T1:C1", 0, -1)) == 3  # type: ignore[arg-type]
    flaky.run_all()
    assert flaky.numbers() == [0, 1, 2]


def test_there_an_event_has_its_wake_up_even_if_the_broker_was_away_for_that(flaky: Fleet) -> None:
    assert isinstance(flaky.sink, Flaky)
    flaky.sink.failing = 1
    flaky.publish(raw(0))
    flaky.run_all()
    assert flaky.numbers() == [0]


def test_logs_are_quiet_when_all_is_well(make: MakeFleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet = make()
    with caplog.at_level(logging.INFO, "botfleet"):
        fleet.publish(raw(0), raw(1))
        fleet.run_all()
    assert [record for record in caplog.records if record.name.startswith("botfleet")] == []
