"""One run of a handler, and what runs of batch handlers share with it: what is too late, what is secret."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from celery.exceptions import TaskPredicate

from ..client import Client
from ..context import HandlerContext
from ..declaring.hooks import NO_HOOKS, Hooks
from ..event import Event
from ..handler import Handler
from ..loader import Loaded
from ..matching.heard import Heard
from ..matching.match import Match
from ..matching.options import WrongOptions
from ..matching.patterns import TIME_LIMIT, TooSlow
from .chain import Rival, is_taken, rivals_of
from .counters import count, late_counter, slow_counter
from .scrubbing import Scrubber

logger = logging.getLogger(__name__)

#: Fields of messages and attachments that people write.
_WRITTEN = ("text", "pretext", "title", "fallback")


@dataclass(frozen=True)
class Company:
    """What a handler runs in company with: worked out once, when the worker starts.

    Attributes:
        rivals: those that stand before it in the chain, and may take its events.
        hooks: what runs before and after it.
    """

    rivals: tuple[Rival, ...] = ()
    hooks: Hooks = NO_HOOKS

    @classmethod
    def of(cls, handler: Handler[..., object], loaded: Loaded) -> Company:
        """The company of one of the handlers that were loaded together."""
        hooks = Hooks.of(loaded.hooks) if handler.traits.hooked else NO_HOOKS
        return cls(rivals_of(handler, loaded.handlers), hooks)


ALONE = Company()


class Run:
    """One run of a handler for an event.

    Args:
        handler: what is run.
        context: what it needs of this process.
        envelope: the event's.
        kwargs: what else the task's message has for it.
        company: what else there is in its role.
    """

    def __init__(
        self,
        handler: Handler[..., object],
        context: HandlerContext,
        envelope: Mapping[str, Any],
        kwargs: Mapping[str, Any],
        company: Company = ALONE,
    ) -> None:
        self.handler = handler
        self.context = context
        self.event = Event(envelope)
        origin = origin_of(handler, self.event, kwargs)
        self.client = Client(context, self.event.team_id, self.event.namespace, self.event, origin)
        self.event.bind(self.client)
        self.match: Match | None = None
        self.kwargs = kwargs
        self.company = company

    def run(self) -> None:
        """Runs the handler, if the event is still worth it and really for it."""
        if drop_late(self.handler, self.event, self.context):
            return
        try:
            if self._is_for_it() and self._is_permitted() and self._has_options():
                self._call()
        except TaskPredicate:
            # Retry, Ignore and Reject: the author's words to Celery.
            raise
        except Exception as exc:
            cleaned = self._clean(exc)
            if cleaned is exc:
                raise
            raise cleaned from None

    def _is_for_it(self) -> bool:
        """Whether the handler matches, and is the first of the chain that does."""
        if self.handler.matcher is None:
            return True
        heard = Heard(self.event, self.client)
        try:
            self.match = self.handler.matcher(heard)
        except TooSlow:
            note_slow(self.handler, self.event, self.context)
        return self.match is not None and not is_taken(self.company.rivals, heard)

    def _is_permitted(self) -> bool:
        conditions = self.handler.traits.permitted
        if not conditions or all(one.holds(self.event, self.client, self.match) for one in conditions):
            return True
        logger.info(
            "handler %s: %s is not permitted to %s",
            *(self.handler.name, self.event.id, self.event.user),
            extra={"action": "not_permitted", "bot": self.event.key},
        )
        return False

    def _has_options(self) -> bool:
        """Reads a command's options; where they are wrong, says so instead of running it."""
        form = self.handler.traits.form
        if form is None or self.match is None:
            return True
        try:
            options, arguments = form.parse(self.match.expression)
        except WrongOptions as exc:
            answer = self.client.respond if self.event.response_url else self.client.reply
            answer(str(exc))
            return False
        self.match = replace(self.match, options=options, arguments=arguments)
        return True

    def _call(self) -> None:
        hooks = self.company.hooks
        offered = {"event": self.event, "client": self.client, "match": self.match, **self.kwargs}
        arguments = {name: offered[name] for name in self.handler.wants if name in offered}
        if hooks is NO_HOOKS:
            self.handler.function(**arguments)
        elif hooks.let_through({**offered, "handler": self.handler}):
            self._call_watched(arguments, offered)

    def _call_watched(self, arguments: dict[str, Any], offered: dict[str, Any]) -> None:
        error: Exception | None = None
        try:
            self.handler.function(**arguments)
        except TaskPredicate:
            raise
        except Exception as exc:
            error = exc
            raise
        finally:
            told = {**offered, "handler": self.handler, "error": error}
            self.company.hooks.tell(told, self._clean)

    def _clean(self, exc: Exception) -> Exception:
        secrets = dict.fromkeys(texts([self.event]), "<text>")
        if self.match is not None:
            secrets.update(dict.fromkeys(self.match.texts(), "<text>"))
        secrets.update(dict.fromkeys(self.client.secrets(), "<token>"))
        secrets.update(dict.fromkeys(tickets([self.event]), "<url>"))
        return Scrubber(secrets).clean(exc)


def origin_of(handler: Handler[..., object], event: Event, kwargs: Mapping[str, Any]) -> str:
    """What all tries of a handler for an event have in common; see `sender.Once`."""
    return " ".join((handler.name, event.id, *(f"{name}={kwargs[name]!r}" for name in sorted(kwargs))))


def note_slow(handler: Handler[..., object], event: Event, context: HandlerContext) -> None:
    """Says and counts that a handler's pattern took too long for an event, which it does not match then."""
    logger.warning(
        "handler %s: its pattern took longer than %g s for %s and was given up",
        *(handler.name, TIME_LIMIT, event.id),
        extra={"action": "pattern_slow", "bot": event.key},
    )
    count(context, slow_counter(handler.name))


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
    count(context, late_counter(handler.name))
    return True


def tickets(events: Iterable[Event]) -> Iterator[str]:
    """What lets anybody answer events."""
    for event in events:
        yield from (one for one in (event.response_url, event.trigger_id) if one is not None)


def texts(events: Iterable[Event]) -> Iterator[str]:
    """What people wrote in events."""
    for event in events:
        payload = event.payload
        for entered in event.inputs.values():
            yield from entered if isinstance(entered, list) else [str(entered or "")]
        for message in (payload, payload.get("message"), payload.get("previous_message")):
            if isinstance(message, dict):
                attachments = message.get("attachments")
                yield from _texts_of([message, *(attachments if isinstance(attachments, list) else ())])


def _texts_of(parts: Iterable[object]) -> Iterator[str]:
    found = (part.get(name) for part in parts if isinstance(part, dict) for name in _WRITTEN)
    yield from (text for text in found if isinstance(text, str))
