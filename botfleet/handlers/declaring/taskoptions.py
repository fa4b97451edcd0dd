"""Celery's options of a handler's task, and what each of them takes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from ...errors import ConfigurationError


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


def check(kind: str, options: Mapping[str, object]) -> None:
    """Checks values where they are declared; Celery would fail by them in the midst of a run.

    Args:
        kind: of the declaration, e.g. `command`.
        options: by name; those that are no task's are passed over.

    Raises:
        ConfigurationError: a value is not what its option takes.
    """
    for name in options.keys() & _CHECKS.keys():
        takes, is_right = _CHECKS[name]
        if not is_right(options[name]):
            raise ConfigurationError(f"@{kind} {name}", f"takes {takes}", options[name])


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_rate(value: object) -> bool:
    if isinstance(value, str):
        # As celery.utils.time.rate reads it.
        return re.fullmatch(r"\d+(\.\d+)?(/[smh])?", value) is not None
    return value is None or _are_seconds(value)


def _are_exceptions(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(one, type) and issubclass(one, BaseException) for one in value
    )


_Check = tuple[str, Callable[[object], bool]]
_EXCEPTIONS: _Check = ("exceptions, as in (OSError,)", _are_exceptions)
_FLAG: _Check = ("True or False", _is_flag)
_SECONDS: _Check = ("seconds", _are_seconds)

_CHECKS: dict[str, _Check] = {
    "max_retries": ("a whole number, or None for no end", lambda value: value is None or _is_whole(value)),
    "default_retry_delay": _SECONDS,
    "autoretry_for": _EXCEPTIONS,
    "dont_autoretry_for": _EXCEPTIONS,
    "retry_kwargs": ("a dict", lambda value: isinstance(value, dict)),
    "retry_backoff": ("seconds, True or False", lambda value: _is_flag(value) or _are_seconds(value)),
    "retry_backoff_max": _SECONDS,
    "retry_jitter": _FLAG,
    "rate_limit": ('a rate, as "100/m"', _is_rate),
    "time_limit": _SECONDS,
    "soft_time_limit": _SECONDS,
    "priority": ("a whole number", _is_whole),
    "acks_late": _FLAG,
    "reject_on_worker_lost": _FLAG,
    "throws": _EXCEPTIONS,
}
