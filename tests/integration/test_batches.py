"""Bundles in Redis: put together by the script of the events that are new, and read by Celery as any task."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import redis
from celery import Celery

from botfleet.configuration import celery_defaults
from botfleet.model import Subscription
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.sinks import RedisSink
from botfleet.redaction import BATCH, EventTask
from botfleet.settings import Settings
from botfleet.store.redis_client import client_of

SINK = Subscription(task="tasks.archive", types=("message",), batch=100, linger=0.05)


@pytest.fixture
def app(redis_url: str) -> Celery:
    """An app with the handler's task."""
    app = Celery("test", set_as_current=False)
    app.conf.update(celery_defaults(Settings(broker_url=redis_url, store_url=redis_url)))

    @app.task(name=SINK.task, base=EventTask, typing=False, shared=False)
    def archive(events: list[dict[str, Any]]) -> None: ...

    return app


@pytest.fixture
def sink(app: Celery, redis_url: str) -> RedisSink:
    return RedisSink(app, client_of(redis_url))


def outgoing(number: int, text: str = "") -> Outgoing:
    # Texts of each length modulo three: base64 must fit together wherever an event ends.
    envelope = json.dumps({"id": f"Ev{number}", "text": text or "x" * number}, ensure_ascii=False)
    return Outgoing(f"Ev{number}", envelope.encode(), 1_700_000_000.0, "q", (SINK,))


def bundle(*numbers: int) -> Bundle:
    return Bundle(SINK, "q", tuple(outgoing(number) for number in numbers))


def messages(client: redis.Redis) -> list[dict[str, Any]]:
    """The messages in the queue, oldest first."""
    found: list[Any] = client.lrange("q", 0, -1)  # type: ignore[assignment]
    return [json.loads(one) for one in reversed(found)]


def bodies(client: redis.Redis) -> list[list[str]]:
    """The events' ids in each message."""
    decoded = [json.loads(base64.b64decode(one["body"], validate=True)) for one in messages(client)]
    return [[event["id"] for event in args[0]] for args, _, _ in decoded]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50])
def test_one_message_carries_all_events(sink: RedisSink, redis_client: redis.Redis, count: int) -> None:
    assert sink.push([bundle(*range(count))]) == count
    assert bodies(redis_client) == [[f"Ev{n}" for n in range(count)]]


def test_what_was_pushed_before_is_left_out(sink: RedisSink, redis_client: redis.Redis) -> None:
    assert sink.push([bundle(1, 2, 3)]) == 3
    assert sink.push([bundle(2, 3, 4), bundle(1, 5)]) == 2
    assert sink.push([bundle(1, 2, 3, 4, 5)]) == 0
    assert bodies(redis_client) == [["Ev1", "Ev2", "Ev3"], ["Ev4"], ["Ev5"]]


def test_a_single_handler_of_the_same_event_is_not_disturbed(
    sink: RedisSink, redis_client: redis.Redis
) -> None:
    single = Subscription(task="tasks.answer", types=("message",))
    alone = outgoing(1)._replace(subscriptions=(single,))
    assert sink.push([alone, bundle(1, 2), alone]) == 3
    assert [one["headers"]["task"] for one in messages(redis_client)] == ["tasks.answer", "tasks.archive"]


def test_the_message_is_what_celery_would_send(
    app: Celery, sink: RedisSink, redis_client: redis.Redis
) -> None:
    sink.push([bundle(1, 2)])
    ours = messages(redis_client)[0]
    redis_client.delete("q")
    events = [json.loads(outgoing(n).envelope) for n in (1, 2)]
    task_id = ours["headers"]["id"]
    app.tasks[SINK.task].apply_async([events], task_id=task_id, queue="q", ignore_result=True)
    theirs = messages(redis_client)[0]
    # Which events are new shows when the script puts the message together; workers describe them anew.
    for message, described in ((ours, BATCH), (theirs, "<2 events, Ev1 … Ev2>")):
        message["body"] = json.loads(base64.b64decode(message["body"]))
        del message["properties"]["delivery_tag"]
        assert message["headers"].pop("argsrepr") == message["properties"].pop("argsrepr") == described
    assert ours == theirs
