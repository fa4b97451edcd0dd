"""An ordered handler in a real fleet: it fails, and one of its workers is killed in the midst of an event."""

from __future__ import annotations

import itertools

from ..waiting import eventually
from .conftest import MakeFleet
from .fleet import RECORDING, RunningFleet

COUNT = 60
#: Kills its worker, with all that this is doing besides, once; fails at one event once, and at one each time.
KILLING = (
    RECORDING
    + """
import signal, time


@on("message", ordered="channel", max_retries=1, retry_backoff=False, default_retry_delay=0.3)
def note(event: Event) -> None:
    number = int(event.text.split()[1])
    # Well before the failures: what a killed worker was about to say of one is lost with it.
    if number == 8 and first("killed"):
        os.killpg(0, signal.SIGKILL)
    if number == 31 or (number == 17 and first("failed")):
        raise OSError(f"could not note {event.text!r}")
    time.sleep(0.002 * (number % 5))
    record(number=number, team=event.team_id, process=os.getpgid(0))


def first(name: str) -> bool:
    try:
        open(name, "x").close()
    except FileExistsError:
        return False
    return True
"""
)


def numbers_of(fleet: RunningFleet) -> set[int]:
    return {line["number"] for line in fleet.recorded()}


def test_failures_and_a_killed_worker_keep_the_order(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.write("tasks/noting.py", KILLING)
    handling = [fleet.handler("--concurrency", "2", "-n", f"handler{n}@%h") for n in range(2)]
    holding = fleet.holder()
    fleet.beat()
    for process in handling:
        process.says("ready.")
    fleet.wait_until_ready(holding)
    teams = [fleet.add_workspace().id for _ in range(3)]
    fleet.control.flood(COUNT, teams=teams, text="number {n}")

    def all_there() -> bool:
        found = len(numbers_of(fleet))
        assert found == COUNT - 1, f"{found} of {COUNT}"
        return True

    eventually(all_there, 45.0)
    assert sorted(process.running for process in handling) == [False, True]
    for team in teams:
        numbers = [line["number"] for line in fleet.recorded() if line["team"] == team]
        # What was done and not yet struck out comes again, but never after a later one.
        in_turn = [number for number, _ in itertools.groupby(numbers)]
        assert in_turn == sorted(set(numbers))
    assert 31 not in numbers_of(fleet), "it was given up"
    said = "".join(process.output for process in handling)
    assert said.count("its lane waits for 0.3 s") == 2
    assert said.count("and gives it up; its lane goes on: OSError(") == 1
    assert "number" not in holding.output + said
