"""What the functions of a bot's author are given: by name, and only what they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ConfigurationError

#: What a handler function may take, by name; and one that gets its events in batches.
PARAMETERS = ("event", "client", "match")
BATCH_PARAMETERS = ("events", "storage")


def wanted_by(
    function: Callable[..., Any], name: str, offered: Sequence[str], kind: str = "handlers"
) -> tuple[str, ...]:
    """Which of the parameters that are offered a function takes; `self` is passed over.

    Raises:
        ConfigurationError: it takes another one.
    """
    wants = []
    for parameter in _parameters(function):
        if parameter.name in offered and parameter.kind is not parameter.POSITIONAL_ONLY:
            wants.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise ConfigurationError(
                name, f"takes a parameter {parameter.name!r}; {kind} take {', '.join(offered)}, by name"
            )
    return tuple(wants)


def check_plain(function: Callable[..., Any], name: str, kind: str = "handlers") -> None:
    """Refuses a function whose call would not run it.

    Raises:
        ConfigurationError: it is async, or a generator.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(name, f"is async; {kind} are plain functions")
    if inspect.isgeneratorfunction(function):
        raise ConfigurationError(name, f"is a generator; {kind} are plain functions")


def is_method(function: Callable[..., Any]) -> bool:
    """Whether a function is written as a method of a class."""
    return next(iter(inspect.signature(function).parameters), "") == "self"


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[0].name == "self":
        del parameters[0]
    return [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
