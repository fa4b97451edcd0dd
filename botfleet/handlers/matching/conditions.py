"""Questions of the author's about an event: `where=` and `permitted=`."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from ..client import Client
from ..event import Event
from ..parameters import PARAMETERS
from .match import Match

Predicate = Callable[..., object]


class Condition:
    """A callable, asked with what it takes of `event`, `client` and `match` by name.

    One that takes none of them by name is given the event as its only argument, so that a lambda may call
    it what it likes.

    Raises:
        TypeError: it takes something else.
    """

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = predicate
        named, positional = _parameters(predicate)
        if len(positional) > (not named):
            raise TypeError(f"this one takes {', '.join(positional)}")
        self._named = named
        self._takes_event_first = bool(positional)

    def holds(self, event: Event, client: Client, match: Match | None) -> bool:
        """What the callable says."""
        offered = {"event": event, "client": client, "match": match}
        first = (event,) if self._takes_event_first else ()
        return bool(self._predicate(*first, **{name: offered[name] for name in self._named}))


def _parameters(predicate: Predicate) -> tuple[list[str], list[str]]:
    """What it takes by a name that is offered, and what else it needs."""
    try:
        parameters = inspect.signature(predicate).parameters.values()
    except ValueError:
        return [], ["event"]  # Written in C, as operator.attrgetter("is_dm") is.
    plain = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    named = [one.name for one in plain if one.name in PARAMETERS and one.kind is not one.POSITIONAL_ONLY]
    return named, [one.name for one in plain if one.name not in named and one.default is one.empty]
