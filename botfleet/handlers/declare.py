"""How a bot's author declares handlers: `on` and `command`.

A declaration is a value in the author's module; nothing is registered anywhere. `loader.py` collects them,
`binding.py` makes Celery tasks of them.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack

from ..errors import ConfigurationError
from ..model import Subscription
from ..slack.address import first_word
from .client import Client
from .event import Event
from .matching import CommandMatcher, Match

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

Scope = Literal["public", "private", "dm"]
SCOPES: tuple[Scope, ...] = ("public", "private", "dm")
#: Decides whether an event that a holder published is really for a handler.
Matcher = Callable[[Event, Client], "Match | None"]

#: What a handler function may take, by name; and one that gets its events in batches.
PARAMETERS = ("event", "client", "match")
BATCH_PARAMETERS = ("events",)
#: Bounds of a batch: events in one message, and seconds for which they are gathered.
_MAX_BATCH = 1000
_MAX_LINGER = 60.0
#: Characters of a command; longer ones would escape the holders' filter (`slack.address`).
_MAX_COMMAND = 80


class TaskOptions(TypedDict, total=False):
    """Celery's options of a handler's task; see Celery's documentation of `Task`.

    Without a retry policy of its own a handler that raises is tried again three times.
    """

    max_retries: int | None
    default_retry_delay: float
    autoretry_for: tuple[type[BaseException], ...]
    dont_autoretry_for: tuple[type[BaseException], ...]
    retry_kwargs: dict[str, Any]
    retry_backoff: bool | float
    retry_backoff_max: int
    retry_jitter: bool
    rate_limit: str | int | float | None
    time_limit: float
    soft_time_limit: float
    priority: int
    acks_late: bool
    reject_on_worker_lost: bool
    throws: tuple[type[BaseException], ...]


class Handler(Generic[P, R]):
    """A handler: the author's function, what it wants, and how Celery runs it.

    It can be called like the function itself, as a test does.

    Attributes:
        function: the author's.
        name: the Celery task's: `module.function`.
        subscription: what holders are to publish for it; one without types wants nothing by itself.
        options: Celery's task options. The queue is in the subscription: it is the publisher who sends.
        matcher: looks closer than a subscription can; None lets everything through.
        wants: which of `event`, `client`, `match` the function takes.
    """

    def __init__(
        self,
        function: Callable[P, R],
        name: str,
        subscription: Subscription,
        options: Mapping[str, Any],
        matcher: Matcher | None = None,
        wants: Iterable[str] = PARAMETERS,
    ) -> None:
        self.function = function
        self.name = name
        self.subscription = subscription
        self.options = dict(options)
        self.matcher = matcher
        self.wants = tuple(wants)
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Handler {self.name}>"


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
    )
    return declared.decorator(template, task_options)


def command(
    *words: str,
    max_age: float | None = 30.0,
    queue: str = "",
    **task_options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for a command: `@bot ping`, `bot: ping`, or `ping` in a direct message.

        @command("ping")
        def ping(event, client, match):
            client.reply("pong")

    Args:
        words: the command and its aliases; each may be several words. Case and white space don't matter.
        max_age: seconds after which nobody waits for the answer any more; None lifts that.
        queue: the Celery queue to wait on; without it the event type's own.
        task_options: Celery's, e.g. `max_retries`, `rate_limit`, `time_limit`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("command", words, 'a command, as in @command("ping")')
    commands = [declared.command(word) for word in declared.names]
    template = Subscription(
        task="",
        types=("message",),
        addressed=True,
        words=tuple(dict.fromkeys(first_word(text) for text in commands)),
        queue=declared.queue(queue),
        max_age=declared.max_age(max_age),
    )
    return declared.decorator(template, task_options, CommandMatcher(commands))


class Declaration:
    """Checks the arguments of a declaration. Errors name the declaration as it was written.

    Args:
        kind: `on` or `command`.
        names: its positional arguments.
        takes: what these should be, with an example.
    """

    def __init__(self, kind: str, names: tuple[object, ...], takes: str) -> None:
        self.kind = kind
        if len(names) == 1 and callable(names[0]):
            raise self.wrong(f"is used without arguments; takes {takes}")
        if not names or not all(isinstance(name, str) and name.strip() for name in names):
            raise self.wrong(f"takes at least {takes}, and texts only", names or None)
        self.names = tuple(str(name) for name in names)

    def wrong(self, expected: str, got: object | None = None, option: str = "") -> ConfigurationError:
        """The error for this declaration, or one of its options."""
        return ConfigurationError(f"@{self.kind}{f' {option}' if option else ''}", expected, got)

    def texts(self, option: str, value: object) -> tuple[str, ...]:
        """One text or several."""
        items = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
        if not items or not all(isinstance(item, str) and item for item in items):
            raise self.wrong("takes a text or several", value, option)
        return tuple(str(item) for item in items)

    def scopes(self, value: object) -> tuple[str, ...]:
        """One scope or several."""
        scopes = self.texts("scope", value)
        if not set(scopes) <= set(SCOPES):
            raise self.wrong(f"takes {', '.join(SCOPES)}, or several of them", value, "scope")
        return scopes

    def flag(self, option: str, value: object) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise self.wrong("takes True or False", value, option)
        return value

    def queue(self, value: object) -> str:
        """A queue's name."""
        if not isinstance(value, str) or value != value.strip():
            raise self.wrong("takes a queue's name", value, "queue")
        return value

    def max_age(self, value: object) -> float | None:
        """Seconds, or None."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise self.wrong("takes seconds, or None for no limit", value, "max_age")
        return float(value)

    def batch(self, value: object) -> int:
        """Events in a batch; 0 for none."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not (value == 0 or 2 <= value <= _MAX_BATCH)
        ):
            raise self.wrong(f"takes a number of events from 2 to {_MAX_BATCH}", value, "batch")
        return int(str(value))

    def linger(self, value: object) -> float:
        """Seconds for which a batch is gathered."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_LINGER:
            raise self.wrong(f"takes seconds from 0 to {_MAX_LINGER:g}", value, "linger")
        return float(value)

    def command(self, text: str) -> str:
        """A command in the form that it is compared in."""
        if len(text) > _MAX_COMMAND:
            raise self.wrong(f"takes commands of up to {_MAX_COMMAND} characters", text)
        return " ".join(text.lower().split())

    def decorator(
        self, template: Subscription, options: Mapping[str, Any], matcher: Matcher | None = None
    ) -> Callable[[Callable[P, R]], Handler[P, R]]:
        """The decorator that makes a handler of a function."""
        unknown = sorted(set(options) - set(TaskOptions.__annotations__))
        if unknown:
            known = ", ".join(sorted(TaskOptions.__annotations__))
            raise self.wrong(
                f"has no option {', '.join(unknown)}; takes {known}, or Celery's task_… settings"
            )

        def decorate(function: Callable[P, R]) -> Handler[P, R]:
            wants = self._wants(function, BATCH_PARAMETERS if template.batch else PARAMETERS)
            name = f"{function.__module__}.{function.__name__}"
            subscription = Subscription(**{**_fields(template), "task": name})
            return Handler(function, name, subscription, options, matcher, wants)

        return decorate

    def _wants(self, function: object, offered: tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(function, Handler):
            raise self.wrong(f"is the second declaration of {function.name}; a function takes one")
        if not isinstance(function, types.FunctionType):
            raise self.wrong("declares a function", function)
        name = f"{function.__module__}.{function.__name__}"
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(name, "is async; handlers are plain functions")
        _check_defined_once(function, name)
        return _wanted(function, name, offered)


def _fields(subscription: Subscription) -> dict[str, Any]:
    return {field: getattr(subscription, field) for field in subscription.__struct_fields__}


def _check_defined_once(function: types.FunctionType, name: str) -> None:
    """Two functions of one name would be two tasks of one name, and Python keeps only the second."""
    before = function.__globals__.get(function.__name__)
    if function.__qualname__ != function.__name__ or not isinstance(before, Handler):
        return
    line = getattr(before.function, "__code__", function.__code__).co_firstlineno
    if before.name == name and line != function.__code__.co_firstlineno:
        raise ConfigurationError(
            name, f"is defined twice, at lines {line} and {function.__code__.co_firstlineno}; rename one"
        )


def _wanted(function: Callable[..., Any], name: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the parameters that are offered a function takes."""
    wants = []
    kind = "batch handlers" if offered is BATCH_PARAMETERS else "handlers"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in offered and parameter.kind is not parameter.POSITIONAL_ONLY:
            wants.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise ConfigurationError(
                name, f"takes a parameter {parameter.name!r}; {kind} take {', '.join(offered)}, by name"
            )
    return tuple(wants)
