"""A handler: what `on`, `command` and their kin make of a function."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from ..model import Subscription
from .matching.conditions import Condition
from .matching.matchers import Matcher
from .matching.options import Form
from .parameters import PARAMETERS

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a handler is beside its subscription.

    Attributes:
        kind: how it was declared, e.g. `command`.
        chained: of all handlers of a role that are, only the first that matches an event is run.
        names: what people say to it, for help; the first one is its name.
        help: what help says of it; None for the function's docstring.
        hidden: help does not list it.
        form: what options a command takes; None for none.
        permitted: who may run it: all must hold.
        hooked: the author's hooks run around it.
        is_method: it was declared in a class, which makes a handler of its own of it.
    """

    kind: str = "on"
    chained: bool = False
    names: tuple[str, ...] = ()
    help: str | None = None
    hidden: bool = False
    form: Form | None = None
    permitted: tuple[Condition, ...] = ()
    hooked: bool = True
    is_method: bool = False


class Handler(Generic[P, R]):
    """A handler: the author's function, what it wants, and how Celery runs it.

    It can be called like the function itself, as a test does.

    Attributes:
        function: the author's.
        name: the Celery task's: `module.function`, or `module.Class.method`.
        subscription: what holders are to publish for it; one without types wants nothing by itself.
        options: Celery's task options. The queue is in the subscription: it is the publisher who sends.
        matcher: looks closer than a subscription can; None lets everything through.
        wants: which of `event`, `client`, `match` the function takes.
        traits: what else is known of it.
    """

    def __init__(
        self,
        function: Callable[P, R],
        name: str,
        subscription: Subscription,
        options: Mapping[str, Any],
        matcher: Matcher | None = None,
        wants: Iterable[str] = PARAMETERS,
        traits: Traits | None = None,
    ) -> None:
        self.function = function
        self.name = name
        self.subscription = subscription
        self.options = dict(options)
        self.matcher = matcher
        self.wants = tuple(wants)
        self.traits = traits or Traits()
        update_wrapper(self, function)

    @property
    def help(self) -> str:
        """What help says of it: its `help`, else its docstring; empty where there is neither."""
        return inspect.cleandoc(self.__doc__ or "" if self.traits.help is None else self.traits.help)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """In a class of commands, the method itself: other methods may call it."""
        if instance is None or not self.traits.is_method:
            return self
        return types.MethodType(self.function, instance)

    def __repr__(self) -> str:
        return f"<Handler {self.name}>"
