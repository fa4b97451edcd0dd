"""Timers and lifecycle handlers in a real fleet, with two beats and a restart of everything."""

from __future__ import annotations

from typing import Any

from ..waiting import eventually
from .conftest import MakeFleet
from .fleet import RECORDING

TIMING = (
    RECORDING
    + """
from botfleet import Timer, every


@every(seconds=1)
def look(timer: Timer) -> None:
    seen = timer.memory.get("runs", 0) + 1
    timer.memory["runs"] = seen
    bots = [client.team_id for client in timer.clients()]
    record(due=timer.due_at, last_run=timer.last_run, runs=seen, bots=bots)


@every(seconds=1, autoretry_for=())
def broken(timer: Timer) -> None:
    raise OSError("nobody home")


@on("bot_created", autoretry_for=())
def greet(event: Event) -> None:
    raise OSError("no greeting")


@on("bot_created", "bot_removed")
def note(event: Event) -> None:
    record(life=event.type, team=event.team_id, reason=event.reason)
"""
)


def test_timers_run_once_and_remember_and_no_failure_hinders_another(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.write("tasks/timing.py", TIMING)

    def beats() -> None:
        for name in ("a", "b"):
            fleet.start("beat", "celery", "-A", "botfleet", "beat", "--pidfile=", "-s", f"beat-{name}")

    def runs() -> list[dict[str, Any]]:
        return [line for line in fleet.recorded() if "due" in line]

    working = fleet.worker()
    beats()
    fleet.wait_until_ready(working)
    team = fleet.add_workspace()
    eventually(lambda: [line for line in runs() if line["bots"] == [team.id]][2:], 20.0)
    working.says("no greeting")
    working.says("nobody home")
    for process in fleet.started:
        process.stop()
    before = runs()
    assert before[0]["last_run"] is None

    # What was missed is made up for once.
    fleet.fleet.remove_token(team.id)
    stopped_at = fleet.fleet.store.timetable().now
    eventually(lambda: fleet.fleet.store.timetable().now > stopped_at + 3.0)
    again = fleet.worker()
    beats()
    eventually(lambda: runs()[len(before) + 3 :], 20.0)
    eventually(lambda: [line for line in fleet.recorded() if line.get("life") == "bot_removed"], 10.0)
    found = runs()
    assert [line["runs"] for line in found] == list(range(1, len(found) + 1)), (
        "none beside another, none lost"
    )
    assert sorted({line["due"] for line in found}) == [line["due"] for line in found], "each due time once"
    first = found[len(before)]
    assert first["last_run"] < stopped_at < first["due"]
    assert (found[0]["due"] - first["due"]) % 1.0 in (0.0, 1.0)
    lives = [(line["life"], line["team"], line["reason"]) for line in fleet.recorded() if "life" in line]
    assert lives == [("bot_created", team.id, "token"), ("bot_removed", team.id, "asked")]
    assert "botfleet.tick[" not in working.output + again.output
