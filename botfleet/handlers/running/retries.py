"""Celery's options of a task for retries, for those tries that Celery can't know of: parts of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import Task
from celery.utils.time import get_exponential_backoff_interval

from ...errors import BotfleetError, TurnTooFar

#: Options that only Celery's `retry` takes, and those that are read here.
_NOT_SENT = frozenset({"max_retries", "countdown", "args", "kwargs", "exc", "throw"})


@dataclass(frozen=True)
class RetryPolicy:
    """What is tried again, when, and how often; reads the options as Celery's autoretry does.

    Attributes:
        retried, not_retried: types of exceptions; the latter win.
        most: tries after the first one; None for any number.
        backoff: seconds before the second try, doubled for each further one; 0 for `delay` each time.
        backoff_max: seconds that this grows to.
        jitter: whether the wait is anything up to that, by chance.
        delay: seconds between tries where there is no backoff.
        sending: options for the message.
    """

    retried: tuple[type[BaseException], ...]
    not_retried: tuple[type[BaseException], ...]
    most: int | None
    backoff: float
    backoff_max: int
    jitter: bool
    delay: float
    sending: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RetryPolicy:
        """Reads a task's options."""
        more: Mapping[str, Any] = options.get("retry_kwargs") or {}
        most = more.get("max_retries")
        return cls(
            retried=tuple(options["autoretry_for"]),
            not_retried=tuple(options["dont_autoretry_for"]),
            most=options["max_retries"] if most is None else most,
            backoff=float(options["retry_backoff"]),
            backoff_max=int(options["retry_backoff_max"]),
            jitter=options["retry_jitter"],
            delay=more.get("countdown", options.get("default_retry_delay", Task.default_retry_delay)),
            sending={name: value for name, value in more.items() if name not in _NOT_SENT},
        )

    def allows(self, exc: BaseException, failures: int) -> bool:
        """Whether there is a try after an exception that was the so-manieth failure in a row.

        An exception counts as itself and as what it came from.
        """
        if self.most is not None and failures > self.most and not only_waits(exc):
            return False
        causes = [exc, reason_of(exc)]
        if any(isinstance(one, self.not_retried) for one in causes):
            return False
        return any(isinstance(one, self.retried) for one in causes)

    def wait(self, failures: int, exc: BaseException) -> float:
        """Seconds to wait after so many failures in a row, of which this was the last."""
        if not self.backoff:
            return no_sooner(self.delay, exc)
        factor = int(max(1.0, self.backoff))
        planned = get_exponential_backoff_interval(
            factor, failures - 1, self.backoff_max, full_jitter=self.jitter
        )
        return no_sooner(float(planned), exc)


def no_sooner(planned: float, exc: BaseException | None) -> float:
    """Seconds to wait: as planned, but as long as an exception, or what it came from, asks for.

    >>> from botfleet.errors import SlackError
    >>> no_sooner(1.0, SlackError("ratelimited", retry_after=30.0)), no_sooner(1.0, ValueError())
    (30.0, 1.0)
    """
    causes = [] if exc is None else [exc, reason_of(exc)]
    asked = [one.retry_after for one in causes if isinstance(one, BotfleetError)]
    return max([planned, *(seconds for seconds in asked if seconds is not None)])


def only_waits(exc: BaseException | None) -> bool:
    """Whether an exception says that nothing failed, and that it is only too early.

    >>> only_waits(TurnTooFar("ratelimited", retry_after=7.0)), only_waits(ValueError()), only_waits(None)
    (True, False, False)
    """
    return exc is not None and any(isinstance(one, TurnTooFar) for one in (exc, reason_of(exc)))


def tries(most: int | None) -> str:
    """How often something is tried at the most, where there are so many tries after the first one.

    >>> tries(3), tries(None)
    ('4', 'any number')
    """
    return "any number" if most is None else str(most + 1)


class Patient(Task):  # type: ignore[misc]
    """Part of a task that Celery tries again: not sooner than whoever failed asks for with `retry_after`."""

    def retry(
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: Any = None,
        throw: bool = True,
        eta: Any = None,
        countdown: float | None = None,
        **options: Any,
    ) -> Any:
        """Has Celery try again; any number of times where nothing failed, and a turn to send was far away."""
        if eta is None:
            planned = self.default_retry_delay if countdown is None else countdown
            countdown = no_sooner(planned, exc)
        if only_waits(exc):
            options["max_retries"] = self.request.retries + 1
        return super().retry(args, kwargs, exc, throw, eta, countdown, **options)


def reason_of(exc: BaseException) -> BaseException:
    """What an exception was raised from, or while handling; itself where it came from nothing."""
    context = None if exc.__suppress_context__ else exc.__context__
    return exc.__cause__ or context or exc
