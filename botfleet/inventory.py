"""What a project's handlers want, what is announced of it in the store, and how much of it there was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from celery import Celery

from .depths import Depths
from .handlers.running.binding import bind
from .handlers.running.counters import failed_counter, late_counter, runs_counter
from .handlers.running.timers import bind_timers
from .model import Schedule, Subscription, TimerState
from .overview import in_words
from .publishing.router import EVENT_QUEUES
from .roles import BOTH, HANDLER, Role, find_role, role_names
from .steps import load_role
from .store.base import Store

if TYPE_CHECKING:
    from .celery import FleetApp
    from .handlers.context import HandlerContext
    from .handlers.loader import Loaded

#: `ok`; `new`: declared, and no worker has announced it; `gone`: announced, and not declared here, so that
#: its events wait for nobody; `changed`: announced otherwise than it is declared.
State = Literal["ok", "new", "gone", "changed"]

Groups = Mapping[str, Sequence[Subscription]]


class HandlerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A handler, as people see it.

    Attributes:
        handler: its task's name.
        group: the role whose workers run it; `listeners:…` for those that a bot's code added.
        state: see `State`.
        wants: its subscription, in words.
        queue: its own queue; empty where its events' types decide.
        runs: events whose task ended well, also where that found that there was nothing to do.
        failed: events that were given up.
        late: events that were too old.
    """

    handler: str
    group: str
    state: State
    wants: str
    queue: str
    runs: int
    failed: int
    late: int


class TimerReport(msgspec.Struct, frozen=True, kw_only=True):
    """A timer, as people see it.

    Attributes:
        timer: its task's name.
        state: see `State`.
        plan: when it is due, in words.
        queue: its own queue; empty for `events.other`.
        last_run: when it was last sent to be run, unix seconds by the store's clock; None where it never was.
    """

    timer: str
    state: State
    plan: str
    queue: str
    last_run: float | None


def declared(
    app: FleetApp, only: str | None = None, context: HandlerContext | None = None
) -> dict[str, list[Subscription]]:
    """What the handlers of the project want, by the role that runs them.

    Args:
        app: gets their tasks.
        only: the one role that is asked for.
        context: what the handlers get; the app's where not given.

    Raises:
        ConfigurationError: a handler or a role can't be loaded.
    """
    return {
        _group(role): bind(app, loaded, context or app.handler_context) for role, loaded in _loaded(app, only)
    }


def declared_timers(app: FleetApp, only: str | None = None) -> dict[str, Schedule]:
    """The timers of the project by name.

    Args:
        app: gets their tasks.
        only: the one role that is asked for.

    Raises:
        ConfigurationError: a role or what it runs can't be loaded.
    """
    bound = [bind_timers(app, loaded.timers, app.handler_context) for _, loaded in _loaded(app, only)]
    return {one.task: one for schedules in bound for one in schedules}


def _loaded(app: FleetApp, only: str | None) -> Iterator[tuple[Role, Loaded]]:
    """What each role runs that runs handlers."""
    for role in [find_role(name) for name in ([only] if only else role_names())]:
        if role.handles and (role.name != BOTH.name or only):
            yield role, load_role(role, app.settings)


def _group(role: Role) -> str:
    """Where its workers announce their handlers: without a role, they do it as a handler does."""
    return HANDLER.name if role.name == BOTH.name else role.name


def handlers_of(here: Groups, announced: Groups, store: Store) -> list[HandlerReport]:
    """All handlers that are declared or announced, in the order of their declaration.

    Args:
        here: as `declared` found them.
        announced: as `Store.subscriptions` has them.
        store: for the counts.
    """
    return [
        _report(name, group, wanted, state, store)
        for group in dict.fromkeys([*here, *sorted(announced)])
        for name, wanted, state in _compared(here.get(group), announced.get(group, ()))
    ]


def _compared(
    here: Sequence[Subscription] | None, announced: Sequence[Subscription]
) -> Iterator[tuple[str, Sequence[Subscription], State]]:
    """Each handler of a group; `here` is None for a group that no code declares."""
    ours, theirs = _by_task(here or ()), _by_task(announced)
    for name in dict.fromkeys([*ours, *theirs]):
        if here is None:
            yield name, theirs[name], "ok" if _is_anothers(theirs[name]) else "gone"
        elif name not in ours:
            yield name, theirs[name], "gone"
        elif name not in theirs:
            yield name, ours[name], "new"
        else:
            yield name, theirs[name], "ok" if ours[name] == theirs[name] else "changed"


def timers_of(
    here: Mapping[str, Schedule], announced: Mapping[str, Schedule], store: Store
) -> list[TimerReport]:
    """All timers that are declared or announced, in the order of their declaration.

    Args:
        here: as `declared_timers` found them.
        announced: as `Store.timetable` has them.
        store: for their last runs.
    """
    names = list(dict.fromkeys([*here, *announced]))
    states = store.timer_states(names) if names else {}
    return [_timer_report(here.get(name), announced.get(name), states.get(name)) for name in names]


def _timer_report(here: Schedule | None, announced: Schedule | None, begun: TimerState | None) -> TimerReport:
    shown = here or announced
    assert shown is not None, "it stands in one of the two"
    state: State = "gone" if here is None else "new" if announced is None else "changed"
    return TimerReport(
        timer=shown.task,
        state="ok" if here == announced else state,
        plan=shown.plan,
        queue=shown.queue,
        last_run=begun.last_run if begun else None,
    )


def _is_anothers(subscriptions: Sequence[Subscription]) -> bool:
    """Whether they were added by a bot's code while it ran: no declaration has them."""
    return all(one.bot for one in subscriptions)


def _by_task(subscriptions: Iterable[Subscription]) -> dict[str, list[Subscription]]:
    found: dict[str, list[Subscription]] = {}
    for one in subscriptions:
        found.setdefault(one.task, []).append(one)
    return found


def _report(
    name: str, group: str, subscriptions: Sequence[Subscription], state: State, store: Store
) -> HandlerReport:
    return HandlerReport(
        handler=name,
        group=group,
        state=state,
        wants="; ".join(map(in_words, subscriptions)),
        queue=",".join(sorted({one.queue for one in subscriptions if one.queue})),
        runs=store.advance(runs_counter(name), 0),
        failed=store.advance(failed_counter(name), 0),
        late=store.advance(late_counter(name), 0),
    )


def waiting(app: Celery, groups: Groups) -> dict[str, int]:
    """How many messages wait in each queue that handlers have, by name.

    Raises:
        BotfleetError: the broker does not answer.
    """
    own = {one.queue for wanted in groups.values() for one in wanted if one.queue}
    names = list(dict.fromkeys((*EVENT_QUEUES, *sorted(own))))
    return Depths(app).read(names)
