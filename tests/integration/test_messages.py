"""A holder's messages are what the handler's own `apply_async` would have put into the queue.

The holder writes them without Celery; what the installed Celery and kombu do decides what is right.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import redis
from celery import Celery

from botfleet.configuration import celery_defaults
from botfleet.handlers import Handler, Loaded, command, on
from botfleet.handlers.running.binding import bind
from botfleet.model import Bot, Subscription
from botfleet.publishing.outgoing import Outgoing
from botfleet.publishing.sinks import RedisSink
from botfleet.settings import Settings
from botfleet.slack.envelope import Identifier, Origin, wrap
from botfleet.slack.frames import decode
from botfleet.store.redis_client import client_of

from ..unit.bots import context_with_bot

Message = dict[str, Any]

ORIGIN = Origin.of(
    Bot(team_id="T1", namespace="my-app", bot_user_id="U0", sealed_token="plain:x", fingerprint="f")
)
QUEUE = "events.message.public"


@on("message")
def plain(event: object) -> None: ...


@on("message", queue="slow lane", max_age=90.0, max_retries=7, rate_limit="5/m")
def careful(event: object) -> None: ...


@on("message", max_age=0.5)
def hasty(event: object) -> None: ...


@command("ping", queue="ping")
def ping(event: object) -> None: ...


HANDLERS: tuple[Handler[..., object], ...] = (plain, careful, hasty, ping)


class Pair:
    """The two ways into the queue: a holder's sink, and the handler's task."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.app = Celery("test", set_as_current=False)
        self.app.conf.update(celery_defaults(Settings(broker_url=url, store_url=url)))
        bind(self.app, Loaded(("test",), HANDLERS), context_with_bot())
        self.sink = RedisSink(self.app, client_of(url))
        self._client = client

    def by_holder(self, subscription: Subscription, raw: bytes) -> Message:
        event = outgoing(raw, subscription)
        assert self.sink.push([event]) == 1
        return self.take(subscription.queue or event.queue)

    def by_celery(self, subscription: Subscription, ours: Message) -> Message:
        """Sends the same event, under the same id, as anybody would who has the task."""
        envelope = body_of(ours)[0][0]
        queue = subscription.queue or QUEUE
        self.app.tasks[subscription.task].apply_async(
            args=[envelope],
            kwargs=subscription.kwargs,
            task_id=ours["headers"]["id"],
            queue=queue,
            expires=subscription.max_age,
        )
        return self.take(queue)

    def take(self, queue: str) -> Message:
        """The only message of a queue, and the only queue."""
        assert self._client.llen(queue) == 1
        message: Message = json.loads(self._client.lpop(queue))  # type: ignore[arg-type]
        assert [name for name in self._client.scan_iter() if self._client.type(name) == "list"] == []
        return message


@pytest.fixture
def pair(redis_url: str, redis_client: redis.Redis) -> Pair:
    return Pair(redis_url, redis_client)


def outgoing(raw: bytes, *subscriptions: Subscription) -> Outgoing:
    """An event on its way, made as the publisher makes it."""
    frame = decode(raw)
    assert frame is not None
    event_id = Identifier().identify(ORIGIN, frame)
    now = time.time()
    return Outgoing(event_id, wrap(event_id, ORIGIN, frame, raw, now), now, QUEUE, subscriptions)


def message(text: str = "hello", **fields: Any) -> bytes:
    event = {"type": "message", "channel": "C1", "user": "U1", "ts": "1700000000.000100", "text": text}
    return json.dumps({**event, **fields}).encode()


def body_of(message: Message) -> Any:
    assert message["properties"]["body_encoding"] == "base64"
    return json.loads(base64.b64decode(message["body"], validate=True))


def assert_equal(ours: Message, theirs: Message, seconds: float = 5.0) -> None:
    """Field by field; times within a tolerance, and what is each sender's own only in its form."""
    ours, theirs = flat(ours), flat(theirs)
    assert list(ours) == list(theirs), "the same fields in the same order"
    for name in OWN:
        assert type(ours.pop(name)) is type(theirs.pop(name)), name
    expires = ours.pop("headers.expires"), theirs.pop("headers.expires")
    assert_same_time(*expires, seconds)
    assert ours == theirs


#: What is a sender's own: its tag, its name, and where it would await a result.
OWN = ("properties.delivery_tag", "headers.origin", "properties.reply_to")


def flat(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in message.items():
        if name in ("headers", "properties"):
            fields |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            fields[name] = body_of(message) if name == "body" else value
    return fields


def assert_same_time(ours: str | None, theirs: str | None, seconds: float) -> None:
    if ours is None or theirs is None:
        assert ours is theirs
        return
    times = [datetime.fromisoformat(text) for text in (ours, theirs)]
    assert times[0].utcoffset() == times[1].utcoffset()
    assert abs((times[0] - times[1]).total_seconds()) < seconds


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.function.__name__)
def test_each_handlers_message_is_celerys_own(pair: Pair, handler: Handler[..., object]) -> None:
    ours = pair.by_holder(handler.subscription, message())
    assert_equal(ours, pair.by_celery(handler.subscription, ours))


@pytest.mark.parametrize(
    "fields",
    [
        {"kwargs": {"method": "on_message"}},
        {"kwargs": {"method": "on_message", "depth": [1, {"é": None}], "text": 'a "b" \\ % {0} ~'}},
        {"kwargs": {"method": "on_message"}, "max_age": 30.0, "queue": "mine"},
        {"queue": "events.{curly}:é %s"},
        {"max_age": 1e-3},
        {"max_age": 86_400.25},
        {"max_age": 0.0},
        {"bot": "my-app-T1", "types": ("message", "team_join"), "subtypes": ("*",)},
    ],
)
def test_whatever_a_subscription_says(pair: Pair, fields: dict[str, Any]) -> None:
    subscription = Subscription(**{"task": plain.name, "types": ("message",), **fields})
    ours = pair.by_holder(subscription, message())
    assert_equal(ours, pair.by_celery(subscription, ours))


