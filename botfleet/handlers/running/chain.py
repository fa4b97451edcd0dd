"""The chain: of a role's commands, operators and patterns, only the first that matches an event is run.

Each is a task with a message of its own, and they may run at the same time in different processes. Each finds
for itself whether one that stands before it takes the event; all find the same, as they ask the event only.
What there is to look at is worked out when the worker starts. For commands of different words it is nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...model import Subscription
from ...publishing.router import Filter, filter_of, passes
from ..handler import Handler
from ..matching.heard import Heard

logger = logging.getLogger(__name__)


class Rival(NamedTuple):
    """A handler that stands before another one in the chain, as that one looks at it."""

    handler: Handler[..., object]
    #: What it hears, where that is not the same for both; None where it is.
    hearing: Filter | None

    def takes(self, heard: Heard) -> bool:
        """Whether it is the one to run for an event."""
        try:
            if self.hearing is not None and not passes(self.hearing, heard.glance()):
                return False
            return self.handler.matcher is None or self.handler.matcher(heard) is not None
        except Exception as exc:
            # It fails in its own task as well, where that is logged; it must not hinder others.
            logger.debug(
                "%s can't say whether it takes %s: %s", self.handler, heard.event, type(exc).__name__
            )
            return False


def rivals_of(handler: Handler[..., object], handlers: Iterable[Handler[..., object]]) -> tuple[Rival, ...]:
    """Those that stand before a handler in the chain, and might take what it takes.

    Args:
        handler: one of the handlers.
        handlers: of the role, in order of definition.
    """
    if not handler.traits.chained:
        return ()
    rivals = []
    for other in handlers:
        if other is handler:
            break
        if other.traits.chained and _may_meet(other.subscription, handler.subscription):
            rivals.append(_rival(other, handler))
    return tuple(rivals)


def is_taken(rivals: Sequence[Rival], heard: Heard) -> bool:
    """Whether one of them takes an event."""
    return any(rival.takes(heard) for rival in rivals)


def _may_meet(one: Subscription, other: Subscription) -> bool:
    """Whether there can be an event that both want."""
    if set(one.types).isdisjoint(other.types):
        return False
    if one.commands and other.commands:
        return not set(one.commands).isdisjoint(other.commands)
    if one.words and other.words:
        return not set(one.words).isdisjoint(other.words)
    return True


def _rival(other: Handler[..., object], handler: Handler[..., object]) -> Rival:
    theirs, ours = _hearing(other.subscription), _hearing(handler.subscription)
    return Rival(other, None if theirs == ours else filter_of(theirs))


def _hearing(wanted: Subscription) -> Subscription:
    """Whom a subscription hears, and where; what they say is for its matcher."""
    return Subscription(
        task="",
        types=wanted.types,
        subtypes=wanted.subtypes,
        scopes=wanted.scopes,
        own=wanted.own,
        bots=wanted.bots,
        bot=wanted.bot,
    )
