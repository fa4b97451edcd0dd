"""What can be done with a fleet's bots, on each kind of store, with a sandbox to ask about tokens."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from botfleet.errors import InvalidToken, SealError, StoreUnavailable, TokenNotConnected
from botfleet.fleet import Fleet, Result
from botfleet.handlers.declaring.classes import listeners_group
from botfleet.model import Bot, Command, HolderInfo, Status, Subscription
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.secrets import Seal, Token
from botfleet.settings import Settings
from botfleet.store import MemoryStore, Store
from tests.fleets import NOW, SHARDS, FakeClock, MemoryDoor, RedisDoor, Watched
from tests.unit.answering import Answer, answer, canned_slack

from .sandbox_fixtures import Workspace, control, sandbox, team, workspace

__all__ = ["control", "sandbox", "team"]  # fixtures

KEY = Seal.new_key()
NOWHERE = "http://127.0.0.1:1/api/"

#: What people paste, and programs send; each has `secret` where a result might repeat it.
JUNK = [
    pytest.param(None, id="nothing"),
    pytest.param(5, id="number"),
    pytest.param(b"xoxb-secret", id="bytes"),
    pytest.param(["xoxb-secret"], id="list"),
    pytest.param({"token": "xoxb-secret"}, id="object"),
    pytest.param("", id="empty"),
    pytest.param(" ", id="space"),
    pytest.param("\n", id="line end"),
    pytest.param("xoxb-secret\n", id="line end after"),
    pytest.param(" xoxb-secret", id="space before"),
    pytest.param("xoxb-secret xoxb-secret", id="two"),
    pytest.param('"xoxb-secret"', id="quoted"),
    pytest.param("Bearer xoxb-secret", id="header"),
    pytest.param("xoxb-sécret-secret", id="not ASCII"),
    pytest.param("xoxb-\ud800secret", id="half a character"),
    pytest.param("xoxb-secret\x00", id="NUL"),
    pytest.param("xoxb-" + "secret" * 1000, id="too long"),
    pytest.param("xapp-1-secret", id="app's token"),
    pytest.param("XOXB-secret", id="upper case"),
    pytest.param("sealed:secret", id="sealed by nobody"),
    pytest.param("sealed:sécret-secret", id="sealed, not ASCII"),
    pytest.param("sealed:", id="sealed nothing"),
    pytest.param("plain:secret", id="plain junk"),
    pytest.param("plain:", id="plain nothing"),
]
#: Junk that no rule can tell from a team's id or name, beside what is no token at all.
NAMES = [
    pytest.param("secret", id="word"),
    pytest.param("1234-secret", id="another prefix"),
    pytest.param("T1 secret", id="space inside"),
    pytest.param("T\ud800", id="half a character"),
    pytest.param("Té", id="not ASCII"),
    pytest.param("T1\nsecret", id="two lines"),
    pytest.param("T" * 5000, id="too long"),
]


@pytest.fixture(params=["memory", "valkey"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore(SHARDS)
    return request.getfixturevalue("redis_store")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(store: Store, sandbox: SandboxProcess, clock: FakeClock) -> Callable[..., Fleet]:
    """Makes fleets over the test's store: `make(Seal([key]), namespace="beta")`."""

    def make(seal: Seal | None = None, **settings: Any) -> Fleet:
        chosen = {"slack_api_url": sandbox.api_url, "connect_timeout": 5.0, **settings}
        return Fleet(Settings(**chosen), store, seal or Seal([KEY]), clock=clock)

    return make


@pytest.fixture
def fleet(make: Callable[..., Fleet]) -> Fleet:
    return make()


@pytest.fixture
def other(sandbox: SandboxProcess, team: Workspace) -> Workspace:
    """A second team."""
    return workspace(sandbox)


@pytest.fixture(autouse=True)
def _no_token_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    said = "\n".join(one.getMessage() for one in caplog.get_records("call"))
    assert "xoxb-" not in said
    assert "secret" not in said


def nudged(fleet: Fleet) -> list[str]:
    """Takes the commands that wait for the holder; the bots that it is to look at."""
    commands = fleet.store.receive(range(fleet.store.shards), 0.0)
    assert {command.op for command in commands} <= {"sync", "event"}
    return sorted(command.key for command in commands if command.op == "sync")


def bot_of(fleet: Fleet, key: str) -> Bot:
    found = fleet.store.bot(key)
    assert found is not None
    return found


def token_of(fleet: Fleet, key: str) -> str:
    return fleet.seal.open(bot_of(fleet, key).sealed_token).reveal()


def key_of(fleet: Fleet, token: str) -> str | None:
    return fleet.store.key_of_token(Token(token).fingerprint)


def say(fleet: Fleet, key: str, state: str = "connected", **fields: Any) -> None:
    """Says what a holder would."""
    generation = bot_of(fleet, key).generation
    status = Status(**{"state": state, "since": NOW, "holder": "h1", "generation": generation, **fields})
    fleet.store.put_statuses({key: status})


