"""The answers that every bot has: `help`, `hi`, `about`, and one to commands that it does not know.

They stand at the end of the chain. One gives way to a handler of the author's with the same command word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ... import __version__
from ...model import Subscription
from ...publishing.router import filter_of, passes
from ...settings import BUILTINS
from ...store.base import Store
from ..client import Client
from ..event import Event
from ..handler import Handler, Traits
from ..loader import Loaded
from ..matching.heard import Heard
from ..matching.match import Match
from ..matching.matchers import CommandMatcher, Matcher
from ..parameters import PARAMETERS, wanted_by
from .help import BUILT_IN, Help

_MAX_AGE = 30.0
_HINT = " Say `help` to see what I can do."


def with_builtins(loaded: Loaded, names: Collection[str]) -> Loaded:
    """Adds the built-in handlers that an author has not replaced, at the end of the chain.

    Args:
        loaded: the author's handlers.
        names: which of `BUILTINS`.
    """
    authors = loaded.handlers
    taken = {name.casefold() for one in authors if one.traits.chained for name in one.traits.names}
    chosen = [name for name in BUILTINS if name in names and taken.isdisjoint(_WORDS[name])]
    hint = _HINT if "help" in chosen or "help" in taken else ""
    made = [_MAKERS[name](hint) for name in chosen if name in _MAKERS]
    if "help" in chosen:
        made.append(_help([*authors, *made]))
    # What takes all that is left comes last.
    made += [_unknown([*authors, *made], hint)] if "unknown" in chosen else []
    return loaded._replace(handlers=(*authors, *made))


def _help(handlers: Sequence[Handler[..., object]]) -> Handler[..., object]:
    def help(client: Client, match: Match) -> None:
        """Says what I can do. With the name of a command, what that does."""
        client.reply(shown.about(match.expression) if match.expression else shown.overview())

    made = _command(help)
    shown = Help([*handlers, made])
    return made


def _hi(hint: str) -> Handler[..., object]:
    def hi(event: Event, client: Client) -> None:
        """Greets you."""
        client.reply(f"Hi <@{event.user}>!{hint}" if event.user else f"Hi!{hint}")

    return _command(hi)


def _about(hint: str) -> Handler[..., object]:
    def about(event: Event, client: Client) -> None:
        """Says who I am."""
        client.reply(f"I am <@{event.bot_user_id}>, a bot that runs on botfleet {__version__}.{hint}")

    # Also when somebody says the bot's name and no more.
    return _command(about, _name_alone, "")


def _unknown(handlers: Sequence[Handler[..., object]], hint: str) -> Handler[..., object]:
    elsewhere = Elsewhere(handlers)

    def unknown(event: Event, client: Client) -> None:
        """Answers what nothing else does."""
        if not elsewhere.takes(Heard(event, client)):
            who = f"Sorry <@{event.user}>" if event.user else "Sorry"
            client.reply(f"{who}, I don't know that command.{hint}")

    # What a command takes for certain, holders need not send.
    known = {word for one in handlers for word in _certain(one)}
    wanted = {"addressed": True, "not_words": ("", *sorted(known))}
    return _handler(unknown, wanted, _something, Traits(kind="command", chained=True, hidden=True))


_MAKERS: dict[str, Callable[[str], Handler[..., object]]] = {"hi": _hi, "about": _about}
_WORDS: dict[str, tuple[str, ...]] = {
    "help": ("help",),
    "hi": ("hi", "hello"),
    "about": ("about",),
    "unknown": (),
}


class Elsewhere:
    """Whether other handlers of the fleet take what is said to the bot: those of other roles, and listeners.

    Args:
        handlers: of this role's chain, which looks after itself.
    """

    def __init__(self, handlers: Sequence[Handler[..., object]]) -> None:
        self._known = {one.name for one in handlers if one.traits.chained}
        self._version = -1
        self._subscriptions: tuple[Subscription, ...] = ()

    def takes(self, heard: Heard) -> bool:
        """Whether somebody does."""
        glance = heard.glance()
        wanted = [one for one in self._announced(heard.client.storage) if "message" in one.types]
        return any(passes(filter_of(one), glance) for one in wanted)

    def _announced(self, store: Store) -> tuple[Subscription, ...]:
        """What is meant for the bot. Read anew when something was announced: bots may have many listeners."""
        version = store.subscriptions_version()
        if version != self._version:
            groups = store.subscriptions().values()
            self._subscriptions = tuple(one for group in groups for one in group if self._counts(one))
            self._version = version
        return self._subscriptions

    def _counts(self, wanted: Subscription) -> bool:
        if wanted.task in self._known or wanted.task.startswith(f"{BUILT_IN}."):
            return False
        return bool(wanted.addressed or wanted.words or wanted.mentioned or wanted.scopes == ("dm",))


def _something(heard: Heard) -> Match | None:
    """Takes whatever is said to the bot."""
    rests = list(heard.rests())
    return Match() if rests and all(rests) else None


def _name_alone(heard: Heard) -> Match | None:
    """Takes the bot's name without anything."""
    return Match() if heard.text.strip() and "" in heard.rests() else None


def _certain(handler: Handler[..., object]) -> Iterator[str]:
    """The first words that a command takes whatever follows, wherever it is said."""
    if isinstance(handler.matcher, CommandMatcher) and not handler.subscription.scopes:
        yield from (name.casefold() for name in handler.traits.names if len(name.split()) == 1)


def _command(
    function: Callable[..., None], otherwise: Matcher | None = None, *more: str
) -> Handler[..., object]:
    """A command named like its function.

    Args:
        function: what is run.
        otherwise: takes what is not the command.
        more: first words of what that takes.
    """
    words = _WORDS[function.__name__]
    command = CommandMatcher(words)

    def either(heard: Heard) -> Match | None:
        return command(heard) or (otherwise(heard) if otherwise is not None else None)

    wanted = {"addressed": True, "words": (*words, *more)}
    matcher: Matcher = command if otherwise is None else either
    return _handler(function, wanted, matcher, Traits(kind="command", chained=True, names=words))


def _handler(
    function: Callable[..., None], filters: dict[str, Any], matcher: Matcher, traits: Traits
) -> Handler[..., object]:
    name = f"{BUILT_IN}.{function.__name__}"
    function.__module__, function.__qualname__ = BUILT_IN, function.__name__
    wanted = Subscription(task=name, types=("message",), max_age=_MAX_AGE, **filters)
    return Handler(function, name, wanted, {}, matcher, wanted_by(function, name, PARAMETERS), traits)
