"""How a bot's author declares handlers that listen: each that matches an event is run.

A declaration is a value in the author's module; nothing is registered anywhere. `loader.py` collects them,
`binding.py` makes Celery tasks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Unpack

from ..model import Subscription
from .declaration import Declaration, Order, Scope
from .handler import Handler, P, R, TaskOptions


def on(
    *types: str,
    subtypes: str | Iterable[str] | None = None,
    scope: Scope | Iterable[Scope] | None = None,
    mentioned: bool = False,
    own: bool = False,
    bots: bool = False,
    queue: str = "",
    max_age: float | None = None,
    batch: int = 0,
    linger: float = 0.05,
    ordered: Order | None = None,
    **task_options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for events.

        @on("team_join")
        def welcome(event, client):
            client.message(event.user, "Welcome!")

    Args:
        types: Slack's event types, `hello` (the bot was connected), `bot_disabled` (its token died), or `*`.
        subtypes: message subtypes; without them only plain messages are handled.
        scope: where it happened: `public`, `private` or `dm`, or several; without it everywhere.
        mentioned: only what is addressed to the bot.
        own: also what the bot itself did.
        bots: also what other bots said.
        queue: the Celery queue to wait on; without it the event type's own.
        max_age: seconds after which the event is no longer worth handling.
        batch: up to so many events at once: the function takes `events`, a list of them, of all teams. For
            sinks and analytics. A failure in the middle is told with `BatchFailed`.
        linger: seconds for which a batch is gathered.
        ordered: `channel`, `user` or `team`: events of the same one are handled one after another, in order,
            over all workers; see docs/ordering.md. Not together with `batch`.
        task_options: Celery's, e.g. `max_retries`, `rate_limit`, `time_limit`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("on", types, 'an event type, as in @on("team_join")')
    template = Subscription(
        task="",
        types=declared.names,
        subtypes=None if subtypes is None else declared.texts("subtypes", subtypes),
        scopes=() if scope is None else declared.scopes(scope),
        addressed=declared.flag("mentioned", mentioned),
        own=declared.flag("own", own),
        bots=declared.flag("bots", bots),
        queue=declared.queue(queue),
        max_age=declared.max_age(max_age),
        batch=declared.batch(batch),
        linger=declared.linger(linger) if batch else 0.0,
        ordered=declared.ordered(ordered, bool(batch)),
    )
    return declared.decorator(template, task_options)