def auth_tests(control: SandboxControl, team: Workspace) -> int:
    return len(control.calls(team=team.id, method="auth.test"))


def refused(result: Result) -> str:
    """A result that is one clear line about something that was not done, and shows no secret."""
    shown = json.dumps(result.as_json())
    assert not result.ok
    assert result.error
    assert len(result.error.splitlines()) == 1
    assert len(shown) < 400
    assert "xoxb-secret" not in shown
    assert "secret" not in shown.replace("BOTFLEET_SECRET_KEYS", "")
    return result.error


# Adding


def test_a_new_bot(fleet: Fleet, team: Workspace, control: SandboxControl) -> None:
    result = fleet.add_token(team.token)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "connecting", "error": None}
    assert auth_tests(control, team) == 1
    bot = bot_of(fleet, team.id)
    assert (bot.team_id, bot.namespace, bot.key, bot.transport) == (team.id, "", team.id, "rtm")
    assert (bot.bot_user_id, bot.desired, bot.generation) == (team.bot, "running", 1)
    assert (bot.bot_name, bot.added_at, bot.updated_at) == ("botfleet", NOW, NOW)
    assert bot.team_name == control.team(team.id)["name"]
    assert token_of(fleet, team.id) == team.token
    assert team.token not in repr(bot) + bot.sealed_token
    assert key_of(fleet, team.token) == team.id
    assert nudged(fleet) == [team.id]
    assert sum(fleet.store.counts()) == 1


def test_the_same_token_twice_changes_nothing(fleet: Fleet, team: Workspace, clock: FakeClock) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    before = bot_of(fleet, team.id), fleet.store.changes(0).shards, fleet.store.status(team.id)
    nudged(fleet)
    clock.now += 60
    result = fleet.add_token(team.token)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "connected", "error": None}
    assert (bot_of(fleet, team.id), fleet.store.changes(0).shards, fleet.store.status(team.id)) == before
    assert nudged(fleet) == []


def test_the_same_token_does_not_start_a_stopped_bot(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    fleet.stop(team.id)
    nudged(fleet)
    assert fleet.add_token(team.token).status == "stopped"
    assert bot_of(fleet, team.id).desired == "stopped"
    assert nudged(fleet) == []


def test_a_second_token_replaces_the_first(
    fleet: Fleet, team: Workspace, control: SandboxControl, clock: FakeClock
) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    nudged(fleet)
    clock.now += 60
    second = control.install(team.id)
    result = fleet.add_token(second)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "connecting", "error": None}
    bot = bot_of(fleet, team.id)
    assert (bot.generation, bot.added_at, bot.updated_at) == (2, NOW, NOW + 60)
    assert token_of(fleet, team.id) == second
    assert (key_of(fleet, team.token), key_of(fleet, second)) == (None, team.id)
    assert nudged(fleet) == [team.id]
    assert sum(fleet.store.counts()) == 1


