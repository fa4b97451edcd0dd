"""Runs the project's handlers in this process, in shadow mode: for what is replayed to try new code on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .handlers.builtin.upkeep import HANDLERS as UPKEEP
from .inventory import declared
from .model import Subscription
from .publishing.outgoing import Bundle, Outgoing
from .publishing.publisher import Sink
from .publishing.router import wanted_by

if TYPE_CHECKING:
    from .celery import FleetApp

#: They note in the store what an event tells of the team, and that was long ago.
_SYSTEM = frozenset(handler.name for handler in UPKEEP)
#: Told the handler's name, what it was run for, and what it raised in its last try.
Tell = Callable[[str, str, BaseException], None]


class Rehearsal(Sink):
    """Stands for broker and workers: runs each handler as its event is pushed, with its retries at once.

    What the handlers would send is logged and not sent; they are not counted.

    Args:
        app: gets the handlers' tasks, and is to have none before.
        tell: told of each handler that fails.

    Attributes:
        wanted: what the handlers want.
        failed: how often one failed.

    Raises:
        ConfigurationError: a handler can't be loaded.
    """

    def __init__(self, app: FleetApp, tell: Tell) -> None:
        settings = dataclasses.replace(app.settings, shadow=True, shadow_channels=())
        context = dataclasses.replace(app.handler_context, settings=settings, tally=None)
        self.wanted = [one for one in wanted_by(declared(app, context=context)) if one.task not in _SYSTEM]
        self.failed = 0
        self._tasks: Mapping[str, Any] = app.tasks
        self._tell = tell
        for one in self.wanted:
            self._tasks[one.task].tally = None

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        for unit in batch:
            if isinstance(unit, Bundle):
                envelopes = [json.loads(event.envelope) for event in unit.events]
                self._run(unit.subscription, f"{len(envelopes)} events", envelopes)
            else:
                for one in unit.subscriptions:
                    self._run(one, unit.id, json.loads(unit.envelope))
        return sum(unit.event_count for unit in batch)

    def _run(self, wanted: Subscription, what: str, argument: object) -> None:
        done = self._tasks[wanted.task].apply(args=[argument], kwargs=wanted.kwargs, task_id=what)
        if done.failed():
            self.failed += 1
            self._tell(wanted.task, what, done.result)
