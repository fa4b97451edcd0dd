"""The ways to a broker: in order, each event once, whatever happens on the way."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from bench.chaos.proxy import Proxy
from botfleet import inventory
from botfleet.depths import Depths
from botfleet.embedded import EmbeddedServer
from botfleet.errors import PublishError
from botfleet.model import Subscription
from botfleet.publishing.kombu_sink import KombuSink
from botfleet.publishing.outgoing import Outgoing
from botfleet.publishing.publisher import Sink
from botfleet.publishing.sinks import RedisSink
from botfleet.store.redis_client import client_of, redis_py_url

from ..waiting import eventually
from .rabbit import RabbitMQ
from .sink_worker import ELSEWHERE, FIRST, SECOND, app_for, work

MakeSink = Callable[..., RedisSink]


def event(number: int, *subscriptions: Subscription, text: str = "") -> Outgoing:
    envelope = json.dumps({"id": f"Ev{number}", "payload": {"text": text}}).encode()
    return Outgoing(f"Ev{number}", envelope, time.time(), "q", subscriptions or (FIRST,))


def events(numbers: range, *subscriptions: Subscription) -> list[Outgoing]:
    return [event(number, *subscriptions) for number in numbers]


def ids(client: redis.Redis, name: str = "q") -> list[str]:
    """The ids of a queue's tasks, oldest first."""
    found: Any = client.lrange(name, 0, -1)
    return [json.loads(one)["headers"]["id"] for one in reversed(found)]


def expected(numbers: range | list[int], task: str = FIRST.task) -> list[str]:
    return [f"Ev{number}:{task}" for number in numbers]