def test_a_token_that_is_sealed_or_stored_plain(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    assert fleet.add_token(fleet.seal.seal(Token(team.token))).ok
    assert fleet.add_token(Seal().seal(Token(other.token))).ok
    assert token_of(fleet, team.id) == team.token
    assert token_of(fleet, other.id) == other.token
    assert bot_of(fleet, other.id).sealed_token.startswith("sealed:")
    # The same token, however it comes.
    fleet.add_token(team.token)
    assert bot_of(fleet, team.id).generation == 1


def test_two_bots_in_one_team(fleet: Fleet, team: Workspace, control: SandboxControl) -> None:
    second = control.install(team.id)
    assert fleet.add_token(team.token).ok
    result = fleet.add_token(second, namespace="my-app_2")
    assert (result.ok, result.team_id) == (True, team.id)
    key = f"my-app_2-{team.id}"
    assert sorted(bot.key for bot in fleet.bots()) == sorted([team.id, key])
    assert (token_of(fleet, team.id), token_of(fleet, key)) == (team.token, second)
    assert (key_of(fleet, team.token), key_of(fleet, second)) == (team.id, key)
    assert nudged(fleet) == sorted([team.id, key])
    assert fleet.remove_token(team.id, namespace="my-app_2").ok
    assert [bot.key for bot in fleet.bots()] == [team.id]


def test_one_token_under_two_namespaces(fleet: Fleet, team: Workspace) -> None:
    for namespace in (None, "a", "b"):
        assert fleet.add_token(team.token, namespace=namespace).ok
    say(fleet, team.id, "connected")
    say(fleet, f"a-{team.id}", "rate_limited")
    assert fleet.check_token(team.token, namespace="a").status == "rate_limited"
    assert fleet.check_token(team.token).status == "connected"
    assert fleet.remove_token(team.token, namespace="a").ok
    assert sorted(bot.key for bot in fleet.bots()) == sorted([team.id, f"b-{team.id}"])
    assert not fleet.remove_token(team.token, namespace="a").ok
    assert fleet.remove_token(team.token).ok
    assert [bot.key for bot in fleet.bots()] == [f"b-{team.id}"]
    assert fleet.remove_token(team.token, namespace="b").ok
    assert list(fleet.bots()) == []


def test_the_fleets_own_namespace(make: Callable[..., Fleet], team: Workspace) -> None:
    fleet = make(namespace="beta")
    assert fleet.add_token(team.token).ok
    assert [bot.key for bot in fleet.bots()] == [f"beta-{team.id}"]
    assert fleet.find(team.id).namespace == "beta"
    assert fleet.add_token(team.token, namespace="").ok
    assert fleet.find(team.id, "").namespace == ""
    assert fleet.remove_token(team.id).ok
    assert [bot.key for bot in fleet.bots()] == [team.id]


@pytest.mark.parametrize("namespace", ["a b", "-", "a-", "-a", "a--b", "ä", "a\n", "a/b", 5, ["a"], b"a"])
def test_bad_namespaces(fleet: Fleet, team: Workspace, namespace: Any) -> None:
    assert "namespace" in refused(fleet.add_token(team.token, namespace=namespace))
    fleet.add_token(team.token)
    for do in (fleet.update_token, fleet.remove_token, fleet.check_token):
        assert "namespace" in refused(do(team.id, namespace=namespace))
    for wish in (fleet.start, fleet.stop, fleet.restart):
        assert "namespace" in refused(wish(team.id, namespace=namespace)[0])
    assert "namespace" in fleet.status(team.id, namespace=namespace)["bots"][0]["error"]
    assert [bot.key for bot in fleet.bots()] == [team.id]
    assert bot_of(fleet, team.id).generation == 1


@pytest.mark.parametrize("transport", ["socket", "tcp", "RTM", "", 5, ["rtm"]])
def test_transports_that_nothing_serves(
    fleet: Fleet, team: Workspace, control: SandboxControl, transport: Any
) -> None:
    error = refused(fleet.add_token(team.token, transport=transport))
    assert error == f"transport is {transport!r}; this release takes rtm, http"
    assert (list(fleet.bots()), auth_tests(control, team)) == ([], 0)


@pytest.mark.parametrize(
    ("enterprise", "key"),
    [
        ({"enterprise_id": "E1", "is_enterprise_install": True}, "E1"),
        ({"enterprise_id": "E1", "is_enterprise_install": False}, "T1"),
        ({"is_enterprise_install": True}, "T1"),
        ({}, "T1"),
    ],
)
def test_an_org_wide_installation_lives_under_the_organisation(
    store: Store, enterprise: dict[str, Any], key: str
) -> None:
    with canned_slack() as slack:
        slack.give("auth.test", answer(ok=True, team_id="T1", user_id="U1", team="Acme", **enterprise))
        fleet = Fleet(slack.settings, store, Seal([KEY]))
        assert fleet.add_token("xoxb-1").team_id == key
        assert bot_of(fleet, key).enterprise_id == enterprise.get("enterprise_id", "")
        assert fleet.check_token("xoxb-1").as_json() == {
            "ok": True,
            "team_id": key,
            "status": "connecting",
            "error": None,
        }
        assert fleet.update_token("xoxb-2").ok
        assert key_of(fleet, "xoxb-2") == key
        assert fleet.remove_token("xoxb-2").team_id == key


@pytest.mark.parametrize("junk", [*JUNK, *NAMES])
def test_junk_is_refused_without_asking_slack(fleet: Fleet, junk: Any, control: SandboxControl) -> None:
    asked = len(control.calls(method="auth.test"))
    result = fleet.add_token(junk)
    error = refused(result)
    assert (result.team_id, result.status) == (None, None)
    assert error.startswith("invalid_token (") or "BOTFLEET_SECRET_KEYS" in error
    assert (list(fleet.bots()), nudged(fleet)) == ([], [])
    assert len(control.calls(method="auth.test")) == asked


@pytest.mark.parametrize("junk", [*JUNK, *NAMES])
def test_junk_names_no_bot(fleet: Fleet, junk: Any) -> None:
    for do in (fleet.update_token, fleet.remove_token, fleet.check_token):
        result = do(junk)
        refused(result)
        assert (result.team_id, result.status) == (None, None)
    for wish in (fleet.start, fleet.stop, fleet.restart):
        [result] = wish(junk)
        refused(result)
    [shown] = fleet.status(junk)["bots"]
    assert shown["error"]
    assert shown.keys() == {"team_id", "error"}
    assert "secret" not in json.dumps(shown).replace("BOTFLEET_SECRET_KEYS", "")


def test_a_token_that_slack_does_not_know(fleet: Fleet) -> None:
    result = fleet.add_token("xoxb-no-such-token")
    assert result.as_json() == {"ok": False, "team_id": None, "status": None, "error": "invalid_auth"}
    assert list(fleet.bots()) == []


def test_a_dead_token_and_its_life_after(fleet: Fleet, team: Workspace, control: SandboxControl) -> None:
    control.fault("revoke", team=team.id, error="account_inactive")
    result = fleet.add_token(team.token)
    assert (result.ok, result.error) == (False, "account_inactive")
    assert list(fleet.bots()) == []
    control.fault("restore", team=team.id)
    assert fleet.add_token(team.token).ok


def test_a_dead_token_is_tried_once_more_when_it_is_added_again(
    fleet: Fleet, team: Workspace, control: SandboxControl
) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id, "token_revoked", holder="", error="account_inactive")
    nudged(fleet)
    control.fault("revoke", team=team.id, error="account_inactive")
    assert not fleet.add_token(team.token).ok
    assert (bot_of(fleet, team.id).generation, nudged(fleet)) == (1, [])
    control.fault("restore", team=team.id)
    result = fleet.add_token(team.token)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "connecting", "error": None}
    assert (bot_of(fleet, team.id).generation, nudged(fleet)) == (2, [team.id])
    # What its old connection said no longer counts.
    assert fleet.add_token(team.token).ok
    assert (bot_of(fleet, team.id).generation, nudged(fleet)) == (2, [])


