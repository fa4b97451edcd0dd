"""How a bot's author declares handlers that listen: each that matches an event is run.

A declaration is a value in the author's module; nothing is registered anywhere. `loader.py` collects them,
`binding.py` makes Celery tasks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Unpack

from ...model import Subscription
from ..handler import Handler, P, R, Traits
from ..matching.conditions import Predicate
from ..matching.matchers import (
    CallbackMatcher,
    ContainsMatcher,
    Filtered,
    OneIn,
    PrefixMatcher,
    ReactionMatcher,
)
from .declaration import Declaration, HandlerOptions, Order, Scope
from .taskoptions import TaskOptions


def on(
    *types: str,
    subtypes: str | Iterable[str] | None = None,
    scope: Scope | Iterable[Scope] | None = None,
    mentioned: bool = False,
    callback_id: str | Iterable[str] | None = None,
    own: bool = False,
    bots: bool = False,
    queue: str = "",
    max_age: float | None = None,
    batch: int = 0,
    linger: float = 0.05,
    ordered: Order | None = None,
    where: Predicate | Iterable[Predicate] | None = None,
    permitted: Predicate | Iterable[Predicate] | None = None,
    **task_options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for events.

        @on("team_join")
        def welcome(event, client):
            client.message(event.user, "Welcome!")

    Args:
        types: Slack's event types, `hello` (the bot was connected), `bot_created` and the others of a bot's
            lifecycle, or `*`.
        subtypes: message subtypes; without them only plain messages are handled.
        scope: where it happened: `public`, `private` or `dm`, or several; without it everywhere.
        mentioned: only what is addressed to the bot.
        callback_id: of `view_submission`, `view_closed`, `shortcut` and `message_action`: only those that the
            app calls so.
        own: also what the bot itself did.
        bots: also what other bots said.
        queue: the Celery queue to wait on; without it the event type's own.
        max_age: seconds after which the event is no longer worth handling.
        batch: up to so many events at once: the function takes `events`, a list of them, of all teams, and
            `storage`, the fleet's store. For sinks and analytics. A failure in the middle is told with
            `BatchFailed`.
        linger: seconds for which a batch is gathered.
        ordered: `channel`, `user` or `team`: events of the same one are handled one after another, in order,
            over all workers; see docs/ordering.md. Not together with `batch`.
        where: callables that are given the event (`client` by name) and must all agree.
        permitted: the same, asked only when the handler is about to run.
        task_options: Celery's, e.g. `max_retries`, `rate_limit`, `time_limit`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("on", types, 'an event type, as in @on("team_join")')
    callback_ids = () if callback_id is None else declared.texts("callback_id", callback_id)
    template = Subscription(
        task="",
        types=declared.names,
        subtypes=None if subtypes is None else declared.texts("subtypes", subtypes),
        scopes=() if scope is None else declared.scopes(scope),
        addressed=declared.flag("mentioned", mentioned),
        callback_ids=callback_ids,
        own=declared.flag("own", own),
        bots=declared.flag("bots", bots),
        queue=declared.queue(queue),
        max_age=declared.max_age(max_age),
        batch=declared.batch(batch),
        linger=declared.linger(linger) if batch else 0.0,
        ordered=declared.ordered(ordered, bool(batch)),
    )
    if batch and (where is not None or permitted is not None):
        raise declared.wrong("is not for batches", None, "where" if where is not None else "permitted")
    traits = Traits(permitted=declared.conditions("permitted", permitted))
    closer = CallbackMatcher(callback_ids) if callback_ids else None
    matcher = Filtered.of(closer, declared.conditions("where", where))
    return declared.decorator(template, task_options, matcher, traits)


def contains(
    *words: str, mentioned: bool = False, one_in: int = 1, **options: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for messages that hold one of several words, anywhere and in any case.

        @contains("coffee", one_in=10)
        def coffee(client):
            client.react("coffee")

    Args:
        words: each may also be a part of a word, or several words.
        mentioned: only where the bot is mentioned anywhere, addressed, or written to directly.
        one_in: only one message in so many: which one is drawn by the event's id.
        options: see `HandlerOptions`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("contains", words, 'a word, as in @contains("coffee")')
    folded = tuple(dict.fromkeys(word.casefold() for word in declared.names))
    is_needed = declared.flag("mentioned", mentioned)
    return declared.handler(
        options,
        OneIn.of(ContainsMatcher(declared.names, is_needed), declared.one_in(one_in)),
        types=("message",),
        contains=folded,
        mentioned=is_needed,
    )


def prefix(*prefixes: str, **options: Unpack[HandlerOptions]) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for messages that begin with one of several texts, in any case.

        @prefix("good morning")
        def morning(client):
            client.reply("Good morning!")

    Args:
        prefixes: what the text begins with; `match.expression` is what follows.
        options: see `HandlerOptions`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("prefix", prefixes, 'a text, as in @prefix("good morning")')
    folded = tuple(dict.fromkeys(declared.prefix(text) for text in declared.names))
    return declared.handler(options, PrefixMatcher(declared.names), types=("message",), prefixes=folded)


def reaction(
    *names: str, removed: bool = False, **options: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for reactions, in any skin tone.

        @reaction("eyes")
        def seen(event, client):
            client.message(event.user, "I saw that.")

    Args:
        names: of the emoji, with or without colons.
        removed: when they are taken away, instead of when they are added.
        options: see `HandlerOptions`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("reaction", names, 'an emoji, as in @reaction("eyes")')
    emoji = tuple(dict.fromkeys(name.strip().strip(":").casefold() for name in declared.names))
    kind = "reaction_removed" if declared.flag("removed", removed) else "reaction_added"
    return declared.handler(options, ReactionMatcher(emoji), types=(kind,), reactions=emoji)