class TestRedis:
    @pytest.fixture
    def make(self, redis_url: str) -> Iterator[MakeSink]:
        made: list[RedisSink] = []

        def make(url: str = redis_url, prefix: str = "", **options: Any) -> RedisSink:
            app = app_for(redis_url, key_prefix=prefix)
            made.append(RedisSink(app, client_of(url), prefix, **options))
            return made[-1]

        yield make
        for sink in made:
            sink.close()

    @pytest.fixture
    def sink(self, make: MakeSink) -> RedisSink:
        return make()

    def test_events_keep_their_order_within_and_between_batches(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        numbers = range(2500)
        for start in range(0, 2500, 500):
            assert sink.push(events(numbers[start : start + 500])) == 500
        assert ids(redis_client) == expected(numbers)

    def test_an_empty_batch_is_nothing(self, sink: RedisSink, redis_client: redis.Redis) -> None:
        assert sink.push([]) == 0
        assert list(redis_client.scan_iter()) == []

    def test_each_handler_gets_each_event_on_its_own_queue(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        sink.push([event(1, FIRST, SECOND, ELSEWHERE), event(2, ELSEWHERE), event(3, SECOND)])
        assert ids(redis_client) == ["Ev1:tasks.first", "Ev1:tasks.second", "Ev3:tasks.second"]
        assert ids(redis_client, "elsewhere") == expected([1, 2], ELSEWHERE.task)

    @pytest.mark.parametrize("prefix", ["", "fleet:"])
    def test_people_are_told_how_much_waits(self, make: MakeSink, redis_url: str, prefix: str) -> None:
        make(prefix=prefix).push(events(range(3), ELSEWHERE))
        lengths = inventory.waiting(app_for(redis_url, key_prefix=prefix), {"handler": [ELSEWHERE]})
        assert (lengths["elsewhere"], lengths["events.other"]) == (3, 0)

    def test_messages_of_all_priorities_wait(self, redis_url: str, redis_client: redis.Redis) -> None:
        app = app_for(redis_url, key_prefix="fleet:")
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, "priority_steps": [0, 3]}
        redis_client.rpush("fleet:q", b"1")
        redis_client.rpush("fleet:q\x06\x163", b"2")
        redis_client.hset("fleet:unacked", "tag", b"3")
        depths = Depths(app)
        assert depths.read(["q", "other"]) == {"q": 2, "other": 0}
        assert depths.unacked() == 1
        depths.ping()

    def test_a_queue_is_the_events_where_the_handler_names_none(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        sink.push([event(1), event(2)._replace(queue="p"), event(3)])
        assert ids(redis_client) == expected([1, 3])
        assert ids(redis_client, "p") == expected([2])

    def test_a_copy_is_told_in_the_batch_and_after_it_and_by_another_holder(
        self, make: MakeSink, redis_client: redis.Redis
    ) -> None:
        one, other = make(), make()
        assert one.push([event(1), event(2), event(1), event(1)]) == 2
        assert other.push([event(2), event(3, FIRST, SECOND), event(1)]) == 1
        assert one.push([event(3)]) == 0
        assert ids(redis_client) == [*expected([1, 2, 3]), "Ev3:tasks.second"]

    def test_two_holders_at_once_push_each_event_once(
        self, make: MakeSink, redis_client: redis.Redis
    ) -> None:
        """Both read the same events, in the same order, and push them in batches of their own."""
        new: queue.SimpleQueue[int] = queue.SimpleQueue()

        def hold(sink: RedisSink, size: int) -> None:
            for start in range(0, 3000, size):
                new.put(sink.push(events(range(start, min(start + size, 3000)))))

        threads = [threading.Thread(target=hold, args=(make(), size)) for size in (7, 11, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert sum(new.get() for _ in range(new.qsize())) == 3000
        assert ids(redis_client) == expected(range(3000))

    def test_there_is_no_key_without_an_end_but_the_queues(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        sink.push(events(range(100), FIRST, ELSEWHERE))
        names = [name for name in redis_client.scan_iter() if redis_client.ttl(name) == -1]
        assert sorted(names) == ["elsewhere", "q"]

    def test_a_push_that_the_server_refuses_leaves_nothing_behind(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        """Else the next try would take its events for copies, and they were lost."""
        redis_client.set("elsewhere", "not a list")
        batch = [event(1, FIRST), event(2, FIRST, ELSEWHERE), event(3, SECOND)]
        with pytest.raises(PublishError, match="elsewhere"):
            sink.push(batch)
        assert sorted(redis_client.scan_iter()) == ["elsewhere"]
        redis_client.delete("elsewhere")
        assert sink.push(batch) == 3
        assert ids(redis_client) == ["Ev1:tasks.first", "Ev2:tasks.first", "Ev3:tasks.second"]
        assert ids(redis_client, "elsewhere") == expected([2], ELSEWHERE.task)

    def test_a_server_without_room_takes_all_or_nothing(
        self, make: MakeSink, redis_client: redis.Redis
    ) -> None:
        sink = make()
        sink.push([event(0)])
        redis_client.config_set("maxmemory", 1)
        try:
            with pytest.raises(PublishError):
                sink.push(events(range(1, 50)))
        finally:
            redis_client.config_set("maxmemory", 0)
        assert sink.push(events(range(1, 50))) == 49
        assert ids(redis_client) == expected(range(50))

    def test_a_batch_whose_answer_was_lost_is_not_doubled_by_the_next_try(
        self, make: MakeSink, valkey: EmbeddedServer, redis_client: redis.Redis, tmp_path: Path
    ) -> None:
        target = redis_py_url(valkey.url).removeprefix("unix://")
        with Proxy(target, tmp_path / "proxy.sock") as proxy:
            sink = make(proxy.redis_url)
            sink.push([event(0)])
            batch = [event(n, FIRST, SECOND) for n in (1, 2, 3)]
            proxy.lose_answers(1)
            with pytest.raises(PublishError):
                sink.push(batch)
            assert len(ids(redis_client)) == 7, "it was done"
            assert sink.push(batch) == 0
            assert sink.push(events(range(4, 6))) == 2
        tasks = [name for n in (1, 2, 3) for name in (f"Ev{n}:tasks.first", f"Ev{n}:tasks.second")]
        assert ids(redis_client) == [*expected([0]), *tasks, *expected([4, 5])]

    def test_a_broker_that_is_away_is_a_publish_error(self, make: MakeSink, tmp_path: Path) -> None:
        with pytest.raises(PublishError):
            make(f"redis+socket://{tmp_path}/nobody.sock").push([event(1)])
        with pytest.raises(PublishError):
            make("redis://127.0.0.1:1/0").push([event(1)])

    def test_a_server_that_was_restarted_takes_the_next_batch(self, tmp_path: Path) -> None:
        with EmbeddedServer(tmp_path) as server, contextlib.ExitStack() as stack:
            sink = RedisSink(app_for(server.url), client_of(server.url))
            stack.callback(sink.close)
            sink.push([event(1)])
            server.stop()
            with pytest.raises(PublishError):
                sink.push([event(2)])
            server.start()
            assert sink.push([event(1), event(2)]) == 1, "marks are as durable as queues"
            with client_of(server.url) as client:
                assert ids(client) == expected([1, 2])

    def test_a_server_that_forgot_its_scripts_is_told_again(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        sink.push([event(1)])
        redis_client.script_flush()
        assert sink.push([event(2)]) == 1
        assert ids(redis_client) == expected([1, 2])

    def test_with_a_prefix_every_key_has_it(self, make: MakeSink, redis_client: redis.Redis) -> None:
        make(prefix="beta:").push([event(1, FIRST, ELSEWHERE)])
        marks = ["beta:botfleet:seen", "beta:botfleet:seen:0"]
        assert sorted(redis_client.scan_iter()) == [*marks, "beta:elsewhere", "beta:q"]

    def test_fleets_with_prefixes_share_nothing(self, make: MakeSink, redis_client: redis.Redis) -> None:
        assert [make(prefix=prefix).push([event(1)]) for prefix in ("", "a:", "b:")] == [1, 1, 1]

    @pytest.mark.parametrize("prefix", ["", "beta:"])
    def test_a_celery_worker_takes_the_tasks_in_order(
        self, make: MakeSink, redis_url: str, redis_client: redis.Redis, tmp_path: Path, prefix: str
    ) -> None:
        make(prefix=prefix).push(events(range(20), FIRST, ELSEWHERE))
        done = work(tmp_path, redis_url, 40, prefix=prefix)
        for task in (FIRST.task, ELSEWHERE.task):
            assert [event_id for name, event_id in done if name == task] == [f"Ev{n}" for n in range(20)]
        eventually(lambda: not [name for name in redis_client.scan_iter() if "unacked" in str(name)])

    def test_a_subscription_that_changes_changes_its_messages(
        self, sink: RedisSink, redis_client: redis.Redis
    ) -> None:
        later = Subscription(task=FIRST.task, types=("message",), max_age=5.0, kwargs={"method": "on_x"})
        bots = [Subscription(task="tasks.bots", types=("message",), bot=f"T{n}") for n in range(3)]
        sink.push([event(1), event(2, later), event(3), *(event(4 + n, one) for n, one in enumerate(bots))])
        found: Any = redis_client.lrange("q", 0, -1)
        headers = [json.loads(one)["headers"] for one in reversed(found)]
        assert [one["expires"] is None for one in headers] == [True, False, True, True, True, True]
        assert [one["kwargsrepr"] == "{}" for one in headers] == [True, False, True, True, True, True]


@pytest.fixture
def kombu_sink(app: Celery) -> Iterator[KombuSink]:
    sink = KombuSink(app)
    yield sink
    sink.close()


class TestKombu:
    """On a broker in memory."""

    @pytest.fixture
    def app(self) -> Iterator[Celery]:
        app = app_for("memory://")
        yield app
        with app.connection_for_write() as connection:
            for name in ("q", "elsewhere"):
                connection.default_channel.queue_delete(name)

    def test_events_keep_their_order_and_handlers_their_queues(
        self, app: Celery, kombu_sink: KombuSink
    ) -> None:
        assert kombu_sink.push([event(1, FIRST, SECOND, ELSEWHERE), event(2, ELSEWHERE), event(3)]) == 3
        assert waiting(app) == ["Ev1:tasks.first", "Ev1:tasks.second", "Ev3:tasks.first"]
        assert waiting(app, "elsewhere") == expected([1, 2], ELSEWHERE.task)

    def test_a_copy_is_told(self, app: Celery, kombu_sink: KombuSink) -> None:
        assert kombu_sink.push([event(1), event(2), event(1)]) == 2
        assert kombu_sink.push([event(2), event(3), event(1)]) == 1
        assert waiting(app) == expected([1, 2, 3])

    def test_what_the_broker_took_before_it_failed_is_not_sent_again(
        self, app: Celery, kombu_sink: KombuSink
    ) -> None:
        broken = Subscription(task="tasks.broken", types=("message",), queue="broken")
        app.amqp.queues.add(app.amqp.Queues({}).new_missing("broken"))
        app.amqp.queues["broken"].queue_declare = refuse
        batch = [event(1), event(2, FIRST, broken, SECOND), event(3)]
        with pytest.raises(PublishError):
            kombu_sink.push(batch)
        assert waiting(app) == expected([1, 2])
        del app.amqp.queues["broken"].queue_declare
        kombu_sink.push(batch)
        assert waiting(app) == ["Ev2:tasks.second", *expected([3])]

    def test_json_that_python_refuses_hinders_nothing(self, app: Celery, kombu_sink: KombuSink) -> None:
        odd = event(2)._replace(envelope=b'{"n":' + b"1" * 5000 + b"}")
        assert kombu_sink.push([event(1), odd, event(3)]) == 2
        assert waiting(app) == expected([1, 3])

    def test_a_message_expires_by_the_time_at_which_its_event_came(
        self, app: Celery, kombu_sink: KombuSink
    ) -> None:
        """Not by that at which the broker was back."""
        now = time.time()
        kombu_sink.push([event(1, ELSEWHERE)._replace(received_at=now - 20.0)])
        (message,) = take(app, "elsewhere")
        expires = datetime.fromisoformat(message.headers["expires"]).timestamp()
        assert expires == pytest.approx(now + 40.0, abs=0.1)
        assert int(message.properties["expiration"]) == pytest.approx(40_000, abs=5000)

    def test_a_broker_that_is_away_is_a_publish_error(self) -> None:
        sink = KombuSink(app_for("amqp://127.0.0.1:1//"))
        started = time.monotonic()
        for _ in range(3):
            with pytest.raises(PublishError):
                sink.push([event(1)])
        assert time.monotonic() - started < 2.0, "it is the publisher who waits between tries"
        sink.close()


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbit")) as server:
        yield server


class TestRabbitMQ:
    @pytest.fixture
    def app(self, rabbit: RabbitMQ) -> Iterator[Celery]:
        app = app_for(rabbit.url)
        yield app
        with app.connection_for_write() as connection:
            for name in ("q", "elsewhere"):
                connection.default_channel.queue_delete(name)

    def test_a_celery_worker_takes_each_task_once(
        self, kombu_sink: KombuSink, rabbit: RabbitMQ, tmp_path: Path
    ) -> None:
        """It declares the queues as the sink did, or the broker would refuse it."""
        assert kombu_sink.push(events(range(20), FIRST, ELSEWHERE)) == 20
        tasks = [(task, f"Ev{n}") for n in range(20) for task in (FIRST.task, ELSEWHERE.task)]
        assert sorted(work(tmp_path, rabbit.url, 40, concurrency=4)) == sorted(tasks)

    def test_each_message_is_there_when_push_returns(self, app: Celery, kombu_sink: KombuSink) -> None:
        for n in range(50):
            kombu_sink.push([event(n)])
            assert count(app, "q") == n + 1

    def test_people_are_told_how_much_waits(self, app: Celery, kombu_sink: KombuSink) -> None:
        kombu_sink.push(events(range(3), ELSEWHERE))
        lengths = inventory.waiting(app, {"handler": [ELSEWHERE]})
        assert (lengths["elsewhere"], lengths["events.other"]) == (3, 0)

    def test_over_a_restart_everything_arrives_once_and_in_order(
        self, app: Celery, kombu_sink: KombuSink, rabbit: RabbitMQ
    ) -> None:
        assert kombu_sink.push(events(range(5))) == 5
        rabbit.stop()
        for _ in range(2):
            with pytest.raises(PublishError):
                kombu_sink.push(events(range(5, 10)))
        rabbit.start()
        assert eventually(lambda: push(kombu_sink, events(range(5, 10))), 10.0, 0.2) == 5
        assert waiting(app) == expected(range(10))


def push(sink: Sink, batch: list[Outgoing]) -> int | None:
    """As the publisher does it, again and again until the broker takes it."""
    try:
        return sink.push(batch)
    except PublishError:
        return None


def refuse(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("refused")


def take(app: Celery, name: str = "q") -> list[Any]:
    """Takes the messages out of a queue."""
    found = []
    with app.connection_for_read() as connection:
        while (message := connection.default_channel.basic_get(name, no_ack=True)) is not None:
            found.append(message)
    return found


def waiting(app: Celery, name: str = "q") -> list[str]:
    """Takes the ids of a queue's tasks out, oldest first."""
    return [message.headers["id"] for message in take(app, name)]


def count(app: Celery, name: str) -> int:
    with app.connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(name, passive=True).message_count)