# Slack away


FAULTS = [
    pytest.param("fail", {"status": 500}, "http_500", id="500"),
    pytest.param("fail", {"status": 503, "error": "service_unavailable"}, "service_unavailable", id="503"),
    pytest.param("fail", {"error": "internal_error"}, "internal_error", id="internal error"),
    pytest.param("fail", {"error": "never_heard_of"}, "never_heard_of", id="new error"),
    pytest.param("ratelimit", {"retry_after": 30}, "ratelimited", id="429"),
]


@pytest.mark.parametrize(("fault", "fields", "error"), FAULTS)
def test_slack_away_for_one_of_several(
    fleet: Fleet,
    team: Workspace,
    other: Workspace,
    control: SandboxControl,
    fault: str,
    fields: dict[str, Any],
    error: str,
) -> None:
    control.fault(fault, team=team.id, method="auth.test", **fields)
    results = [fleet.add_token(token) for token in (team.token, "nonsense", other.token)]
    assert [result.ok for result in results] == [False, False, True]
    assert refused(results[0]).startswith(error)
    assert results[0].passing
    assert not results[1].passing
    assert [bot.key for bot in fleet.bots()] == [other.id]
    assert fleet.add_token(team.token).ok  # one refusal, one call


@pytest.mark.parametrize("body", [b"<html>Log in to the hotel</html>", b"{broken", b"[]", b"", b"\xff\xfe"])
def test_what_is_no_answer_of_slacks(store: Store, body: bytes) -> None:
    with canned_slack() as slack:
        slack.give("auth.test", Answer(body))
        fleet = Fleet(slack.settings, store, Seal([KEY]))
        result = fleet.add_token("xoxb-1")
        assert refused(result).startswith("bad_answer")
        assert result.passing
        assert list(fleet.bots()) == []


def test_slack_is_too_slow(
    make: Callable[..., Fleet], team: Workspace, other: Workspace, control: SandboxControl
) -> None:
    fleet = make(connect_timeout=1.0)
    control.fault("slow", team=team.id, seconds=30.0)
    results = [fleet.add_token(token) for token in (team.token, other.token)]
    assert [result.ok for result in results] == [False, True]
    assert refused(results[0]).startswith("timeout")
    control.fault("clear", team=team.id)


def test_slack_is_not_there(make: Callable[..., Fleet], fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    away = make(slack_api_url=NOWHERE)
    before = bot_of(fleet, team.id)
    for do in (away.add_token, away.update_token, away.check_token):
        result = do(team.token)
        assert refused(result).startswith("unreachable")
        assert result.status == ("connecting" if do == away.check_token else None)
    assert bot_of(fleet, team.id) == before
    # What needs no Slack goes on.
    assert [result.ok for result in away.stop(team.id)] == [True]
    assert away.update_token(team.id).ok
    assert away.remove_token(team.token).ok


def test_the_store_away(sandbox: SandboxProcess, team: Workspace) -> None:
    store = MemoryStore(SHARDS)
    fleet = Fleet(Settings(slack_api_url=sandbox.api_url), store, Seal([KEY]))
    store.down = True
    for do in (fleet.add_token, fleet.update_token, fleet.remove_token, fleet.check_token):
        result = do(team.token)
        refused(result)
        assert result.passing
    assert not fleet.start(team.id)[0].ok
    with pytest.raises(StoreUnavailable):
        fleet.start()
    with pytest.raises(StoreUnavailable):
        fleet.status()


# Updating


def test_an_update_by_team_connects_anew(
    fleet: Fleet, team: Workspace, control: SandboxControl, clock: FakeClock
) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    nudged(fleet)
    before = bot_of(fleet, team.id)
    clock.now += 5
    result = fleet.update_token(team.id)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "connecting", "error": None}
    after = bot_of(fleet, team.id)
    assert after == msgspec.structs.replace(before, generation=2, updated_at=NOW + 5)
    assert nudged(fleet) == [team.id]
    assert auth_tests(control, team) == 1


