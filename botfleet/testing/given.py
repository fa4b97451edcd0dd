"""What a test gives to `fleet.load`: modules, their names, handlers, timers, hooks, classes."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from ..errors import UsageError
from ..handlers.declaring.classes import Commands, handlers_of
from ..handlers.declaring.hooks import Hook
from ..handlers.declaring.timers import TimerHandler
from ..handlers.handler import Handler
from ..handlers.loader import Loaded, load


def loaded(given: Sequence[object]) -> Loaded:
    """What was given, as the loader would have found it.

    Raises:
        UsageError: something is no handler.
        ConfigurationError: a module can't be loaded.
    """
    found = [_loaded(one) for one in given]
    modules = dict.fromkeys(module for one in found for module in one.modules)
    handlers = [handler for one in found for handler in one.handlers]
    hooks = [hook for one in found for hook in one.hooks]
    timers = [timer for one in found for timer in one.timers]
    return Loaded(tuple(modules), tuple(handlers), tuple(hooks), tuple(timers))


def home(given: object) -> tuple[str, bool]:
    """The module in which something that was given is found, and whether others can find it there.

    Raises:
        UsageError: it is no handler.
    """
    if isinstance(given, str | ModuleType):
        return _name(given), True
    (module,) = _loaded(given).modules
    function = given.function if isinstance(given, Handler | Hook | TimerHandler) else given
    return module, "<locals>" not in str(getattr(function, "__qualname__", ""))


def _loaded(given: object) -> Loaded:
    if isinstance(given, str | ModuleType):
        return load([_name(given)])
    if isinstance(given, Handler):
        return Loaded((given.function.__module__,), (given,))
    if isinstance(given, Hook):
        return Loaded((given.function.__module__,), (), (given,))
    if isinstance(given, TimerHandler):
        return Loaded((given.function.__module__,), (), (), (given,))
    if isinstance(given, type) and issubclass(given, Commands):
        return Loaded((given.__module__,), tuple(handlers_of(given)))
    takes = "modules, their names, handlers, timers, hooks, and classes of Commands"
    raise UsageError(f"{given!r} is no handler; takes {takes}")


def _name(module: str | ModuleType) -> str:
    return module if isinstance(module, str) else module.__name__
