"""One run of a handler, and what runs of batch handlers share with it: what is too late, what is secret."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from celery.exceptions import TaskPredicate

from ..errors import StoreError
from .client import Client
from .context import HandlerContext
from .event import Event
from .handler import Handler
from .matching import Match
from .scrubbing import Scrubber

logger = logging.getLogger(__name__)


class Run:
    """One run of a handler for an event."""

    def __init__(
        self,
        handler: Handler[..., object],
        context: HandlerContext,
        envelope: Mapping[str, Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.handler = handler
        self.context = context
        self.event = Event(envelope)
        origin = origin_of(handler, self.event, kwargs)
        self.client = Client(context, self.event.team_id, self.event.namespace, self.event, origin)
        self.event.bind(self.client)
        self.match: Match | None = None
        self.kwargs = kwargs

    def run(self) -> None:
        """Runs the handler, if the event is still worth it and really for it."""
        if drop_late(self.handler, self.event, self.context):
            return
        try:
            if self._is_wanted():
                self.handler.function(**self._arguments())
        except TaskPredicate:
            # Retry, Ignore and Reject: the author's words to Celery.
            raise
        except Exception as exc:
            cleaned = self._scrubber().clean(exc)
            if cleaned is exc:
                raise
            raise cleaned from None

    def _is_wanted(self) -> bool:
        if self.handler.matcher is None:
            return True
        self.match = self.handler.matcher(self.event, self.client)
        return self.match is not None

    def _arguments(self) -> dict[str, Any]:
        offered = {"event": self.event, "client": self.client, "match": self.match, **self.kwargs}
        return {name: offered[name] for name in self.handler.wants if name in offered}

    def _scrubber(self) -> Scrubber:
        secrets = dict.fromkeys(texts([self.event]), "<text>")
        if self.match is not None:
            secrets[self.match.expression] = "<text>"
        secrets.update(dict.fromkeys(self.client.secrets(), "<token>"))
        return Scrubber(secrets)


def origin_of(handler: Handler[..., object], event: Event, kwargs: Mapping[str, Any]) -> str:
    """What all tries of a handler for an event have in common; see `sending.Once`."""
    return " ".join((handler.name, event.id, *(f"{name}={kwargs[name]!r}" for name in sorted(kwargs))))


def drop_late(handler: Handler[..., object], event: Event, context: HandlerContext) -> bool:
    """Whether an event is too old for a handler; then it is counted."""
    max_age = handler.subscription.max_age
    if max_age is None or event.age(context.clock()) <= max_age:
        return False
    logger.info(
        "handler %s: %s is too old and was dropped",
        handler.name,
        event.id,
        extra={"action": "event_late", "bot": event.key},
    )
    count(context, late_counter(handler.name), 1)
    return True


def count(context: HandlerContext, counter: str, events: int) -> None:
    """Counts events in the store, where it is there."""
    try:
        context.store.advance(counter, events)
    except StoreError as exc:
        logger.debug("not counted: %s", exc)


def late_counter(name: str) -> str:
    """The store's counter (`Store.advance`) of events that were too old for a handler.

    >>> late_counter("tasks.hello.ping")
    'late:tasks.hello.ping'
    """
    return f"late:{name}"


def texts(events: Iterable[Event]) -> Iterator[str]:
    """What people wrote in events."""
    for event in events:
        payload = event.payload
        messages = [payload, payload.get("message"), payload.get("previous_message")]
        found = [message.get("text") for message in messages if isinstance(message, dict)]
        yield from (text for text in found if isinstance(text, str))
