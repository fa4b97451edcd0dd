"""A bot's token goes in by every way there is; its socket opens, events become tasks, handlers answer."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from botfleet import Manager

from ..waiting import eventually
from .fleet import RECORDING, Process, RunningFleet, Workspace, free_port

#: Sends a task as any app can that knows the broker's URL, and prints the result.
PLAIN_APP = """
import json, sys
from celery import Celery
url, task, arguments, options = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
app = Celery(broker=url, backend=url)
sent = app.send_task("botfleet." + task, arguments, options, queue="botfleet.control")
print(json.dumps(sent.get(timeout=15)))
assert "botfleet" not in sys.modules
"""
RECORDER = (
    RECORDING
    + """

@on("bot_disabled")
def disabled(event: Event) -> None:
    record(type=event.type, team=event.team_id)


@command("show typing")
def show_typing(event: Event, client: Client) -> None:
    client.typing()
    client.ping(mark="from the handler")
"""
)
SECONDS_TO_CONNECT = 2.0


class Shared(RunningFleet):
    """A fleet that all tests of this module use; each has teams of its own."""

    holding: Process

    def begin(self) -> None:
        self.copy("tasks")
        self.write("tasks/recorder.py", RECORDER)
        self.handler("--concurrency", "1")
        self.beat()
        self.begin_holder()

    def begin_holder(self) -> None:
        self.holding = self.holder()
        self.wait_until_ready(self.holding)

    def restart_holder(self) -> None:
        assert self.holding.stop() == 0
        self.begin_holder()

    def send(self, task: str, *arguments: object, **options: object) -> Any:
        """Sends a task from an app that knows nothing of botfleet."""
        return self.python(PLAIN_APP, self.url, task, json.dumps(arguments), json.dumps(options))

    def connects(self, team: Workspace) -> None:
        """The team's bot is connected in time, and answers."""
        self.wait_until_connected(team, timeout=SECONDS_TO_CONNECT)
        self.answers(team)

    def tokens_connected(self, team: Workspace) -> dict[str, int]:
        """Sockets by token."""
        tokens = self.control.team(team.id)["tokens"]
        return {token["bot_token"]: token["connections"] for token in tokens}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with Shared(tmp_path_factory.mktemp("tokens") / "fleet") as running:
        running.begin()
        yield running


# Every way in


def test_add_from_an_app_without_botfleet(fleet: Shared) -> None:
    team = fleet.workspace()
    [result] = fleet.send("add_token", team.token)
    assert (result["ok"], result["team_id"], result["error"]) == (True, team.id, None)
    fleet.connects(team)


def test_add_from_python(fleet: Shared) -> None:
    team = fleet.workspace()
    script = "import json, sys; from botfleet import add_token; print(json.dumps(add_token(*sys.argv[1:])))"
    [result] = fleet.python(script, team.token)
    assert (result["ok"], result["team_id"]) == (True, team.id)
    fleet.connects(team)


def test_add_from_python_over_the_broker(fleet: Shared) -> None:
    team = fleet.workspace()
    script = (
        "import json, sys; from botfleet import add_token;"
        "print(json.dumps(add_token.delay(*sys.argv[1:]).get(timeout=15)))"
    )
    [result] = fleet.python(script, team.token)
    assert (result["ok"], result["team_id"]) == (True, team.id)
    fleet.connects(team)


def test_add_with_the_manager(fleet: Shared) -> None:
    team = fleet.workspace()
    [result] = Manager(fleet.fleet).add_token(team.token)
    assert (result["ok"], result["team_id"]) == (True, team.id)
    fleet.connects(team)


def test_add_on_the_command_line(fleet: Shared) -> None:
    team, other = fleet.workspace(), fleet.workspace()
    # One as an argument, one on standard input.
    results = fleet.json("teams", "add", team.token, "-", text=f"{other.token}\n")
    assert [(one["ok"], one["team_id"]) for one in results] == [(True, team.id), (True, other.id)]
    fleet.connects(team)
    fleet.connects(other)


# The command line


def test_the_commands_of_celery_and_botfleet_are_the_same(fleet: Shared) -> None:
    team = fleet.add_workspace()
    done = fleet.run("celery", "-A", "botfleet", "fleet", "teams", "list", "--json")
    assert done.returncode == 0
    [listed] = [one for one in json.loads(done.stdout) if one["team_id"] == team.id]
    assert listed["status"] == "connected"
    assert listed["holder"].startswith("holder@")
    [ours] = [one for one in fleet.json("teams", "list") if one["team_id"] == team.id]
    assert ours == listed


