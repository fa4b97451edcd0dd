"""Brokers that events are pushed to: Redis by one script a batch, any other through kombu."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import redis
from amqp.exceptions import AMQPError, MessageNacked  # type: ignore[import-untyped]
from kombu.exceptions import OperationalError

from ..errors import PublishError
from ..model import Subscription
from .publisher import Outgoing, Sink
from .template import Template, publish_options

logger = logging.getLogger(__name__)

#: Messages that a KombuSink remembers, to leave out their copies; some 20 MB.
_REMEMBERED = 100_000

_SCRIPT = files(__package__).joinpath("lua/publish.lua").read_text()


class RedisSink(Sink):
    """Pushes ready messages into the lists that Celery's workers read.

    Args:
        app: the Celery app whose messages these are.
        client: a connection pool to the broker.
        prefix: put before each key.
        dedupe_ttl: seconds for which a second copy of an event is told.
    """

    def __init__(self, app: Any, client: redis.Redis, prefix: str = "", dedupe_ttl: float = 600.0) -> None:
        self._app = app
        self._client = client
        self._script = client.register_script(_SCRIPT)
        self._prefix = prefix
        self._ttl = int(dedupe_ttl * 1000)
        # By task, queue, method and bot: one that comes again with other options makes a new template.
        self._templates: dict[tuple[str, ...], tuple[Subscription, Template]] = {}

    def push(self, batch: Sequence[Outgoing]) -> int:
        arguments: list[str | bytes | int] = [self._ttl]
        for event in batch:
            arguments.append(f"{self._prefix}botfleet:seen:{event.id}" if event.unique else "")
            arguments.append(len(event.subscriptions))
            for subscription in event.subscriptions:
                template = self._template(subscription, subscription.queue or event.queue)
                message = template.render(event.id, event.envelope, event.received_at)
                arguments += (self._prefix + template.queue, message)
        try:
            return int(self._script(args=arguments))
        except redis.RedisError as exc:
            raise PublishError(f"{type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        self._client.close()

    def _template(self, subscription: Subscription, queue: str) -> Template:
        name = (subscription.task, queue, subscription.kwargs.get("method", ""), subscription.bot)
        known = self._templates.get(name)
        if known is not None and (known[0] is subscription or known[0] == subscription):
            return known[1]
        template = Template(self._app, subscription, queue)
        self._templates[name] = (subscription, template)
        return template


class KombuSink(Sink):
    """Publishes through Celery itself, with the broker's confirms; for RabbitMQ.

    Copies are told by what this sink itself published: those of other holders are not, and a message whose
    confirm was lost comes twice.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        # By event and place among its subscriptions, oldest first.
        self._confirmed: OrderedDict[tuple[str, int], None] = OrderedDict()

    def push(self, batch: Sequence[Outgoing]) -> int:
        try:
            with self._app.producer_or_acquire() as producer:
                return sum(self._send(producer, event) for event in batch)
        except (OperationalError, OSError, AMQPError, MessageNacked) as exc:
            raise PublishError(f"{type(exc).__name__}: {exc}") from exc

    def _send(self, producer: Any, event: Outgoing) -> bool:
        missing = [n for n in range(len(event.subscriptions)) if (event.id, n) not in self._confirmed]
        if not missing:
            return False
        try:
            envelope = json.loads(event.envelope)
        except ValueError as exc:
            # Python refuses some JSON that is valid, such as numbers of thousands of digits.
            logger.error("%s can't be published: %s", event.id, exc, extra={"action": "publish.unreadable"})
            return False
        for n in missing:
            self._send_one(producer, event, event.subscriptions[n], envelope)
            self._remember((event.id, n))
        return True

    def _send_one(self, producer: Any, event: Outgoing, subscription: Subscription, envelope: Any) -> None:
        self._app.send_task(
            subscription.task,
            args=[envelope],
            kwargs=subscription.kwargs,
            producer=producer,
            queue=subscription.queue or event.queue,
            retry=False,
            **publish_options(event.id, subscription),
        )

    def _remember(self, message: tuple[str, int]) -> None:
        self._confirmed[message] = None
        if len(self._confirmed) > _REMEMBERED:
            self._confirmed.popitem(last=False)


class MemorySink(Sink):
    """Keeps what is pushed, for tests.

    Attributes:
        events: what was pushed, in order.
        failing: raise PublishError instead, as a broker that is away.
    """

    def __init__(self) -> None:
        self.events: list[Outgoing] = []
        self.failing = False
        self._seen: set[str] = set()

    def push(self, batch: Sequence[Outgoing]) -> int:
        if self.failing:
            raise PublishError("the broker is away")
        new = [event for event in batch if not event.unique or self._is_first(event.id)]
        self.events += new
        return len(new)

    def _is_first(self, event_id: str) -> bool:
        before = len(self._seen)
        self._seen.add(event_id)
        return len(self._seen) > before
