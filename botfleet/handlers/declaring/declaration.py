"""What the declarations share: their arguments are checked, and a function becomes a handler."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from ...errors import ConfigurationError
from ...model import Subscription
from ..handler import Handler, P, R, Traits
from ..matching.conditions import Condition, Predicate
from ..matching.matchers import Filtered, Matcher
from ..matching.options import KINDS, Form
from ..matching.patterns import Pattern
from ..parameters import BATCH_PARAMETERS, PARAMETERS, check_plain, is_method, wanted_by
from .taskoptions import TaskOptions, check

Scope = Literal["public", "private", "dm"]
SCOPES: tuple[Scope, ...] = ("public", "private", "dm")
Order = Literal["channel", "user", "team"]
ORDERS: tuple[Order, ...] = ("channel", "user", "team")

#: Bounds of a batch: events in one message, and seconds for which they are gathered.
_MAX_BATCH = 1000
_MAX_LINGER = 60.0
#: Characters of a command or prefix; longer ones would escape the holders' filter (`slack.address`).
_MAX_COMMAND = 80


class HandlerOptions(TaskOptions, total=False):
    """What all declarations of answers take.

    `scope`: where it was said: `public`, `private` or `dm`, or several. `own`, `bots`: also what the bot
    itself and other bots said. `where`: callables that are given the event (`client`, `match` by name) and
    must all agree. `permitted`: the same, asked only when the handler is about to run: who is refused gets no
    answer. `help`, `hidden`: what help says, and whether it says nothing. `max_age`: seconds after which
    nobody waits for the answer any more; None lifts that. `queue`: the Celery queue to wait on. `ordered`:
    `channel`, `user` or `team`: events of the same one are handled one after another.
    """

    scope: Scope | Iterable[Scope] | None
    own: bool
    bots: bool
    where: Predicate | Iterable[Predicate] | None
    permitted: Predicate | Iterable[Predicate] | None
    help: str | None
    hidden: bool
    max_age: float | None
    queue: str
    ordered: Order | None


class Declaration:
    """Checks the arguments of a declaration. Errors name the declaration as it was written.

    Args:
        kind: e.g. `on` or `command`.
        names: its positional arguments.
        takes: what these should be, with an example.
    """

    def __init__(self, kind: str, names: tuple[object, ...], takes: str) -> None:
        self.kind = kind
        self.takes = takes
        if len(names) == 1 and callable(names[0]):
            raise self.wrong(f"is used without arguments; takes {takes}")
        if not names:
            raise self.wrong(f"takes at least {takes}")
        self.given = names

    @property
    def names(self) -> tuple[str, ...]:
        """The positional arguments, which are texts."""
        return self.only_texts(self.given)

    def only_texts(self, given: Iterable[object]) -> tuple[str, ...]:
        """Positional arguments that are texts."""
        items = tuple(given)
        if not all(isinstance(item, str) and item.strip() for item in items):
            raise self.wrong(f"takes at least {self.takes}, and texts only", self.given)
        return tuple(str(item) for item in items)

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

    def ordered(self, value: object, batch: bool) -> str:
        """What events must have in common to be handled one after another; empty for nothing."""
        if value is None:
            return ""
        if value not in ORDERS:
            raise self.wrong(f"takes {', '.join(ORDERS)}", value, "ordered")
        if batch:
            raise self.wrong("does not go together with batch", value, "ordered")
        return str(value)

    def one_in(self, value: object) -> int:
        """One message in so many."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.wrong("takes a whole number from 1", value, "one_in")
        return value

    def command(self, text: str) -> str:
        """A command without needless white space."""
        if len(text) > _MAX_COMMAND:
            raise self.wrong(f"takes commands of up to {_MAX_COMMAND} characters", text)
        return " ".join(text.split())

    def slash(self, text: str) -> str:
        """A slash command in the form that Slack sends it in."""
        if not re.fullmatch(r"/[^\s/]{1,31}", text.strip()):
            raise self.wrong(f"takes {self.takes}", text)
        return text.strip().lower()

    def prefix(self, text: str) -> str:
        """A prefix in the form that it is compared in."""
        folded = text.strip().casefold()
        if len(folded) > _MAX_COMMAND:
            raise self.wrong(f"takes up to {_MAX_COMMAND} characters", text)
        return folded

    def pattern(self, value: object, **ways: bool) -> Pattern:
        """A regular expression."""
        if not isinstance(value, str | re.Pattern) or isinstance(getattr(value, "pattern", ""), bytes):
            raise self.wrong(f"takes {self.takes}", value)
        try:
            return Pattern(value, **ways)
        except ValueError as exc:
            raise self.wrong(f"is no regular expression ({exc})", value) from None

    def form(self, value: object) -> Form | None:
        """The options that a command takes: True for any."""
        if isinstance(value, bool):
            return Form() if value else None
        kinds = value if isinstance(value, Mapping) else {}
        if not kinds or not all(isinstance(name, str) and kind in KINDS for name, kind in kinds.items()):
            raise self.wrong('takes True, or types by name as {"env": str, "force": bool}', value, "options")
        return Form(dict(kinds))

    def conditions(self, option: str, value: object) -> tuple[Condition, ...]:
        """One callable or several."""
        items = (value,) if callable(value) or not isinstance(value, Iterable) else tuple(value)
        try:
            return tuple(Condition(item) for item in items if item is not None)
        except TypeError as exc:
            takes = f"takes a callable of {', '.join(PARAMETERS)}, or several"
            raise self.wrong(f"{takes} ({exc})", None, option) from None

    def handler(
        self,
        options: Mapping[str, Any],
        matcher: Matcher | None,
        traits: Traits = Traits(),  # noqa: B008 (frozen)
        **filters: Any,
    ) -> Callable[[Callable[P, R]], Handler[P, R]]:
        """The decorator of a declaration that takes `HandlerOptions`.

        Args:
            options: what the author said.
            matcher: looks closer at what is heard.
            traits: what is known without the options.
            filters: the subscription's, where they are not options.
        """
        self._check_options(options, HandlerOptions.__annotations__)
        said = {"own": False, "bots": False, "hidden": False, "max_age": None, "queue": "", **options}
        template = Subscription(
            task="",
            scopes=() if said.get("scope") is None else self.scopes(said["scope"]),
            own=self.flag("own", said["own"]),
            bots=self.flag("bots", said["bots"]),
            queue=self.queue(said["queue"]),
            max_age=self.max_age(said["max_age"]),
            ordered=self.ordered(said.get("ordered"), batch=False),
            **filters,
        )
        traits = dataclasses.replace(
            traits,
            kind=self.kind,
            help=None if said.get("help") is None else self.text("help", said["help"]),
            hidden=self.flag("hidden", said["hidden"]),
            permitted=self.conditions("permitted", said.get("permitted")),
        )
        where = self.conditions("where", said.get("where"))
        tasks = {name: value for name, value in options.items() if name not in _OWN_OPTIONS}
        return self.decorator(template, tasks, Filtered.of(matcher, where), traits)

    def text(self, option: str, value: object) -> str:
        """A text."""
        if not isinstance(value, str):
            raise self.wrong("takes a text", value, option)
        return value

    def decorator(
        self,
        template: Subscription,
        options: Mapping[str, Any],
        matcher: Matcher | None = None,
        traits: Traits = Traits(),  # noqa: B008 (frozen)
    ) -> Callable[[Callable[P, R]], Handler[P, R]]:
        """The decorator that makes a handler of a function."""
        self._check_options(options, TaskOptions.__annotations__)
        check(self.kind, options)

        def decorate(function: Callable[P, R]) -> Handler[P, R]:
            wants = self._wants(function, BATCH_PARAMETERS if template.batch else PARAMETERS)
            name = _name_of(function)
            subscription = msgspec.structs.replace(template, task=name)
            declared = dataclasses.replace(traits, is_method=is_method(function))
            return Handler(function, name, subscription, options, matcher, wants, declared)

        return decorate

    def _check_options(self, options: Iterable[str], known: Iterable[str]) -> None:
        unknown = sorted(set(options) - set(known))
        if unknown:
            takes = f"{', '.join(sorted(known))}, or Celery's task_… settings"
            raise self.wrong(f"has no option {', '.join(unknown)}; takes {takes}")

    def _wants(self, function: object, offered: tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(function, Handler):
            raise self.wrong(f"is the second declaration of {function.name}; a function takes one")
        if not isinstance(function, types.FunctionType):
            raise self.wrong("declares a function", function)
        name = _name_of(function)
        check_plain(function, name)
        if is_method(function) and offered is BATCH_PARAMETERS:
            raise ConfigurationError(name, "takes batches, which are no method's: they are of many teams")
        _check_defined_once(function, name)
        return wanted_by(function, name, offered, _KINDS_OF_HANDLERS[offered])


_OWN_OPTIONS = frozenset(HandlerOptions.__annotations__) - frozenset(TaskOptions.__annotations__)
_KINDS_OF_HANDLERS = {PARAMETERS: "handlers", BATCH_PARAMETERS: "batch handlers"}


def _name_of(function: Callable[..., object]) -> str:
    """The task's name: a method's has its class in it."""
    if not is_method(function):
        return f"{function.__module__}.{function.__name__}"
    return f"{function.__module__}.{getattr(function, '__qualname__', function.__name__)}"


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