def test_an_update_by_the_same_token_connects_anew(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    nudged(fleet)
    assert fleet.update_token(team.token).ok
    assert (bot_of(fleet, team.id).generation, token_of(fleet, team.id)) == (2, team.token)
    assert nudged(fleet) == [team.id]


def test_another_teams_token_is_refused_where_one_team_is_meant(
    fleet: Fleet, team: Workspace, other: Workspace
) -> None:
    fleet.add_token(team.token)
    fleet.add_token(other.token)
    before = bot_of(fleet, other.id)
    result = fleet.update_token(other.token, only_of=team.id)
    assert "another team's" in refused(result)
    assert isinstance(result.cause, InvalidToken)
    assert bot_of(fleet, other.id) == before
    assert fleet.update_token(team.token, only_of=team.id).ok


def test_an_update_by_a_new_token_replaces_the_old(
    fleet: Fleet, team: Workspace, control: SandboxControl
) -> None:
    fleet.add_token(team.token, namespace="beta")
    second = control.install(team.id, revoke_old=True)
    result = fleet.update_token(second, namespace="beta")
    assert (result.ok, result.team_id) == (True, team.id)
    key = f"beta-{team.id}"
    assert (bot_of(fleet, key).generation, token_of(fleet, key)) == (2, second)
    assert (key_of(fleet, team.token), key_of(fleet, second)) == (None, key)


def test_an_update_starts_a_stopped_bot(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    for argument in (team.id, team.token):
        fleet.stop(team.id)
        assert fleet.update_token(argument).status == "connecting"
        assert bot_of(fleet, team.id).desired == "running"


def test_an_update_of_what_is_not_known(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    fleet.add_token(other.token)
    assert refused(fleet.update_token("T404")) == "unknown_bot (no bot of team T404 is known)"
    assert refused(fleet.update_token(team.token)) == f"unknown_bot (no bot of team {team.id} is known)"
    assert refused(fleet.update_token("xoxb-no-such-token")) == "invalid_auth"
    assert refused(fleet.update_token(other.id, namespace="beta")).startswith("unknown_bot")
    assert refused(fleet.update_token(other.token, namespace="beta")).startswith("unknown_bot")
    assert [bot.key for bot in fleet.bots()] == [other.id]
    assert bot_of(fleet, other.id).generation == 1


# Removing


@pytest.mark.parametrize("by", ["team", "token", "sealed token", "key"])
def test_removing(fleet: Fleet, team: Workspace, other: Workspace, by: str, control: SandboxControl) -> None:
    for token in (team.token, other.token):
        fleet.add_token(token, namespace="beta")
    say(fleet, f"beta-{team.id}")
    nudged(fleet)
    asked = auth_tests(control, team)
    argument, namespace = {
        "team": (team.id, "beta"),
        "token": (team.token, None),
        "sealed token": (fleet.seal.seal(Token(team.token)), None),
        "key": (f"beta-{team.id}", None),
    }[by]
    result = fleet.remove_token(argument, namespace)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": None, "error": None}
    assert fleet.store.bot(f"beta-{team.id}") is fleet.store.status(f"beta-{team.id}") is None
    assert key_of(fleet, team.token) is None
    assert [bot.team_id for bot in fleet.bots()] == [other.id]
    assert nudged(fleet) == [f"beta-{team.id}"]
    # A second removal is not ok, and nudges nobody.
    assert refused(fleet.remove_token(argument, namespace)).startswith("unknown_bot")
    assert nudged(fleet) == []
    assert auth_tests(control, team) == asked


def test_the_faster_of_two_removals_is_ok(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    watched = Watched(fleet.store)
    slow = Fleet(fleet.settings, watched, fleet.seal, fleet.api)  # type: ignore[arg-type]
    faster: list[Result] = []
    watched.after["bot"] = lambda: faster.append(fleet.remove_token(team.id))
    slower = slow.remove_token(team.token)
    assert (faster[0].ok, slower.ok) == (True, False)


def test_a_removed_bot_may_come_back(fleet: Fleet, team: Workspace, clock: FakeClock) -> None:
    fleet.add_token(team.token)
    fleet.remove_token(team.id)
    clock.now += 60
    assert fleet.add_token(team.token).status == "connecting"
    assert bot_of(fleet, team.id).added_at == NOW + 60


def test_a_removed_bots_listeners_are_forgotten(fleet: Fleet, team: Workspace) -> None:
    wanted = [Subscription(task="tasks.one", types=("message",))]
    own = [f"{listeners_group(team.id)}{event}:tasks.Own.count" for event in ("message", "team_join")]
    others = ["handler", listeners_group(team.id + "0") + "message:x", listeners_group(f"b-{team.id}") + "x"]
    for group in (*own, *others):
        fleet.store.put_subscriptions(group, wanted)
    fleet.add_token(team.token)
    assert fleet.remove_token(team.id).ok
    assert sorted(fleet.store.subscriptions()) == sorted(others)


def test_clear_tokens(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    fleet.add_token(team.token)
    fleet.add_token(team.token, namespace="beta")
    fleet.add_token(other.token)
    nudged(fleet)
    assert fleet.clear_tokens() == 3
    assert list(fleet.bots()) == []
    assert len(nudged(fleet)) == 3
    assert fleet.clear_tokens() == 0


# Checking


def test_a_good_token(fleet: Fleet, team: Workspace) -> None:
    before = {"ok": True, "team_id": team.id, "status": None, "error": None}
    assert fleet.check_token(team.token).as_json() == before
    assert list(fleet.bots()) == []
    fleet.add_token(team.token)
    say(fleet, team.id)
    nudged(fleet)
    known = {**before, "status": "connected"}
    versions = fleet.store.changes(0).shards
    for argument in (team.token, team.id, fleet.seal.seal(Token(team.token))):
        assert fleet.check_token(argument).as_json() == known
    assert (fleet.store.changes(0).shards, nudged(fleet)) == (versions, [])


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
def test_a_dead_token(fleet: Fleet, team: Workspace, control: SandboxControl, error: str) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    control.fault("revoke", team=team.id, error=error)
    for argument in (team.token, team.id):
        result = fleet.check_token(argument).as_json()
        assert result == {"ok": False, "team_id": team.id, "status": "token_revoked", "error": error}
    # It only looks.
    status = fleet.store.status(team.id)
    assert status is not None
    assert status.state == "connected"


def test_a_check_of_what_is_not_known(fleet: Fleet, team: Workspace, control: SandboxControl) -> None:
    assert refused(fleet.check_token("T404")) == "unknown_bot (no bot of team T404 is known)"
    for error in ("invalid_auth", "account_inactive"):
        control.fault("revoke", team=team.id, error=error)
        result = fleet.check_token(team.token).as_json()
        assert result == {"ok": False, "team_id": None, "status": None, "error": error}


def test_a_check_finds_the_tokens_own_bot(fleet: Fleet, team: Workspace, control: SandboxControl) -> None:
    second = control.install(team.id)
    fleet.add_token(team.token)
    fleet.add_token(second, namespace="beta")
    say(fleet, team.id, "connected")
    say(fleet, f"beta-{team.id}", "rate_limited")
    assert fleet.check_token(second).status == "rate_limited"
    assert fleet.check_token(team.token).status == "connected"
    assert fleet.check_token(team.id, namespace="beta").status == "rate_limited"


@pytest.mark.parametrize(("fault", "fields", "error"), FAULTS)
def test_a_check_while_slack_is_away(
    fleet: Fleet, team: Workspace, control: SandboxControl, fault: str, fields: dict[str, Any], error: str
) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    for argument in (team.token, team.id):
        control.fault(fault, team=team.id, method="auth.test", **fields)
        result = fleet.check_token(argument)
        assert refused(result).startswith(error)
        assert (result.team_id, result.status) == (team.id, "connected")


# Start, stop, restart


def wishes(fleet: Fleet) -> dict[str, tuple[str, int]]:
    return {bot.key: (bot.desired, bot.generation) for bot in fleet.bots()}


def test_stop_and_start(fleet: Fleet, team: Workspace, other: Workspace, clock: FakeClock) -> None:
    for workspace_ in (team, other):
        fleet.add_token(workspace_.token)
        say(fleet, workspace_.id)
    nudged(fleet)
    clock.now += 5
    [result] = fleet.stop(team.id)
    # What will be, as soon as its holder has seen to it.
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "stopped", "error": None}
    assert wishes(fleet) == {team.id: ("stopped", 1), other.id: ("running", 1)}
    assert bot_of(fleet, team.id).updated_at == NOW + 5
    assert nudged(fleet) == [team.id]
    say(fleet, team.id, "stopped")
    before = fleet.store.changes(0).shards
    assert fleet.stop(team.id)[0].status == "stopped"
    assert fleet.store.changes(0).shards == before
    [result] = fleet.start(team.id)
    assert result.as_json() == {"ok": True, "team_id": team.id, "status": "connecting", "error": None}
    assert wishes(fleet) == {team.id: ("running", 2), other.id: ("running", 1)}


def test_start_does_nothing_to_what_runs(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    versions = fleet.store.changes(0).shards
    assert fleet.start(team.id)[0].status == "connected"
    assert fleet.start()[0].status == "connected"
    assert fleet.store.changes(0).shards == versions


def test_restart(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    fleet.add_token(team.token)
    fleet.add_token(other.token)
    fleet.stop(other.id)
    nudged(fleet)
    assert [result.status for result in fleet.restart(team.id)] == ["connecting"]
    assert wishes(fleet) == {team.id: ("running", 2), other.id: ("stopped", 1)}
    assert nudged(fleet) == [team.id]
    fleet.restart(other.id)
    assert wishes(fleet)[other.id] == ("running", 2)


def test_all_bots_at_once(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    keys = sorted([team.id, other.id, f"beta-{team.id}"])
    fleet.add_token(team.token)
    fleet.add_token(team.token, namespace="beta")
    fleet.add_token(other.token)
    assert [result.ok for result in fleet.stop()] == [True] * 3
    assert wishes(fleet) == dict.fromkeys(keys, ("stopped", 1))
    assert [result.status for result in fleet.start()] == ["connecting"] * 3
    assert wishes(fleet) == dict.fromkeys(keys, ("running", 2))
    nudged(fleet)
    assert len(fleet.restart()) == 3
    assert wishes(fleet) == dict.fromkeys(keys, ("running", 3))
    assert nudged(fleet) == keys


def test_all_bots_of_a_namespace(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    fleet.add_token(team.token, namespace="beta")
    assert len(fleet.stop(namespace="beta")) == 1
    assert wishes(fleet) == {team.id: ("running", 1), f"beta-{team.id}": ("stopped", 1)}
    assert len(fleet.restart(namespace="")) == 1
    assert wishes(fleet)[team.id] == ("running", 2)
    assert fleet.start(namespace="none") == []


def test_by_key(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token, namespace="beta")
    assert fleet.stop(f"beta-{team.id}")[0].ok
    assert wishes(fleet) == {f"beta-{team.id}": ("stopped", 1)}


@pytest.mark.parametrize("wish", ["start", "stop", "restart"])
def test_unknown_teams_hinder_no_others(fleet: Fleet, team: Workspace, wish: str) -> None:
    fleet.add_token(team.token)
    results = getattr(fleet, wish)("T404", team.id, "xoxb-no-such-token", "")
    assert [result.ok for result in results] == [False, True, False, False]
    assert refused(results[0]) == "unknown_bot (no bot of team T404 is known)"
    assert refused(results[2]) == "unknown_bot (no bot of this token is known)"
    assert refused(results[3]).startswith("invalid_argument")


def test_no_bots_at_all(fleet: Fleet) -> None:
    assert fleet.start() == fleet.stop() == fleet.restart() == []


def test_a_bot_removed_meanwhile_is_not_brought_back(fleet: Fleet, team: Workspace) -> None:
    watched = Watched(fleet.store)
    slow = Fleet(fleet.settings, watched, fleet.seal, fleet.api)  # type: ignore[arg-type]
    for wish in (slow.start, slow.stop, slow.restart):
        fleet.add_token(team.token)
        watched.after["bot"] = lambda: fleet.remove_token(team.id)
        assert not wish(team.id)[0].ok
        assert list(fleet.bots()) == []


# Looking


def test_status_counts(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    assert fleet.status() == {"total": 0, "statuses": {}, "holders": []}
    fleet.add_token(team.token)
    fleet.add_token(team.token, namespace="beta")
    fleet.add_token(other.token)
    say(fleet, team.id)
    fleet.store.announce(HolderInfo(name="h1", connected=1), 60.0)
    status = fleet.status()
    assert (status["total"], status["statuses"]) == (3, {"connected": 1, "connecting": 2})
    [holder] = status["holders"]
    assert (holder["name"], holder["connected"]) == ("h1", 1)
    json.dumps(status)


def test_status_of_teams(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id, "rate_limited", error="ratelimited", retry_at=NOW + 30)
    found, missing = fleet.status(team.id, "T404")["bots"]
    assert found == {
        "team_id": team.id,
        "namespace": "",
        "team_name": bot_of(fleet, team.id).team_name,
        "transport": "rtm",
        "status": "rate_limited",
        "since": NOW,
        "holder": "h1",
        "error": "ratelimited",
        "retry_at": NOW + 30,
    }
    assert missing == {"team_id": "T404", "error": "unknown_bot (no bot of team T404 is known)"}


def test_report(fleet: Fleet, team: Workspace, other: Workspace) -> None:
    fleet.add_token(team.token)
    fleet.add_token(other.token)
    say(fleet, team.id)
    reports = {one.team_id: one for one in fleet.report()}
    assert reports.keys() == {team.id, other.id}
    assert (reports[team.id].status, reports[team.id].holder) == ("connected", "h1")
    assert (reports[other.id].status, reports[other.id].holder) == ("connecting", "")
    assert "xoxb" not in repr(reports)


def test_what_an_old_connection_said_does_not_count(fleet: Fleet, team: Workspace, clock: FakeClock) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id, "token_revoked", error="account_inactive")
    clock.now += 5
    fleet.restart(team.id)
    [report] = fleet.report()
    assert (report.status, report.error, report.holder, report.since) == ("connecting", "", "", NOW + 5)
    fleet.stop(team.id)
    [report] = fleet.report()
    assert report.status == "stopped"


def test_find(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token, namespace="beta")
    bot = bot_of(fleet, f"beta-{team.id}")
    assert fleet.find(team.token) == fleet.find(f"beta-{team.id}") == fleet.find(team.id, "beta") == bot
    for argument in (team.id, "T404", "xoxb-no-such-token", "1234-secret"):
        with pytest.raises(TokenNotConnected) as caught:
            fleet.find(argument)
        assert "xoxb" not in str(caught.value)
        assert "secret" not in str(caught.value)
    for junk in ("", " ", None, 5):
        with pytest.raises(InvalidToken):
            fleet.find(junk)


def test_an_unreadable_row_hinders_nobody(
    fleet: Fleet, team: Workspace, other: Workspace, request: pytest.FixtureRequest
) -> None:
    door: Any = (
        MemoryDoor(fleet.store)
        if isinstance(fleet.store, MemoryStore)
        else RedisDoor(fleet.store, request.getfixturevalue("redis_client"))  # type: ignore[arg-type]
    )
    fleet.add_token(team.token)
    fleet.add_token(other.token)
    door.bot_row(team.id, b'{"sealed_token": "xoxb-secret", broken')
    for do in (fleet.update_token, fleet.remove_token, fleet.check_token):
        assert "can't be read" in refused(do(team.id))
    assert "can't be read" in refused(fleet.add_token(team.token))
    assert "can't be read" in fleet.status(team.id)["bots"][0]["error"]
    assert [bot.key for bot in fleet.bots()] == [other.id]
    assert [one.team_id for one in fleet.report()] == [other.id]
    assert [result.team_id for result in fleet.restart()] == [other.id]


# The seal


def test_without_keys_tokens_are_stored_plain(make: Callable[..., Fleet], team: Workspace) -> None:
    fleet = make(Seal())
    fleet.add_token(team.token)
    assert bot_of(fleet, team.id).sealed_token == f"plain:{team.token}"
    # A process that has a key opens it all the same.
    assert make().check_token(team.id).ok


@pytest.mark.parametrize("seal", [Seal([Seal.new_key()]), Seal()])
def test_with_a_wrong_key_each_bot_says_so_and_nothing_is_overwritten(
    make: Callable[..., Fleet], fleet: Fleet, team: Workspace, other: Workspace, seal: Seal
) -> None:
    fleet.add_token(team.token)
    say(fleet, team.id)
    before = bot_of(fleet, team.id)
    wrong = make(seal)
    wrong.add_token(other.token)
    results = [wrong.check_token(one) for one in (team.id, other.id)]
    assert "BOTFLEET_SECRET_KEYS" in refused(results[0])
    assert (results[0].team_id, results[0].status) == (team.id, "connected")
    assert results[1].ok
    # The same token again is nothing new, whatever it is sealed with.
    assert wrong.add_token(team.token).ok
    assert bot_of(fleet, team.id) == before
    wrong.stop(team.id)
    wrong.restart(team.id)
    assert bot_of(fleet, team.id).sealed_token == before.sealed_token
    # It can be seen and removed.
    assert [one.team_id for one in wrong.report() if one.team_id == team.id] == [team.id]
    assert wrong.remove_token(team.id).ok
    assert fleet.store.bot(team.id) is None


def test_with_a_wrong_key_a_bot_is_removed_by_its_token_too(
    make: Callable[..., Fleet], fleet: Fleet, team: Workspace
) -> None:
    fleet.add_token(team.token)
    wrong = make(Seal([Seal.new_key()]))
    sealed = fleet.seal.seal(Token(team.token))
    assert "BOTFLEET_SECRET_KEYS" in refused(wrong.remove_token(sealed))
    with pytest.raises(SealError):
        wrong.open(sealed)
    assert wrong.remove_token(team.token).ok


def test_keys_are_rotated_by_a_new_one_in_front(
    make: Callable[..., Fleet], fleet: Fleet, team: Workspace
) -> None:
    fleet.add_token(team.token)
    rotated = make(Seal([Seal.new_key(), KEY]))
    assert rotated.check_token(team.id).ok
    rotated.update_token(team.token)
    assert not fleet.check_token(team.id).ok


# The results


def test_a_result_is_exactly_four_fields(fleet: Fleet, team: Workspace) -> None:
    results = [
        fleet.add_token(team.token),
        fleet.add_token("junk"),
        fleet.update_token(team.id),
        fleet.update_token("T404"),
        fleet.check_token(team.id),
        fleet.check_token(""),
        *fleet.stop(team.id, "T404"),
        *fleet.start(),
        *fleet.restart(team.id),
        fleet.remove_token(team.id),
        fleet.remove_token(team.id),
    ]
    for result in results:
        shown = json.loads(json.dumps(result.as_json()))
        assert list(shown) == ["ok", "team_id", "status", "error"]
        assert shown["ok"] is (shown["error"] is None)


def test_the_nudge_is_a_sync_for_the_bots_own_shard(fleet: Fleet, team: Workspace) -> None:
    fleet.add_token(team.token)
    shard = fleet.store.shard(team.id)
    # What became of it first: it is told before the connection says hello.
    commands = fleet.store.receive([shard], 0.0)
    assert [one.op for one in commands] == ["event", "sync"]
    assert commands[1] == Command(op="sync", key=team.id)
