"""What the declarations share: their arguments are checked, and a function becomes a handler."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ..errors import ConfigurationError
from ..model import Subscription
from .handler import BATCH_PARAMETERS, PARAMETERS, Handler, Matcher, P, R, TaskOptions

Scope = Literal["public", "private", "dm"]
SCOPES: tuple[Scope, ...] = ("public", "private", "dm")
Order = Literal["channel", "user", "team"]
ORDERS: tuple[Order, ...] = ("channel", "user", "team")

#: Bounds of a batch: events in one message, and seconds for which they are gathered.
_MAX_BATCH = 1000
_MAX_LINGER = 60.0
#: Characters of a command; longer ones would escape the holders' filter (`slack.address`).
_MAX_COMMAND = 80


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

    def ordered(self, value: object, batch: bool) -> str:
        """What events must have in common to be handled one after another; empty for nothing."""
        if value is None:
            return ""
        if value not in ORDERS:
            raise self.wrong(f"takes {', '.join(ORDERS)}", value, "ordered")
        if batch:
            raise self.wrong("does not go together with batch", value, "ordered")
        return str(value)

    def command(self, text: str) -> str:
        """A command in the form that it is compared in."""
        if len(text) > _MAX_COMMAND:
            raise self.wrong(f"takes commands of up to {_MAX_COMMAND} characters", text)
        return " ".join(text.casefold().split())

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