def test_a_bots_life_on_the_command_line(fleet: Shared) -> None:
    team = fleet.workspace()
    assert team.id in fleet.botfleet("teams", "add", team.token)
    fleet.wait_until_connected(team)
    assert "connected" in fleet.botfleet("teams", "check", team.id)
    calls = fleet.calls_of("rtm.connect", team)
    assert team.id in fleet.botfleet("teams", "update", team.id)
    eventually(lambda: fleet.calls_of("rtm.connect", team) == calls + 1)
    fleet.wait_until_connected(team)
    assert team.id in fleet.botfleet("teams", "list")
    assert team.id in fleet.botfleet("status", team.id)
    assert team.id in fleet.botfleet("teams", "remove", team.id)
    assert team.id not in fleet.botfleet("teams", "list")
    said = fleet.botfleet("teams", "remove", team.id, expect=1)
    assert "no bot of team" in said
    assert "no bot of" in fleet.botfleet("status", team.id, expect=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["teams", "add"],
        ["teams", "add", "xoxb-1", "--transport", "pigeon"],
        ["teams", "frobnicate"],
        ["teams", "stop"],
        ["teams", "stop", "T1", "--all"],
        ["status", "--state", "asleep"],
    ],
    ids=" ".join,
)
def test_wrong_usage(fleet: Shared, arguments: list[str]) -> None:
    assert "Usage:" in fleet.botfleet(*arguments, expect=2)


def test_a_message_from_the_command_line(fleet: Shared) -> None:
    team = fleet.add_workspace()
    after = fleet.control.counts()["seq"]
    fleet.botfleet("message", team.id, team.general, "from the terminal")
    fleet.control.wait_for_message("from the terminal", team=team.id, after=after)
    assert "no bot of team T0" in fleet.botfleet("message", "T0", "C1", "hi", expect=1)


# What can be wrong with tokens: one clear result each, and nothing hinders the others


def test_junk_and_unknown_tokens_hinder_nobody(fleet: Shared) -> None:
    first, second = fleet.workspace(), fleet.workspace()
    junk = ["", "hello", "xoxb-", "xoxb-no-such-token", f"{first.token} {second.token}", 7, None, {"a": 1}]
    results = fleet.send("add_token", first.token, *junk, second.token)
    assert [one["ok"] for one in results] == [True, *[False] * len(junk), True]
    for one in results[1:-1]:
        assert one["team_id"] is one["status"] is None
        assert one["error"]
        assert "\n" not in one["error"]
        assert first.token not in one["error"]
    fleet.connects(first)
    fleet.connects(second)


def test_junk_tokens_on_the_command_line(fleet: Shared) -> None:
    team = fleet.workspace()
    results = fleet.json("teams", "add", "nonsense", team.token, "xoxb-no-such-token", expect=1)
    assert [one["ok"] for one in results] == [False, True, False]
    assert "invalid_auth" in results[2]["error"]
    said = fleet.botfleet("teams", "add", "nonsense", expect=1)
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("task", ["update_token", "remove_token", "check_token", "start", "stop", "restart"])
def test_unknown_teams(fleet: Shared, task: str) -> None:
    team = fleet.add_workspace()
    missing, found = fleet.send(task, "T0NOSUCHTEAM", team.id)
    assert not missing["ok"]
    assert "T0NOSUCHTEAM" in missing["error"]
    assert (found["ok"], found["team_id"]) == (True, team.id)


def test_slack_away_for_one_team(fleet: Shared) -> None:
    away, limited, well = fleet.workspace(), fleet.workspace(), fleet.workspace()
    fleet.control.fault("fail", team=away.id, method="auth.test", status=502, count=100)
    fleet.control.fault("ratelimit", team=limited.id, method="auth.test", retry_after=30, count=100)
    results = fleet.send("add_token", away.token, limited.token, well.token)
    assert [one["ok"] for one in results] == [False, False, True]
    assert "502" in results[0]["error"]
    assert "ratelimited" in results[1]["error"]
    fleet.connects(well)
    assert away.id not in fleet.report()


