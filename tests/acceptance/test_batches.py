"""A batch handler in a real fleet: gathered by the holder, run by a worker, tried again where it failed."""

from __future__ import annotations

from ..waiting import eventually
from .conftest import MakeFleet
from .fleet import RECORDING

COUNT = 60
#: Fails once in the midst of a batch, and each time at one event.
ARCHIVING = (
    RECORDING
    + """
from botfleet import BatchFailed


@on("message", batch=10, linger=0.2, max_retries=1, retry_backoff=False, default_retry_delay=0)
def archive(events: list[Event]) -> None:
    record(call=[event.text for event in events])
    for done, event in enumerate(events):
        try:
            store(event)
        except OSError as exc:
            raise BatchFailed(done=done, event_id=event.id) from exc


def store(event: Event) -> None:
    if event.text == "number 31" or (event.text == "number 17" and not os.path.exists("failed")):
        open("failed", "w").close()
        raise OSError(f"could not store {event.text!r}")
    record(stored=event.text, team=event.team_id)
"""
)


def test_a_batch_is_tried_again_from_where_it_failed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.write("tasks/handling.py", ARCHIVING)
    handling = fleet.handler("--concurrency", "1")
    holding = fleet.holder()
    fleet.beat()
    fleet.wait_until_ready(holding)
    teams = [fleet.add_workspace().id for _ in range(2)]
    fleet.control.flood(COUNT, teams=teams, text="number {n}")

    def stored() -> list[str]:
        return [line["stored"] for line in fleet.recorded() if "stored" in line]

    expected = {f"number {n}" for n in range(1, COUNT + 1)} - {"number 31"}
    eventually(lambda: expected <= set(stored()), 20.0)
    handling.says("and gives it up")
    assert sorted(stored()) == sorted(expected), "each once"
    calls = [line["call"] for line in fleet.recorded() if "call" in line]
    assert max(map(len, calls)) == 10
    assert {line["team"] for line in fleet.recorded() if "team" in line} == set(teams)
    assert sum("number 17" in call for call in calls) == sum("number 31" in call for call in calls) == 2
    assert "could not store '<text>'" in handling.output
    assert "number" not in handling.output + holding.output
