"""A handler: what `on`, `command` and their kin make of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar

from ..model import Subscription
from .client import Client
from .event import Event
from .matching import Match

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

#: Decides whether an event that a holder published is really for a handler.
Matcher = Callable[[Event, Client], "Match | None"]

#: What a handler function may take, by name; and one that gets its events in batches.
PARAMETERS = ("event", "client", "match")
BATCH_PARAMETERS = ("events",)


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
