"""Loads the modules of a bot's author and collects what they declare."""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import NamedTuple

from ..errors import ConfigurationError
from .declaring.classes import Commands, handlers_of
from .declaring.hooks import Hook
from .declaring.timers import TimerHandler
from .handler import Handler

logger = logging.getLogger(__name__)

#: What is loaded where nobody says otherwise; it need not be there.
DEFAULT = ("tasks",)
_SETTING = "BOTFLEET_HANDLERS"


class Loaded(NamedTuple):
    """What was found.

    Attributes:
        modules: names of what was imported.
        handlers: in order of definition, modules in order of their names.
        hooks: what runs before and after them, in the same order.
        timers: what is run by the clock, in the same order.
    """

    modules: tuple[str, ...]
    handlers: tuple[Handler[..., object], ...]
    hooks: tuple[Hook[..., object], ...] = ()
    timers: tuple[TimerHandler[..., object], ...] = ()


def load(modules: Sequence[str] = DEFAULT) -> Loaded:
    """Imports modules, and packages with all they hold, and collects their handlers.

    Names that begin with `_` are passed over. The working directory can be imported from.

    Raises:
        ConfigurationError: a module is not there or fails (the text says where), or two handlers have one
            name.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    trees = [module for name in modules for module in _import_tree(name, tuple(modules) == DEFAULT)]
    found = list(dict.fromkeys(trees))
    handlers = tuple(handler for module in found for handler in _declared_in(module))
    timers = tuple(timer for module in found for timer in _timers_in(module))
    _check_names([*handlers, *timers])
    hooks = dict.fromkeys(
        value for module in found for value in vars(module).values() if _is_hook(value, module)
    )
    return Loaded(tuple(module.__name__ for module in found), handlers, tuple(hooks), timers)


def _import_tree(name: str, may_be_absent: bool) -> Iterator[ModuleType]:
    module = _import(name)
    if module is None:
        if not may_be_absent:
            raise ConfigurationError(_SETTING, f"names {name}, and there is no such module in {os.getcwd()}")
        logger.warning(
            "there is no module %s, so there are no handlers", name, extra={"action": "no_handlers"}
        )
        return
    yield module
    if hasattr(module, "__path__"):
        for child in sorted(info.name for info in pkgutil.iter_modules(module.__path__)):
            if not child.startswith("_"):
                yield from _import_tree(f"{name}.{child}", False)


def _import(name: str) -> ModuleType | None:
    """Imports a module; None where it does not exist."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as exc:
        if isinstance(exc, ModuleNotFoundError) and f"{name}.".startswith(f"{exc.name}."):
            return None
        raise ConfigurationError(name, f"can't be loaded: {_reason(exc)} ({_place(exc)})") from exc


def _reason(exc: BaseException) -> str:
    if isinstance(exc, ConfigurationError):
        return str(exc)
    text = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _place(exc: BaseException) -> str:
    """`FILE:LINE` of the author's code that failed."""
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{_shown(exc.filename)}:{exc.lineno}"
    places = [f"{_shown(frame.filename)}:{frame.lineno}" for frame in traceback.extract_tb(exc.__traceback__)]
    theirs = [
        place for place in places if not place.startswith((os.sep, "<")) and "site-packages" not in place
    ]
    return (theirs or places)[-1]


def _shown(path: str) -> str:
    """A path as seen from the working directory, where it lies in it and not in botfleet itself."""
    ours = os.path.dirname(os.path.dirname(__file__)) + os.sep
    relative = os.path.relpath(path)
    return path if path.startswith((ours, "<")) or relative.startswith("..") else relative


def _declared_in(module: ModuleType) -> Iterator[Handler[..., object]]:
    _check_classes(module)
    for value in dict.fromkeys(value for value in vars(module).values() if _is_declaration(value, module)):
        if isinstance(value, Handler):
            if value.traits.is_method:
                raise ConfigurationError(value.name, "takes self, so it belongs into a class of Commands")
            yield value
        else:
            yield from handlers_of(value)


def _check_classes(module: ModuleType) -> None:
    """Handlers in a class that is not made for them, nor for a class of Commands to build on, are lost."""
    for value in vars(module).values():
        if not isinstance(value, type) or value.__module__ != module.__name__ or value.__subclasses__():
            continue
        name = value.__name__
        if not issubclass(value, Commands) and any(isinstance(one, Handler) for one in vars(value).values()):
            raise ConfigurationError(
                f"{module.__name__}.{name}", f"has handlers, which takes class {name}(Commands)"
            )


def _timers_in(module: ModuleType) -> Iterator[TimerHandler[..., object]]:
    found = (value for value in vars(module).values() if isinstance(value, TimerHandler))
    yield from (timer for timer in dict.fromkeys(found) if timer.function.__module__ == module.__name__)


def _is_declaration(value: object, module: ModuleType) -> bool:
    """Whether it is a handler or a class of them, and was defined in this module rather than imported."""
    if isinstance(value, Handler):
        return bool(value.function.__module__ == module.__name__)
    if not isinstance(value, type) or not issubclass(value, Commands):
        return False
    return value.__module__ == module.__name__ and not value.__name__.startswith("_")


def _is_hook(value: object, module: ModuleType) -> bool:
    return isinstance(value, Hook) and value.function.__module__ == module.__name__


def _check_names(handlers: Sequence[Handler[..., object] | TimerHandler[..., object]]) -> None:
    names = [handler.name for handler in handlers]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            raise ConfigurationError(name, "is the name of two handlers; rename one")