def test_slack_away(fleet: Shared) -> None:
    team = fleet.workspace()
    nowhere = f"http://127.0.0.1:{free_port()}/api/"
    [result] = fleet.json("teams", "add", team.token, expect=1, slack_api_url=nowhere)
    assert not result["ok"]
    assert "unreachable" in result["error"]
    assert team.id not in fleet.report()


# Replace, remove, revoke


def test_a_second_token_replaces_the_first(fleet: Shared) -> None:
    team = fleet.add_workspace()
    second = fleet.control.install(team.id)
    [result] = fleet.send("add_token", second)
    assert (result["ok"], result["team_id"]) == (True, team.id)
    eventually(lambda: fleet.tokens_connected(team) == {team.token: 0, second: 1}, 5.0)
    fleet.wait_for_rounds(2)
    assert fleet.tokens_connected(team) == {team.token: 0, second: 1}
    fleet.answers(team)
    # The old token names no bot any more.
    [result] = fleet.send("remove_token", team.token)
    assert not result["ok"]
    assert fleet.report()[team.id].status == "connected"


def test_update_replaces_too(fleet: Shared) -> None:
    team = fleet.add_workspace()
    second = fleet.control.install(team.id, revoke_old=True)
    [result] = fleet.send("update_token", second)
    assert (result["ok"], result["team_id"]) == (True, team.id)
    eventually(lambda: fleet.tokens_connected(team) == {team.token: 0, second: 1}, 5.0)
    fleet.wait_until_connected(team)
    fleet.answers(team)


def test_the_same_token_twice_changes_nothing(fleet: Shared) -> None:
    team = fleet.add_workspace()
    calls = fleet.calls_of("rtm.connect", team)
    first, second = fleet.send("add_token", team.token, team.token)
    assert first == second == {"ok": True, "team_id": team.id, "status": "connected", "error": None}
    fleet.wait_for_rounds(2)
    assert fleet.calls_of("rtm.connect", team) == calls
    assert fleet.control.connections(team.id) == 1


def test_removed_stays_removed(fleet: Shared) -> None:
    team, other = fleet.add_workspace(), fleet.add_workspace()
    calls = fleet.calls_of("rtm.connect", team)
    [result] = fleet.send("remove_token", team.token)
    assert result == {"ok": True, "team_id": team.id, "status": None, "error": None}
    fleet.control.wait_for_connections(0, team=team.id, timeout=2.0)
    fleet.wait_for_rounds()
    fleet.restart_holder()
    fleet.wait_until_connected(other)
    fleet.wait_for_rounds()
    assert fleet.control.connections(team.id) == 0
    assert fleet.calls_of("rtm.connect", team) == calls
    assert team.id not in fleet.report()
    # It may come back.
    fleet.add(team.token)
    fleet.connects(team)


def test_a_revoked_token_is_told_once_and_tried_no_more(fleet: Shared) -> None:
    team, other = fleet.add_workspace(), fleet.add_workspace()
    fleet.control.fault("revoke", team=team.id)
    fleet.wait_for_status("token_revoked", team.id)
    eventually(lambda: _disabled(fleet, team) == 1)
    calls = fleet.calls_of("rtm.connect", team)
    fleet.wait_for_rounds()
    fleet.restart_holder()
    fleet.wait_until_connected(other)
    fleet.wait_for_rounds()
    assert fleet.report()[team.id].status == "token_revoked"
    assert fleet.report()[team.id].error == "token_revoked"
    assert fleet.calls_of("rtm.connect", team) == calls
    assert fleet.control.connections(team.id) == 0
    assert _disabled(fleet, team) == 1
    [checked] = fleet.send("check_token", team.id)
    assert (checked["ok"], checked["status"]) == (False, "token_revoked")
    # A new token of the team brings it back.
    fleet.add(fleet.control.install(team.id))
    fleet.connects(team)


def _disabled(fleet: Shared, team: Workspace) -> int:
    return fleet.recorded().count({"type": "bot_disabled", "team": team.id})


# Start, stop, restart


