"""What a test gives to `fleet.load`: modules, their names, handlers, and classes of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from ..errors import UsageError
from ..handlers.commands import Commands, handlers_of
from ..handlers.handler import Handler
from ..handlers.loader import Loaded, load


def loaded(given: Sequence[object]) -> Loaded:
    """What was given, as the loader would have found it.

    Raises:
        UsageError: something is no handler.
        ConfigurationError: a module can't be loaded.
    """
    found = [handler for one in given for handler in _handlers(one)]
    return Loaded(tuple(dict.fromkeys(one.function.__module__ for one in found)), tuple(found))


def home(given: object) -> tuple[str, bool]:
    """The module in which something that was given is found, and whether others can find it there.

    Raises:
        UsageError: it is no handler.
    """
    if isinstance(given, str | ModuleType):
        return _name(given), True
    if not isinstance(given, Handler) and not _is_commands(given):
        raise _wrong(given)
    function = given.function if isinstance(given, Handler) else given
    return str(function.__module__), "<locals>" not in str(getattr(function, "__qualname__", ""))


def _handlers(given: object) -> Sequence[Handler[..., object]]:
    if isinstance(given, str | ModuleType):
        return load([_name(given)]).handlers
    if isinstance(given, Handler):
        return [given]
    if isinstance(given, type) and issubclass(given, Commands):
        return handlers_of(given)
    raise _wrong(given)


def _is_commands(given: object) -> bool:
    return isinstance(given, type) and issubclass(given, Commands)


def _name(module: str | ModuleType) -> str:
    return module if isinstance(module, str) else module.__name__


def _wrong(given: object) -> UsageError:
    return UsageError(
        f"{given!r} is no handler; takes modules, their names, handlers, and classes of Commands"
    )
