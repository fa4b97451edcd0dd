"""Holders that share a pace, against a real sandbox: how often they ask Slack, as the sandbox counts it."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import pytest

from botfleet.holder.pace import SLACK
from botfleet.sandbox import SandboxControl, SandboxProcess

from ..waiting import eventually
from .holders import World
from .sandbox_fixtures import control, sandbox

__all__ = ["control", "sandbox"]

BOTS = 60
RATE = 30.0
IDEAL = BOTS / RATE
LEAST = (BOTS - 1) * (1.0 + SLACK) / RATE


@pytest.fixture
def world(sandbox: SandboxProcess) -> Iterator[World]:
    """A holder with many bots, none of which is connected yet."""
    made = World(sandbox.control, sandbox.api_url, connect_rate=RATE)
    for one in sandbox.control.add_teams(BOTS):
        made.add_unasked(one["team_id"], one["bot_token"])
    yield made
    made.close()
    assert made.deaths == []


def called(control: SandboxControl, after: int = 0) -> list[float]:
    """When rtm.connect was called."""
    return sorted(call["time"] for call in control.calls(after, method="rtm.connect"))


def peak(times: list[float]) -> int:
    """The most calls in any second."""
    return max(bisect.bisect_left(times, time + 1.0) - index for index, time in enumerate(times))


def last_call(control: SandboxControl) -> int:
    return max((call["seq"] for call in control.calls()), default=0)


def break_all(control: SandboxControl, before: int) -> None:
    """Resets all sockets, and waits until the bots are back."""
    control.fault("drop", team=None, reset=True)
    eventually(lambda: len(called(control, before)) >= BOTS, 2 * IDEAL + 5.0)
    control.wait_for_connections(BOTS)


def test_bots_are_connected_at_the_pace_and_again_after_an_outage(
    world: World, control: SandboxControl
) -> None:
    world.hold()
    control.wait_for_connections(BOTS, timeout=2 * IDEAL + 5.0)
    assert peak(called(control)) <= RATE
    before = last_call(control)
    break_all(control, before)
    again = called(control, before)
    assert len(again) == BOTS
    assert peak(again) <= RATE
    assert again[-1] - again[0] >= LEAST - SLACK


def test_a_teams_retry_after_outlives_its_holder(world: World, control: SandboxControl) -> None:
    team = control.add_teams(1)[0]
    key = team["team_id"]
    control.fault("ratelimit", team=key, method="rtm.connect", count=1, retry_after=4)
    world.add_unasked(key, team["bot_token"])
    first = world.hold()
    limited = world.wait_for(key, "rate_limited")
    first.stop()
    assert world.status(key) == limited
    world.hold()
    assert world.wait_for(key, "rate_limited").retry_at == pytest.approx(limited.retry_at, abs=0.5)
    world.wait_for(key, "connected", timeout=15.0)
    refused, let_in = (call["time"] for call in world.asked(key))
    assert let_in - refused >= 4.0


def test_without_the_store_a_holder_keeps_the_pace_by_itself(
    world: World, control: SandboxControl, caplog: pytest.LogCaptureFixture
) -> None:
    world.hold()
    control.wait_for_connections(BOTS, timeout=2 * IDEAL + 5.0)
    before = last_call(control)
    world.lines[0].cut = True
    break_all(control, before)
    assert peak(called(control, before)) <= RATE
    actions = [getattr(record, "action", "") for record in caplog.records]
    assert [action for action in actions if action.startswith("pace.")] == ["pace.alone"]
