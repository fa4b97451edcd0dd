"""Brokers that events are pushed to: Redis by one script a batch, and memory; the rest: `kombu_sink.py`."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import redis

from ..errors import PublishError
from ..model import Subscription
from .marks import DEDUPE_MARKS, DEDUPE_TTL
from .outgoing import Bundle, Outgoing, mark_of
from .publisher import Sink
from .scripts import read_script
from .template import Template, encode_event
from .wake_ups import wake_up

_encode = msgspec.json.encode
_ordered_lane = attrgetter("ordered_lane")


class RedisSink(Sink):
    """Pushes ready messages into the lists that Celery's workers read.

    Args:
        app: the Celery app whose messages these are.
        client: a connection pool to the broker.
        prefix: put before each key.
        dedupe_ttl: seconds for which a second copy of an event is told; some are told for half as long again.
        dedupe_marks: events that are remembered at the most; beyond that the oldest are forgotten sooner.
    """

    def __init__(
        self,
        app: Any,
        client: redis.Redis,
        prefix: str = "",
        dedupe_ttl: float = DEDUPE_TTL,
        dedupe_marks: int = DEDUPE_MARKS,
    ) -> None:
        self._app = app
        self._client = client
        self._script = client.register_script(read_script("generations", "lanes", "publish"))
        self._prefix = prefix
        self._ttl = int(dedupe_ttl * 1000)
        self._bound = dedupe_marks
        # By subscription and queue: one that comes again with other options makes a new template.
        self._templates: dict[tuple[str, str, str], tuple[Subscription, Template]] = {}
        # The broker tells unacknowledged messages apart by their tags.
        self._nonce = uuid.uuid4().hex
        self._messages = 0

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        head = (self._prefix, self._ttl, self._bound, f"{self._nonce}-", self._messages)
        if any(map(_ordered_lane, batch)):
            # Apart from the others: else each event would begin sections of its own.
            batch = sorted(batch, key=lambda unit: unit.ordered_lane != "")
        marks = [mark for unit in batch for mark in _marks(unit)]
        arguments: list[str | bytes | int] = [*head, len(marks), *marks]
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
        if events[0].ordered_lane:
            self._add_ordered(arguments, events)
            return
        templates = [self._template(one, events[0]) for one in events[0].subscriptions]
        expiring = [template for template in templates if template.max_age is not None]
        arguments += ("E", len(templates), len(events))
        for template in templates:
            arguments += self._written(template)
        for event in events:
            arguments += (event.id, encode_event(event.envelope))
            if expiring:
                arguments += (template.expiry(event.received_at) for template in expiring)
        self._messages += len(events) * len(templates)

    def _add_ordered(self, arguments: list[str | bytes | int], events: list[Outgoing]) -> None:
        """Adds a section of events that go to the same ordered handler."""
        template = self._template(events[0].subscriptions[0], events[0])
        arguments += ("O", *self._written(template), len(events))
        for event in events:
            body = encode_event(_encode(wake_up(event.id, event.ordered_lane)))
            arguments += (event.ordered_lane, event.envelope, event.id, body)
        self._messages += len(events)

    def _add_bundle(self, arguments: list[str | bytes | int], bundle: Bundle) -> None:
        template = self._template(bundle.subscription, bundle.events[0])
        batch_id = f"batch:{self._nonce[:12]}.{self._messages}"
        arguments += ("B", *self._written(template), batch_id)
        arguments += (template.expiry(bundle.events[-1].received_at), len(bundle.events))
        arguments += (encode_event(event.envelope) for event in bundle.events)
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


def _marks(unit: Outgoing | Bundle) -> list[str]:
    """The marks of a unit's events, in order."""
    if isinstance(unit, Bundle):
        return [mark_of(event, unit.subscription) for event in unit.events]
    return [mark_of(unit)]


def _shape(unit: Outgoing | Bundle) -> tuple[str, tuple[int, ...]] | None:
    """What events that share a section have in common; None for a bundle."""
    if isinstance(unit, Bundle):
        return None
    return unit.queue, tuple(map(id, unit.subscriptions))


def _fill_alike(one: Subscription, other: Subscription) -> bool:
    """Whether messages of the same task for two subscriptions have the same template; bots may differ."""
    shapes = [(each.kwargs, each.max_age, each.batch, each.ordered) for each in (one, other)]
    return shapes[0] == shapes[1]


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
