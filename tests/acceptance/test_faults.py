"""What goes wrong in a running fleet: Slack away, the broker away, workers killed."""

from __future__ import annotations

import os
import signal

from ..waiting import eventually
from .conftest import MakeFleet
from .fleet import RECORDING, Process, RunningFleet

#: Notes the numbers of a flood's messages in the order in which they are handled.
COUNTING = (
    RECORDING
    + """

@on("message")
def note(event: Event) -> None:
    if event.text.startswith("number "):
        record(number=int(event.text.split()[1]), team=event.team_id)
"""
)
#: Answers slowly, and says when it began and when it was done.
SLOW = (
    RECORDING
    + """
import time


@command("work")
def work(event: Event, client: Client) -> None:
    record(began=event.id, pid=os.getpid())
    while not os.path.exists("go-on"):
        time.sleep(0.05)
    record(done=event.id)
    client.reply("done")
"""
)
FLOOD = "number {n}"
#: Messages that a worker of one process has at a time, the one at work among them.
IN_FLIGHT = 4
#: What a worker had when it was killed, or lost its broker, goes to another one after two seconds.
SOON_AGAIN = """
broker_transport_options = {
    "visibility_timeout": 2, "unacked_restore_interval": 1, "unacked_restore_throttle": 1
}
"""


def numbers(fleet: RunningFleet) -> list[int]:
    """What the handler noted, in order."""
    return [line["number"] for line in fleet.recorded()]


def wait_for_numbers(fleet: RunningFleet, count: int) -> None:
    """Waits until so many different messages were handled."""

    def there() -> bool:
        found = len(set(numbers(fleet)))
        assert found >= count, f"{found} of {count}"
        return True

    eventually(there, 30.0)


def out_of_turn(fleet: RunningFleet) -> int:
    """How many messages were handled for the first time after a later one of the same team."""
    latest: dict[str, int] = {}
    seen: set[int] = set()
    late = 0
    for line in fleet.recorded():
        number, team = line["number"], line["team"]
        late += number not in seen and number < latest.get(team, 0)
        latest[team] = max(number, latest.get(team, 0))
        seen.add(number)
    return late


def begin(fleet: RunningFleet, teams: int, handler: str) -> tuple[Process, Process]:
    """Starts a holder, one handler process, and beat, with some bots connected; gives holder and handler."""
    fleet.write("tasks/handling.py", handler)
    # One process, so that the order in the file is the order of arrival.
    handling = fleet.handler("--concurrency", "1")
    holding = fleet.holder()
    fleet.beat()
    fleet.wait_until_ready(holding)
    for _ in range(teams):
        fleet.add_workspace()
    return holding, handling


def test_the_sandbox_restarts(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1)
    fleet.copy("tasks")
    begin(fleet, 4, COUNTING)
    teams = [fleet.workspace_of(one["team_id"], one["bot_token"]) for one in fleet.control.teams()[1:]]
    fleet.restart_sandbox()
    fleet.wait_until_connected(*teams)
    assert fleet.control.counts()["connections"] == len(teams)
    fleet.wait_for_rounds(2)
    # One attempt each: nobody connected twice.
    assert [fleet.calls_of("rtm.connect", team) for team in teams] == [1] * len(teams)
    for team in teams:
        fleet.answers(team)


