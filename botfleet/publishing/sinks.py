"""Brokers that events are pushed to: Redis by one script a batch, any other through kombu."""

from __future__ import annotations

import itertools
import json
import logging
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import redis
from amqp.exceptions import AMQPError, MessageNacked  # type: ignore[import-untyped]
from kombu.exceptions import OperationalError

from ..clock import Clock, wall_clock
from ..errors import PublishError
from ..model import Subscription
from .outgoing import Bundle, Outgoing, mark_of
from .publisher import Sink
from .template import Template, encode_event, publish_options

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
        # By subscription and queue: one that comes again with other options makes a new template.
        self._templates: dict[tuple[str, str, str], tuple[Subscription, Template]] = {}
        # The broker tells unacknowledged messages apart by their tags.
        self._nonce = uuid.uuid4().hex
        self._messages = 0

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        arguments: list[str | bytes | int] = [self._prefix, self._ttl, f"{self._nonce}-", self._messages]
        for kind, units in itertools.groupby(batch, _shape):
            if kind is None:
                for bundle in units:
                    self._add_bundle(arguments, bundle)  # type: ignore[arg-type]  # by its shape
            else:
                self._add_events(arguments, list(units))  # type: ignore[arg-type]
        try:
            return int(self._script(args=arguments))
        except redis.RedisError as exc:
            raise PublishError(f"{type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        self._client.close()

    def _add_events(self, arguments: list[str | bytes | int], events: list[Outgoing]) -> None:
        """Adds a section of events that go to the same handlers; see `lua/publish.lua`."""
        templates = [self._template(one, events[0]) for one in events[0].subscriptions]
        expiring = [template for template in templates if template.max_age is not None]
        arguments += ("E", len(templates), len(events))
        for template in templates:
            arguments += self._written(template)
        for event in events:
            arguments += (mark_of(event), event.id, encode_event(event.envelope))
            if expiring:
                arguments += (template.expiry(event.received_at) for template in expiring)
        self._messages += len(events) * len(templates)

    def _add_bundle(self, arguments: list[str | bytes | int], bundle: Bundle) -> None:
        template = self._template(bundle.subscription, bundle.events[0])
        batch_id = f"batch:{self._nonce[:12]}.{self._messages}"
        arguments += ("B", *self._written(template), batch_id)
        arguments += (template.expiry(bundle.events[-1].received_at), len(bundle.events))
        for event in bundle.events:
            arguments += (mark_of(event, bundle.subscription), encode_event(event.envelope))
        self._messages += 1

    def _written(self, template: Template) -> list[str | bytes | int]:
        return [self._prefix + template.queue, template.places, *template.literals]

    def _template(self, subscription: Subscription, event: Outgoing) -> Template:
        queue = subscription.queue or event.queue
        name = (subscription.task, queue, subscription.kwargs.get("method", ""))
        known = self._templates.get(name)
        if known is not None and (known[0] is subscription or _fill_alike(known[0], subscription)):
            return known[1]
        template = Template(self._app, subscription, queue)
        self._templates[name] = (subscription, template)
        return template


def _shape(unit: Outgoing | Bundle) -> tuple[str, tuple[int, ...]] | None:
    """What events that share a section have in common; None for a bundle."""
    if isinstance(unit, Bundle):
        return None
    return unit.queue, tuple(map(id, unit.subscriptions))


def _fill_alike(one: Subscription, other: Subscription) -> bool:
    """Whether messages of the same task for two subscriptions have the same template; bots may differ."""
    return (one.kwargs, one.max_age, one.batch) == (other.kwargs, other.max_age, other.batch)


class KombuSink(Sink):
    """Publishes through Celery itself, with the broker's confirms; for RabbitMQ.

    Copies are told by what this sink itself published: those of other holders are not, and a message whose
    confirm was lost comes twice.

    Args:
        app: the Celery app.
        clock: the time that messages' expiry is reckoned from.
    """

    def __init__(self, app: Any, clock: Clock = wall_clock) -> None:
        self._app = app
        self._clock = clock
        # Not of the app's pool: that one tries for seconds, and the worker closes it before the last push.
        self._connection = app.connection_for_write(transport_options={"max_retries": 0})
        # By event, task and method, oldest first.
        self._confirmed: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        try:
            producer = self._app.amqp.Producer(self._connection.default_channel, auto_declare=False)
            return sum(self._send(producer, unit) for unit in batch)
        except (OperationalError, OSError, AMQPError, MessageNacked) as exc:
            self._connection.collect()
            raise PublishError(f"{type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        self._connection.release()

    def _send(self, producer: Any, unit: Outgoing | Bundle) -> int:
        if isinstance(unit, Bundle):
            return self._send_bundle(producer, unit)
        missing = [one for one in unit.subscriptions if _message(unit, one) not in self._confirmed]
        envelope = _read(unit) if missing else None
        if envelope is None:
            return 0
        for one in missing:
            self._send_task(producer, one, unit, unit.id, envelope)
            self._remember(_message(unit, one))
        return 1

    def _send_bundle(self, producer: Any, bundle: Bundle) -> int:
        wanted = bundle.subscription
        new = [event for event in bundle.events if _message(event, wanted) not in self._confirmed]
        envelopes = [envelope for event in new if (envelope := _read(event)) is not None]
        if envelopes:
            batch_id = f"batch:{uuid.uuid4().hex}"
            self._send_task(producer, wanted, new[-1], batch_id, envelopes)
        for event in new:
            self._remember(_message(event, wanted))
        return len(envelopes)

    def _send_task(
        self, producer: Any, subscription: Subscription, event: Outgoing, message_id: str, argument: Any
    ) -> None:
        options = publish_options(message_id, subscription)
        if subscription.max_age is not None:
            # By the event's own time, not by that of this try. One that is late gets a second, in which its
            # handler counts it.
            due = max(event.received_at + subscription.max_age, self._clock() + 1.0)
            options["expires"] = datetime.fromtimestamp(due, UTC)
        self._app.send_task(
            subscription.task,
            args=[argument],
            kwargs=subscription.kwargs,
            producer=producer,
            queue=subscription.queue or event.queue,
            retry=False,
            **options,
        )

    def _remember(self, message: tuple[str, str, str]) -> None:
        self._confirmed[message] = None
        if len(self._confirmed) > _REMEMBERED:
            self._confirmed.popitem(last=False)


def _message(event: Outgoing, subscription: Subscription) -> tuple[str, str, str]:
    """What tells a message from all others."""
    return event.id, subscription.task, str(subscription.kwargs.get("method", ""))


def _read(event: Outgoing) -> Any:
    """An event's envelope as Celery takes it; None where Python can't read it."""
    try:
        return json.loads(event.envelope)
    except ValueError as exc:
        # Python refuses some JSON that is valid, such as numbers of thousands of digits.
        logger.error("%s can't be published: %s", event.id, exc, extra={"action": "publish.unreadable"})
        return None


class MemorySink(Sink):
    """Keeps what is pushed, for tests.

    Attributes:
        events: what was pushed by itself, in order.
        bundles: what was pushed in bundles.
        failing: raise PublishError instead, as a broker that is away.
    """

    def __init__(self) -> None:
        self.events: list[Outgoing] = []
        self.bundles: list[Bundle] = []
        self.failing = False
        self._seen: set[str] = set()

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        if self.failing:
            raise PublishError("the broker is away")
        return sum(self._push(unit) for unit in batch)

    def _push(self, unit: Outgoing | Bundle) -> int:
        if isinstance(unit, Bundle):
            new = tuple(event for event in unit.events if self._is_first(mark_of(event, unit.subscription)))
            self.bundles += [unit._replace(events=new)] if new else []
            return len(new)
        first = self._is_first(mark_of(unit))
        self.events += [unit] if first else []
        return int(first)

    def _is_first(self, mark: str) -> bool:
        before = len(self._seen)
        self._seen.add(mark)
        return len(self._seen) > before