ODD_TEXTS = [
    "",
    "Grüße, 世界 \N{PARTY POPPER}",
    "100 % %s %(a)s {} {0} {text} $1 \\1 \\g<0>",
    "\"quoted\" 'single' \\ back\\slash \\u0041 </script>",
    "line\nfeed\ttab\r\0\x1b\x7f\u2028\u2029",
    "pairs \U0001f600 and what JSON writes as \\ud83d\\ude00",
    "~botfleet-id~ ~botfleet-body~ ~botfleet-event~ ~botfleet-expires~ ~botfleet-tag~",
    '"~botfleet-event~", {}, {"callbacks": null}]',
    "x" * 40_000,
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
@pytest.mark.parametrize("handler", [plain, careful], ids=["plain", "careful"])
def test_whatever_people_write(pair: Pair, handler: Handler[..., object], text: str) -> None:
    ours = pair.by_holder(handler.subscription, message(text))
    assert body_of(ours)[0][0]["payload"]["text"] == text
    assert_equal(ours, pair.by_celery(handler.subscription, ours))


@pytest.mark.parametrize(
    "raw",
    [
        '{"type":"message","channel":"C1","ts":"1.1","text":"Grüße 世界"}'.encode(),
        b'{"type":"message","channel":"C1","ts":"1.1","text":"\\ud83d\\ude00 \\u0000"}',
        b' {\n"type" : "message" , "channel":"C1","ts":"1.1" } \n',
        b'{"type":"message","channel":"C1","ts":"1.1","n":12345678901234567890,"f":1.50,"e":1E400}',
        b'{"type":"message","channel":"C1","ts":"1.1","text":"a","text":"b"}',
    ],
)
def test_whatever_bytes_slack_sends(pair: Pair, raw: bytes) -> None:
    ours = pair.by_holder(plain.subscription, raw)
    assert body_of(ours)[0][0]["payload"] == json.loads(raw)
    assert_equal(ours, pair.by_celery(plain.subscription, ours))


def test_texts_of_every_length(pair: Pair) -> None:
    """The parts of a body are encoded apart; wherever an event ends, they must fit."""
    for length in range(10):
        for channel in ("C1", "C12", "C123"):
            raw = message("x" * length, channel=channel, ts=f"{length}.{len(channel)}")
            ours = pair.by_holder(plain.subscription, raw)
            assert body_of(ours)[0][0]["payload"] == json.loads(raw)
            assert body_of(ours)[1:] == body_of(pair.by_celery(plain.subscription, ours))[1:]


@pytest.mark.parametrize(
    "channel", ["~botfleet-tag~", "~botfleet-expires~", '"}', "%s", "é", "\U0001f600", "x" * 500]
)
def test_an_odd_id_stays_in_its_place(pair: Pair, channel: str) -> None:
    ours = pair.by_holder(careful.subscription, message(channel=channel))
    assert ours["headers"]["id"] == f"{body_of(ours)[0][0]['id']}:{careful.name}"
    assert_equal(ours, pair.by_celery(careful.subscription, ours))


def test_a_message_expires_by_the_time_at_which_its_event_came(pair: Pair) -> None:
    event = outgoing(message(), careful.subscription)._replace(received_at=1_700_000_000.25)
    pair.sink.push([event])
    expires = pair.take("slow lane")["headers"]["expires"]
    assert datetime.fromisoformat(expires).timestamp() == pytest.approx(1_700_000_090.25)


def test_nothing_but_the_body_holds_the_text(pair: Pair) -> None:
    ours = pair.by_holder(careful.subscription, message("nobody's business"))
    del ours["body"]
    assert "business" not in json.dumps(ours)


def test_every_message_has_a_tag_of_its_own(pair: Pair, redis_client: redis.Redis) -> None:
    """The broker tells unacknowledged messages apart by it."""
    other = Pair(pair.app.conf.broker_url, redis_client)
    for number in range(20):
        events = [
            outgoing(message(ts=f"{number}.{n}"), plain.subscription, hasty.subscription) for n in range(3)
        ]
        (pair if number % 2 else other).sink.push(events)
    found: Any = redis_client.lrange(QUEUE, 0, -1)
    tags = [json.loads(one)["properties"]["delivery_tag"] for one in found]
    assert len(set(tags)) == len(tags) == 20 * 3 * 2


def test_a_thousand_events_at_random(pair: Pair, redis_client: redis.Redis) -> None:
    """Sections, filling and places of one large batch: each event reaches its handlers, in order."""
    chance = random.Random(7)
    pick: Callable[[], tuple[Subscription, ...]] = lambda: tuple(  # noqa: E731
        handler.subscription for handler in HANDLERS if chance.random() < 0.5
    )
    events = []
    for n in range(1000):
        text = "".join(chance.choices('aé%"\\~\U0001f600', k=chance.randrange(40)))
        events.append(outgoing(message(text, ts=f"{n}.0"), *pick()))
    assert pair.sink.push(events) == 1000
    for handler in HANDLERS:
        wanted = [one for one in events if handler.subscription in one.subscriptions]
        found: Any = redis_client.lrange(handler.subscription.queue or QUEUE, 0, -1)
        messages = [json.loads(one) for one in reversed(found)]
        mine = [one for one in messages if one["headers"]["task"] == handler.name]
        assert [one["headers"]["id"] for one in mine] == [f"{one.id}:{handler.name}" for one in wanted]
        assert [body_of(one)[0][0] for one in mine] == [json.loads(one.envelope) for one in wanted]
