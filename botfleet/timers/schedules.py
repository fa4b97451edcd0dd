"""When timers are due: pure arithmetic over `Schedule`, in unix seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ..model import Schedule

#: Of a cron line.
_FIELDS = 5


def latest_due(schedule: Schedule, since: float, now: float) -> float | None:
    """The last due time after `since` and up to `now`; None where there is none.

    Times that were missed are one: a timer that nobody ran for a week is due once.

    Raises:
        ValueError: this release can't reckon with such a schedule.

    >>> each_minute = Schedule(task="t", seconds=60)
    >>> latest_due(each_minute, 1000.0, 1059.9), latest_due(each_minute, 1000.0, 1060.0)
    (None, 1060.0)
    >>> latest_due(each_minute, 1000.0, 1350.0)
    1300.0
    >>> nine = Schedule(task="t", cron="0 9 * * *")  # 1970-01-01 and -02, UTC
    >>> latest_due(nine, 0.0, 9 * 3600.0), latest_due(nine, 9 * 3600.0, 33 * 3600.0 - 1)
    (32400.0, None)
    """
    if schedule.cron:
        found = _cron(schedule, math.floor(now) + 1.0, reverse=True)
        return found if found is not None and found > since else None
    _check(schedule)
    periods = math.floor((now - since) / schedule.seconds)
    return since + periods * schedule.seconds if periods >= 1 else None


def next_due(schedule: Schedule, after: float) -> float:
    """The first due time after one.

    Args:
        schedule: the timer's.
        after: where it counts seconds, the due time before.

    Raises:
        ValueError: there is none, or this release can't reckon with such a schedule.

    >>> next_due(Schedule(task="t", seconds=90), 1000.0)
    1090.0
    >>> next_due(Schedule(task="t", cron="*/15 * * * *"), 60.0)
    900.0
    """
    if schedule.cron:
        found = _cron(schedule, after, reverse=False)
        if found is None:
            raise ValueError(f"{schedule.cron!r} is never due")
        return found
    _check(schedule)
    return after + schedule.seconds


def check_cron(line: str) -> None:
    """Checks a line of five fields as crontab(5) has them.

    Raises:
        ValueError: it is none, or never due.
    """
    if len(line.split()) != _FIELDS:
        raise ValueError("takes five fields: minute, hour, day of month, month, day of week")
    next_due(Schedule(task="", cron=line), 0.0)


def zone(name: str) -> tzinfo:
    """A time zone by its name in IANA's list.

    Raises:
        ValueError: there is none of that name.
    """
    if name == "UTC":
        return UTC  # Also where no time zones are installed.
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise ValueError(f"there is no time zone {name!r}") from None


def _cron(schedule: Schedule, start: float, reverse: bool) -> float | None:
    """The next time of a cron line, or the one before, seen from a time that does not count itself."""
    try:
        times = CronSim(schedule.cron, datetime.fromtimestamp(start, zone(schedule.timezone)), reverse)
        return next(times).timestamp()
    except StopIteration:
        return None
    except CronSimError as exc:
        raise ValueError(f"{schedule.cron!r} is no cron line: {exc}") from None


def _check(schedule: Schedule) -> None:
    if not schedule.seconds > 0:
        raise ValueError(f"{schedule.task} has neither a period nor a cron line")