def test_stopped_stays_stopped_until_started(fleet: Shared) -> None:
    team, other = fleet.add_workspace(), fleet.add_workspace()
    [result] = fleet.send("stop", team.id)
    assert result["ok"]
    fleet.wait_for_status("stopped", team.id)
    fleet.control.wait_for_connections(0, team=team.id)
    calls = fleet.calls_of("rtm.connect", team)
    fleet.wait_for_rounds()
    # The same token again is no start.
    fleet.add(team.token)
    fleet.restart_holder()
    fleet.wait_until_connected(other)
    fleet.wait_for_rounds()
    assert fleet.report()[team.id].status == "stopped"
    assert fleet.control.connections(team.id) == 0
    assert fleet.calls_of("rtm.connect", team) == calls
    [result] = (fleet.send("message", team.id, team.general, "is anybody there?"),)
    assert not result["ok"]
    assert "stopped" in result["error"]
    [result] = fleet.send("start", team.id)
    assert result["ok"]
    fleet.connects(team)


def test_restart_connects_anew(fleet: Shared) -> None:
    team = fleet.add_workspace()
    calls = fleet.calls_of("rtm.connect", team)
    [result] = fleet.send("restart", team.id)
    assert result["ok"]
    eventually(lambda: fleet.calls_of("rtm.connect", team) == calls + 1)
    fleet.connects(team)
    fleet.wait_for_rounds(2)
    assert fleet.calls_of("rtm.connect", team) == calls + 1


def test_the_status_task(fleet: Shared) -> None:
    team = fleet.add_workspace()
    status = fleet.send("status")
    assert status["total"] == sum(status["statuses"].values()) == len(fleet.report())
    assert [holder["name"] for holder in status["holders"]] == [fleet.report()[team.id].holder]
    [one] = fleet.send("status", team.id)["bots"]
    assert (one["team_id"], one["status"]) == (team.id, "connected")


# What goes out


def test_the_message_task(fleet: Shared) -> None:
    team = fleet.add_workspace()
    after = fleet.control.counts()["seq"]
    sent = fleet.send("message", team.id, team.general, "over the socket")
    assert sent == {"ok": True, "team_id": team.id, "error": None, "channel": None, "ts": None}
    plain = fleet.control.wait_for_message("over the socket", team=team.id, after=after)
    assert plain["via"] == "socket"
    assert fleet.calls_of("chat.postMessage", team) == 0
    sent = fleet.send("message", team.id, "#general", "in a thread", thread_ts=plain["ts"])
    threaded = fleet.control.wait_for_message("in a thread", team=team.id, after=after)
    assert threaded["thread_ts"] == plain["ts"]
    assert (sent["ok"], sent["channel"], sent["ts"]) == (True, team.general, threaded["ts"])
    waited = fleet.send("message", team.id, team.general, "over the socket, waited for", wait=True)
    heard = fleet.control.wait_for_message("over the socket, waited for", team=team.id, after=after)
    assert (waited["ok"], waited["ts"], heard["via"]) == (True, heard["ts"], "socket")
    assert fleet.calls_of("chat.postMessage", team) == 1
    refused = fleet.send("message", team.id, "#nowhere", "hello?")
    assert not refused["ok"]
    assert "#nowhere" in refused["error"]
    unknown = fleet.send("message", "T0", team.general, "hello?")
    assert not unknown["ok"]


def test_typing_and_ping(fleet: Shared) -> None:
    team = fleet.add_workspace()
    fleet.control.say("general", f"<@{team.bot}> show typing", team=team.id)

    def frames() -> dict[str, Any]:
        return {one["type"]: json.loads(one["frame"]) for one in fleet.control.frames(team=team.id)}

    eventually(lambda: {"typing", "ping"} <= frames().keys())
    assert frames()["typing"]["channel"] == team.general
    eventually(lambda: any("from the handler" in one["frame"] for one in fleet.control.frames(team=team.id)))


def test_a_new_member_is_welcomed(fleet: Shared) -> None:
    team = fleet.add_workspace()
    after = fleet.control.counts()["seq"]
    fleet.control.join(team=team.id)
    fleet.control.wait_for_message(contains="Welcome!", team=team.id, after=after)


def test_a_holder_that_ends_says_so(fleet: Shared) -> None:
    team = fleet.add_workspace()
    assert fleet.holding.stop(signal.SIGTERM) == 0
    fleet.control.wait_for_connections(0, team=team.id)
    report = fleet.json("status", team.id)
    assert report["holders"] == []
    [bot] = report["bots"]
    assert (bot["status"], bot["error"]) == ("disconnected", "holder stopped")
    assert "No holder is running" in fleet.botfleet("status")
    fleet.begin_holder()
    fleet.connects(team)
