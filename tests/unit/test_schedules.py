"""When timers are due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet.model import Schedule
from botfleet.timers.schedules import check_cron, latest_due, next_due, zone

HOUR, DAY = 3600.0, 86_400.0
SINCE = st.floats(1e9, 2e9)
CRONS = [
    "* * * * *",
    "*/7 3-5 * * *",
    "0 9 * * 1-5",
    "30 2 * * *",
    "15 14 1 * *",
    "0 0 13 * 5",
    "59 23 31 12 *",
]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def cron(line: str, timezone: str = "UTC") -> Schedule:
    return Schedule(task="t", cron=line, timezone=timezone)


@given(since=SINCE, later=st.floats(0, 1e7), seconds=st.floats(1, 1e6))
def test_a_period_is_due_once_for_all_that_was_missed(since: float, later: float, seconds: float) -> None:
    schedule, now = Schedule(task="t", seconds=seconds), since + later
    due = latest_due(schedule, since, now)
    if due is None:
        assert later < seconds * 1.000001
    else:
        assert since < due <= now * (1 + 1e-15)
        assert now - due < seconds * 1.000001
        # Dealt with: it is not due again before its next time.
        assert latest_due(schedule, due, now) in (None, due + seconds)
        assert next_due(schedule, due) > now - 1e-3


@given(since=SINCE, later=st.floats(0, 3e7), line=st.sampled_from(CRONS), timezone=st.sampled_from(ZONES))
def test_a_cron_line_is_due_once_for_all_that_was_missed(
    since: float, later: float, line: str, timezone: str
) -> None:
    schedule, now = cron(line, timezone), since + later
    due = latest_due(schedule, since, now)
    if due is None:
        assert next_due(schedule, since) > now
    else:
        assert since < due <= now
        assert latest_due(schedule, due, now) is None
        assert next_due(schedule, due) > now


@pytest.mark.parametrize(
    ("line", "after", "due"),
    [
        ("0 9 * * 1-5", "2026-11-20T09:00Z", "2026-11-23T09:00Z"),  # from a Friday to the Monday
        ("0 9 * * MON-FRI", "2026-11-20T09:00Z", "2026-11-23T09:00Z"),
        ("0 0 1 * *", "2026-11-20T09:00Z", "2026-12-01T00:00Z"),
        ("0 0 29 2 *", "2026-11-20T09:00Z", "2028-02-29T00:00Z"),
        # As cron has it: a day of the month or a day of the week.
        ("0 0 13 * 5", "2026-11-20T09:00Z", "2026-11-27T00:00Z"),
    ],
)
def test_the_next_time_of_a_cron_line(line: str, after: str, due: str) -> None:
    assert next_due(cron(line), at(after)) == at(due)


def test_a_cron_line_is_meant_in_its_time_zone() -> None:
    berlin = cron("0 9 * * *", "Europe/Berlin")
    assert next_due(berlin, at("2026-07-01T00:00Z")) == at("2026-07-01T07:00Z")
    assert next_due(berlin, at("2026-12-01T00:00Z")) == at("2026-12-01T08:00Z")


def test_the_hours_that_summer_time_takes_and_gives() -> None:
    berlin = cron("30 2 * * *", "Europe/Berlin")
    # There is no 02:30 on that day: it is run when the clock has been put forward.
    assert next_due(berlin, at("2026-03-28T12:00Z")) == at("2026-03-29T01:00Z")
    # There are two of them: it is run once.
    first = next_due(berlin, at("2026-10-24T12:00Z"))
    assert first == at("2026-10-25T00:30Z")
    assert next_due(berlin, first) == at("2026-10-26T01:30Z")
    assert latest_due(berlin, first, at("2026-10-25T12:00Z")) is None


def test_a_clock_that_went_back_makes_nothing_due() -> None:
    assert latest_due(Schedule(task="t", seconds=60), 1000.0, 10.0) is None
    assert latest_due(cron("* * * * *"), 1000.0, 10.0) is None


@pytest.mark.parametrize(
    "line",
    ["", "daily", "@daily", "* * * *", "* * * * * *", "60 * * * *", "* * * * 8", "0 0 30 2 *", "a b c d e"],
)
def test_what_is_no_cron_line_is_told(line: str) -> None:
    with pytest.raises(ValueError, match=r"takes five fields|no cron line|never due"):
        check_cron(line)


def test_what_a_newer_release_announces_is_told() -> None:
    with pytest.raises(ValueError, match="neither a period nor a cron line"):
        latest_due(Schedule(task="t"), 0.0, 1.0)
    with pytest.raises(ValueError, match="no time zone"):
        latest_due(cron("* * * * *", "Europe/Atlantis"), 0.0, 1.0)


def test_utc_needs_no_list_of_zones() -> None:
    assert zone("UTC") is UTC
