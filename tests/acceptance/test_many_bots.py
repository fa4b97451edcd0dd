"""Two hundred bots in one holder, and what `botfleet status` says of each."""

from __future__ import annotations

from typing import Any

from ..waiting import eventually
from .conftest import MakeFleet

BOTS = 200


def test_two_hundred_bots(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=BOTS)
    fleet.copy("tasks")
    fleet.handler()
    holder = fleet.holder()
    fleet.beat()
    fleet.wait_until_ready(holder)
    tokens = {team["team_id"]: team["bot_token"] for team in fleet.sandbox.teams}
    assert len(tokens) == BOTS
    added = fleet.json("teams", "add", "-", text="\n".join(tokens.values()), timeout=60.0)
    assert [one["team_id"] for one in added if one["ok"]] == list(tokens)
    fleet.control.wait_for_connections(BOTS, timeout=20.0)

    def by_team() -> dict[str, dict[str, Any]]:
        status = fleet.json("status")
        assert status["total"] == len(status["bots"])
        return {bot["team_id"]: bot for bot in status["bots"]}

    eventually(lambda: fleet.json("status")["statuses"] == {"connected": BOTS}, 10.0, 0.2)
    assert by_team().keys() == tokens.keys()

    # Each answers one message.
    after = fleet.control.counts()["seq"]
    bots = {team["team_id"]: team["bot_user_id"] for team in fleet.control.state()["teams"]}
    for team_id, bot in bots.items():
        fleet.control.say("general", f"<@{bot}> ping", team=team_id)
    answered: list[str] = []

    def all_answered() -> bool:
        nonlocal after
        said, after = fleet.control.messages(after, by="bot", wait=1.0)
        answered.extend(one["team"] for one in said if one["text"] == "pong")
        return len(answered) >= BOTS

    eventually(all_answered, 30.0)
    assert sorted(answered) == sorted(tokens)

    # One is revoked, one removed, one replaced, one stopped.
    revoked, removed, replaced, stopped, *others = tokens
    fleet.control.fault("revoke", team=revoked, error="account_inactive")
    fleet.botfleet("teams", "remove", removed)
    new = fleet.control.install(replaced, revoke_old=True)
    fleet.botfleet("teams", "add", new)
    fleet.botfleet("teams", "stop", stopped)

    def settled() -> bool:
        shown = {team_id: bot["status"] for team_id, bot in by_team().items()}
        expected = dict.fromkeys([replaced, *others], "connected")
        assert shown == {**expected, revoked: "token_revoked", stopped: "stopped"}
        return True

    eventually(settled, 15.0, 0.2)
    fleet.wait_for_rounds()
    assert settled()
    bots_now = by_team()
    assert bots_now[revoked]["error"] == "account_inactive"
    assert {bots_now[team_id]["error"] for team_id in others} == {""}
    assert {bots_now[team_id]["holder"].split("@")[0] for team_id in others} == {"holder"}
    connections = {team["team_id"]: team["connections"] for team in fleet.control.teams()}
    expected = dict.fromkeys(tokens, 1) | dict.fromkeys([revoked, removed, stopped], 0)
    assert connections == expected
    tokens_now = {one["bot_token"]: one["connections"] for one in fleet.control.team(replaced)["tokens"]}
    assert tokens_now == {tokens[replaced]: 0, new: 1}
    [alive] = fleet.json("holders")
    assert (alive["connected"], alive["dropped"], alive["malformed"]) == (BOTS - 3, 0, 0)
    table = fleet.botfleet("status").splitlines()
    assert table[0].startswith(f"{BOTS - 1} bots: {BOTS - 3} connected, 1 token_revoked, 1 stopped; 1 holder")
