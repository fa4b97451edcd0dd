"""Functions that run before and after every handler of a role: `before` and `after`."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic

from ...errors import ConfigurationError
from ..handler import P, R
from ..parameters import check_plain, wanted_by

logger = logging.getLogger(__name__)

BEFORE_PARAMETERS = ("event", "client", "match", "handler")
AFTER_PARAMETERS = (*BEFORE_PARAMETERS, "error")


class Hook(Generic[P, R]):
    """A function that runs before or after handlers. It can be called like the function itself.

    Attributes:
        function: the author's.
        is_before: whether it runs before them.
        wants: what it takes, by name.
    """

    def __init__(self, function: Callable[P, R], is_before: bool, wants: Sequence[str]) -> None:
        self.function = function
        self.is_before = is_before
        self.wants = tuple(wants)
        update_wrapper(self, function)

    def run(self, offered: dict[str, Any]) -> object:
        """Calls the function with what it takes of what is offered."""
        call: Callable[..., object] = self.function
        return call(**{name: offered[name] for name in self.wants})

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


def before(function: Callable[P, R]) -> Hook[P, R]:
    """Runs a function before every handler of the role, when one is about to run for an event.

        @before
        def note(event, handler):
            logging.info("%s for %s", handler.name, event.user)

    It takes what it needs of `event`, `client`, `match` and `handler`. Where it returns False the handler is
    not run. Where it raises, that counts as the handler's failure.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    return Hook(function, True, _wanted(function, "before", BEFORE_PARAMETERS))


def after(function: Callable[P, R]) -> Hook[P, R]:
    """Runs a function after every handler of the role, whether it failed or not.

        @after
        def measure(handler, error):
            statistics.count(handler.name, failed=error is not None)

    It takes what it needs of `event`, `client`, `match`, `handler` and `error`, which is what the handler
    raised, or None. What it returns means nothing, and what it raises is logged and no more.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    return Hook(function, False, _wanted(function, "after", AFTER_PARAMETERS))


def _wanted(function: Callable[..., object], kind: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(function, types.FunctionType):
        raise ConfigurationError(
            f"@{kind}", "declares a plain function, and is used without arguments", function
        )
    name = f"{function.__module__}.{function.__name__}"
    check_plain(function, name, f"@{kind} functions")
    return wanted_by(function, name, offered, f"@{kind} functions")


@dataclass(frozen=True)
class Hooks:
    """The hooks of a role, in order of definition."""

    before: tuple[Hook[..., object], ...] = ()
    after: tuple[Hook[..., object], ...] = ()

    @classmethod
    def of(cls, hooks: Sequence[Hook[..., object]]) -> Hooks:
        """Sorts hooks; `NO_HOOKS` where there are none."""
        if not hooks:
            return NO_HOOKS
        return cls(
            tuple(one for one in hooks if one.is_before), tuple(one for one in hooks if not one.is_before)
        )

    def let_through(self, offered: dict[str, Any]) -> bool:
        """Runs those before a handler, up to one that returns False; whether none did."""
        return all(hook.run(offered) is not False for hook in self.before)

    def tell(self, offered: dict[str, Any], clean: Callable[[Exception], Exception]) -> None:
        """Runs those after a handler.

        Args:
            offered: what they may take.
            clean: makes an exception fit for the log.
        """
        for hook in self.after:
            try:
                hook.run(offered)
            except Exception as exc:
                logger.error(
                    "@after %s failed: %r",
                    getattr(hook, "__name__", "?"),
                    clean(exc),
                    extra={"action": "hook_failed"},
                )


NO_HOOKS = Hooks()