def test_the_broker_is_killed_and_restarted_under_events(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(lease_ttl=2)
    fleet.write("celeryconfig.py", SOON_AGAIN)
    _, handling = begin(fleet, 3, COUNTING)
    connected = [bot.team_id for bot in fleet.report().values()]
    # Nobody fetches while the broker dies: Celery loses what is on its way from there to a worker, and this
    # is about what is in the holder's hands.
    handling.stop()
    opened = fleet.control.counts()["connections_opened"]
    flood = fleet.control.flood(3000, teams=connected, rate=500.0, text=FLOOD)
    eventually(lambda: fleet.fleet.store.holders()[0].published > 200, 10.0)
    fleet.kill_server()
    # Longer than the lease lasts: nobody may take the holder for dead afterwards.
    away = fleet.control.counts()["floods"][-1]["sent"]
    eventually(lambda: fleet.control.counts()["floods"][-1]["sent"] > away + 1500, 10.0)
    fleet.server.start()
    fleet.control.wait_for_flood(flood, 30.0)
    fleet.handler("--concurrency", "1")
    wait_for_numbers(fleet, 3000)
    fleet.wait_for_rounds(2)
    assert sorted(numbers(fleet)) == list(range(1, 3001))
    assert out_of_turn(fleet) == 0
    # Sockets stayed up throughout, and everybody knows.
    assert fleet.control.counts()["connections_opened"] == opened
    eventually(lambda: {bot.status for bot in fleet.report().values()} == {"connected"}, 15.0)
    [holder] = fleet.fleet.store.holders()
    assert (holder.dropped, holder.unsent) == (0, 0)


def test_workers_survive_a_broker_that_dies_under_events(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(lease_ttl=2)
    fleet.write("celeryconfig.py", SOON_AGAIN)
    workers = begin(fleet, 3, COUNTING)
    teams = [bot.team_id for bot in fleet.report().values()]
    for number in (1, 2, 3):
        flood = fleet.control.flood(400, teams=teams, rate=400.0, text=f"number {number}000{{n}}")
        wait_for_numbers(fleet, 400 * number - 350)
        fleet.kill_server()
        fleet.control.wait_for_flood(flood, 10.0)
        fleet.server.start()
        # With each kill Celery may lose the one message that is on its way to the worker.
        wait_for_numbers(fleet, 400 * number - number)
    assert [worker.running for worker in workers] == [True, True]


def test_the_handler_restarts_under_events(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    _, handling = begin(fleet, 2, COUNTING)
    connected = [bot.team_id for bot in fleet.report().values()]
    flood = fleet.control.flood(800, teams=connected, rate=250.0, text=FLOOD)
    eventually(lambda: len(numbers(fleet)) > 50, 10.0)
    assert handling.stop(signal.SIGTERM) == 0
    fleet.handler("--concurrency", "1")
    fleet.control.wait_for_flood(flood, 30.0)
    eventually(lambda: len(set(numbers(fleet))) == 800, 30.0)
    # What it had fetched in advance went back to the end of the queue, begun or not.
    assert len(numbers(fleet)) <= 800 + IN_FLIGHT
    assert out_of_turn(fleet) <= IN_FLIGHT


def test_a_task_whose_worker_was_killed_is_done_again(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.write("celeryconfig.py", SOON_AGAIN)
    _, handling = begin(fleet, 1, SLOW)
    [team_id] = fleet.report()
    team = fleet.workspace_of(team_id, "")
    fleet.control.say("general", f"<@{team.bot}> work", team=team.id)
    eventually(fleet.recorded, 10.0)
    handling.send(signal.SIGKILL)
    assert handling.wait() == -signal.SIGKILL
    (fleet.path / "go-on").touch()
    fleet.handler("--concurrency", "1")
    fleet.control.wait_for_message("done", team=team.id, timeout=20.0)
    lines = fleet.recorded()
    assert len({line["began"] for line in lines if "began" in line}) == 1
    assert len([line for line in lines if "began" in line]) == 2


def test_a_pool_process_that_was_killed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    _, handling = begin(fleet, 1, SLOW)
    [team_id] = fleet.report()
    team = fleet.workspace_of(team_id, "")
    fleet.control.say("general", f"<@{team.bot}> work", team=team.id)
    [line] = eventually(fleet.recorded, 10.0)
    assert line["pid"] != handling.pid
    os.kill(line["pid"], signal.SIGKILL)
    (fleet.path / "go-on").touch()
    fleet.control.wait_for_message("done", team=team.id, timeout=20.0)
    assert handling.running
