"""How a bot's author declares timers: `every`.

As with `on`, a declaration is a value in the author's module; `running.timers` makes Celery tasks of them.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, Generic, NoReturn, Unpack

from ...errors import ConfigurationError
from ...model import Schedule
from ...timers.schedules import check_cron
from ..handler import P, R
from ..parameters import check_plain
from .taskoptions import TaskOptions, check

#: What a timer's function may take, by name.
TIMER_PARAMETERS = ("timer",)
#: Bounds of a period, seconds: beat ticks each second, and a year is a matter for a cron line.
_SHORTEST, _LONGEST = 1.0, 366 * 86_400.0


class TimerHandler(Generic[P, R]):
    """A timer: the author's function, when it is run, and how.

    It can be called like the function itself, as a test does.

    Attributes:
        function: the author's.
        name: the Celery task's: `module.function`.
        schedule: when it is due, and the queue that it waits on.
        options: Celery's task options.
        wants: `timer`, where the function takes it.
    """

    def __init__(
        self, function: Callable[P, R], schedule: Schedule, options: Mapping[str, Any], wants: tuple[str, ...]
    ) -> None:
        self.function = function
        self.name = schedule.task
        self.schedule = schedule
        self.options = dict(options)
        self.wants = wants
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<TimerHandler {self.name}, {self.schedule.plan}>"


def every(
    cron: str = "",
    *,
    seconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    days: float = 0,
    queue: str = "",
    **task_options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], TimerHandler[P, R]]:
    """Declares a function that is run by the clock: once for each due time, whatever the number of workers.

        @every(minutes=10)
        def greet(timer):
            for client in timer.clients():
                client.message("#general", "Still here!")

        @every("0 9 * * 1-5")
        def good_morning(timer): ...

    Args:
        cron: minute, hour, day of month, month, day of week, as in crontab(5), in Celery's `timezone`.
        seconds, minutes, hours, days: or the time from one run to the next; they add up, to a second or more.
        queue: the Celery queue to wait on; without it `events.other`.
        task_options: Celery's, e.g. `max_retries`, `time_limit`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    period = _period(seconds=seconds, minutes=minutes, hours=hours, days=days)
    if not isinstance(cron, str):
        _wrong('takes when, as in @every(minutes=10) or @every("0 9 * * 1-5")', cron)
    if bool(cron) == bool(period):
        _wrong("takes either a cron line or a time: seconds=, minutes=, hours=, days=")
    if cron:
        _check_cron(cron)
    elif not _SHORTEST <= period <= _LONGEST:
        _wrong("takes from 1 second to 366 days", f"{period:g} s")
    if not isinstance(queue, str) or queue != queue.strip():
        _wrong("takes a queue's name", queue)
    _check_options(task_options)

    def decorate(function: Callable[P, R]) -> TimerHandler[P, R]:
        name, wants = _checked(function)
        schedule = Schedule(task=name, queue=queue, seconds=period, cron=" ".join(cron.split()))
        return TimerHandler(function, schedule, task_options, wants)

    return decorate


def _period(**parts: object) -> float:
    units = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86_400.0}
    period = 0.0
    for name, value in parts.items():
        # Not NaN either, which is no number that one can wait for.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            _wrong(f"takes {name} as a number", value)
        period += value * units[name]
    return period


def _check_cron(line: str) -> None:
    try:
        check_cron(line)
    except ValueError as exc:
        _wrong(f'takes a cron line, as in @every("0 9 * * 1-5"): {exc}', line)


def _check_options(options: Mapping[str, object]) -> None:
    if unknown := sorted(set(options) - set(TaskOptions.__annotations__)):
        known = ", ".join(sorted(TaskOptions.__annotations__))
        _wrong(f"has no option {', '.join(unknown)}; takes {known}, or Celery's task_… settings")
    check("every", options)


def _checked(function: object) -> tuple[str, tuple[str, ...]]:
    """The name of the task that a function becomes, and which parameters it takes."""
    if not isinstance(function, types.FunctionType):
        _wrong("declares a function, which takes one declaration", function)
    name = f"{function.__module__}.{function.__name__}"
    check_plain(function, name, "timers")
    _check_defined_once(function, name)
    parameters = inspect.signature(function).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.name not in TIMER_PARAMETERS]
    if needed:
        raise ConfigurationError(name, f"takes a parameter {needed[0]!r}; timers take `timer`, by name")
    return name, tuple(one.name for one in parameters if one.name in TIMER_PARAMETERS)


def _check_defined_once(function: types.FunctionType, name: str) -> None:
    """Of two functions of one name Python keeps only the second."""
    before = function.__globals__.get(function.__name__)
    if isinstance(before, TimerHandler) and before.name == name:
        line = getattr(before.function, "__code__", function.__code__).co_firstlineno
        if line != (again := function.__code__.co_firstlineno):
            raise ConfigurationError(name, f"is defined twice, at lines {line} and {again}; rename one")


def _wrong(problem: str, *value: object) -> NoReturn:
    raise ConfigurationError("@every", problem, *value)
