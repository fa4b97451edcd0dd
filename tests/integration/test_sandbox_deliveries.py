"""The sandbox sends events to apps by HTTP as Slack does: signed, tried again, ended by farewells."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from slack_sdk.signature import SignatureVerifier

from botfleet.sandbox import SandboxControl, SandboxProcess, SandboxTimeout

from ..waiting import eventually
from .sandbox_app import Answer, Person, Receiver, receiving
from .sandbox_fixtures import Workspace, control, team, workspace
from .test_sandbox_oauth import exchange

__all__ = ["control", "team"]  # fixtures

VERIFIER = SignatureVerifier("sandbox-signing-secret-1")


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def sandbox(server: Receiver) -> Iterator[SandboxProcess]:
    quick = ["--retry-delays", "0,0.02,0.02", "--patience", "0.5"]
    with SandboxProcess(["--app-url", server.url, *quick]) as process:
        yield process


@pytest.fixture
def receiver(server: Receiver, control: SandboxControl, sandbox: SandboxProcess) -> Receiver:
    server.forget()
    control.set_app(url=server.url, verify=5)
    server.heard.clear()
    return server


@pytest.fixture
def http_team(control: SandboxControl, team: Workspace) -> Workspace:
    """A team in which the app was installed by OAuth v2."""
    control.install(team.id, transport="http")
    return team


def test_a_url_is_verified_when_it_is_set(control: SandboxControl, receiver: Receiver) -> None:
    assert control.set_app(url=receiver.url, verify=5)["verified"]
    asked = receiver.wait_for("url_verification")[-1]
    assert VERIFIER.is_valid_request(asked.body, asked.headers)
    for wrong in (Answer(b"something else"), Answer(b"", 500)):
        receiver.answer = lambda heard, wrong=wrong: wrong
        with pytest.raises(SandboxTimeout, match="challenge"):
            control.set_app(url=receiver.url, verify=5)


def test_events_come_signed_and_whole(
    control: SandboxControl, receiver: Receiver, http_team: Workspace
) -> None:
    control.say("general", "hi @botfleet", team=http_team.id)
    (message,), (mention,) = receiver.wait_for("message"), receiver.wait_for("app_mention")
    for heard in (message, mention):
        assert heard.path == "/slack/events"
        assert VERIFIER.is_valid_request(heard.body, heard.headers)
        assert "x-slack-retry-num" not in heard.headers
    content = message.content
    assert (content["type"], content["team_id"], content["api_app_id"]) == (
        "event_callback",
        http_team.id,
        "A00000001",
    )
    assert content["authorizations"] == [
        {
            "enterprise_id": None,
            "team_id": http_team.id,
            "user_id": http_team.bot,
            "is_bot": True,
            "is_enterprise_install": False,
        }
    ]
    assert content["event_context"]
    assert isinstance(content["event_time"], int)
    assert content["event"]["text"] == mention.content["event"]["text"] == f"hi <@{http_team.bot}>"
    assert content["event_id"] != mention.content["event_id"]


def test_apps_hear_what_sockets_hear_but_for_what_is_only_theirs(
    control: SandboxControl, receiver: Receiver, http_team: Workspace
) -> None:
    said = control.say("general", "nice", team=http_team.id)
    control.react("general", said["ts"], "tada", team=http_team.id)
    control.join("dave", team=http_team.id)
    control.event({"type": "user_typing", "user": http_team.alice}, team=http_team.id)
    control.create_channel("cellar", private=True, team=http_team.id)
    control.say("@alice", f"psst <@{http_team.bot}>", team=http_team.id)
    (joined,) = receiver.wait_for("member_joined_channel")
    assert joined.content["event"]["user"] == http_team.bot
    wanted = ["im_created", "member_joined_channel", "message", "message", "reaction_added", "team_join"]
    eventually(lambda: len(receiver.heard) >= len(wanted))
    types = sorted(heard.type for heard in receiver.heard)
    assert types == wanted, "no mention in direct messages, and nothing of sockets"


def test_a_failed_event_is_tried_thrice_more(
    control: SandboxControl, receiver: Receiver, http_team: Workspace
) -> None:
    receiver.answer = lambda heard: Answer(status=500)
    control.say("general", "hi", team=http_team.id)
    tries = receiver.wait_for("message", 4)
    assert len({heard.content["event_id"] for heard in tries}) == 1
    numbers = [heard.headers.get("x-slack-retry-num") for heard in tries]
    assert numbers == [None, "1", "2", "3"]
    assert {heard.headers.get("x-slack-retry-reason") for heard in tries[1:]} == {"http_error"}
    assert all(VERIFIER.is_valid_request(heard.body, heard.headers) for heard in tries)
    records = _records(control, http_team, 4)
    assert [(one["attempt"], one["status"], one["error"]) for one in records] == [
        (number, 500, "http_error") for number in range(4)
    ]
    assert "hi" not in str(records)


def test_a_try_that_is_taken_is_the_last(
    control: SandboxControl, receiver: Receiver, http_team: Workspace
) -> None:
    receiver.answer = lambda heard: Answer(status=200 if "x-slack-retry-num" in heard.headers else 503)
    control.say("general", "hi", team=http_team.id)
    assert control.wait_for_delivery("message", team=http_team.id)["attempt"] == 1
    receiver.answer = lambda heard: Answer(status=403, headers={"X-Slack-No-Retry": "1"})
    control.say("general", "no", team=http_team.id)
    receiver.answer = lambda heard: Answer()
    control.join("zoe", team=http_team.id)
    control.wait_for_delivery("team_join", team=http_team.id)
    assert len(receiver.all("message")) == 3


def test_silence_and_refused_connections_are_failures_too(
    control: SandboxControl, receiver: Receiver, http_team: Workspace
) -> None:
    release = threading.Event()
    receiver.answer = lambda heard: Answer(wait=None if "x-slack-retry-num" in heard.headers else release)
    control.say("general", "hi", team=http_team.id)
    again = receiver.wait_for("message", 2)[1]
    release.set()
    assert again.headers["x-slack-retry-reason"] == "http_timeout"
    control.set_app(events_url="http://127.0.0.1:1/slack/events")
    control.join("dave", team=http_team.id)
    record = control.wait_for_delivery("team_join", team=http_team.id, taken=False)
    assert (record["status"], record["error"]) == (None, "connection_failed")
    # Before the app has its URL again: further tries would come in another test.
    eventually(lambda: control.deliveries(team=http_team.id)[-1]["attempt"] == 3)


@pytest.mark.parametrize("first", ["tokens_revoked", "app_uninstalled"])
def test_an_end_is_told_in_either_order(
    control: SandboxControl, receiver: Receiver, http_team: Workspace, first: str
) -> None:
    control.uninstall(http_team.id, first=first)
    receiver.wait_for("tokens_revoked")
    receiver.wait_for("app_uninstalled")
    assert receiver.heard[0].type == first
    revoked = receiver.all("tokens_revoked")[0].content
    assert revoked["event"]["tokens"] == {"oauth": [], "bot": [http_team.bot]}
    assert (revoked["team_id"], "authorizations" in revoked) == (http_team.id, False)
    control.say("general", "anybody?", team=http_team.id)
    control.install(http_team.id, transport="http")
    control.say("general", "back", team=http_team.id)
    assert [one.content["event"]["text"] for one in receiver.wait_for("message")] == ["back"]


def test_tokens_that_die_are_told_of_unless_a_fault_keeps_quiet(
    control: SandboxControl, receiver: Receiver, http_team: Workspace
) -> None:
    control.fault("revoke", team=http_team.id, tell=False)
    control.fault("restore", team=http_team.id)
    control.fault("app_rate_limited", team=http_team.id)
    limited = receiver.wait_for("app_rate_limited")[0].content
    assert (limited["team_id"], limited["minute_rate_limited"] % 60) == (http_team.id, 0)
    assert "event" not in limited
    assert not receiver.all("tokens_revoked")
    newest = control.team(http_team.id)["tokens"][-1]["bot_token"]
    assert http_team.web(newest).auth_revoke()["revoked"]
    receiver.wait_for("app_uninstalled")
    newest = control.install(http_team.id, transport="http")
    web = http_team.web(newest)
    web.apps_uninstall(client_id="1000.0001", client_secret="sandbox-client-secret-1")
    receiver.wait_for("app_uninstalled", 2)


def test_an_organisation_is_told_of_as_a_whole(
    control: SandboxControl, receiver: Receiver, sandbox: SandboxProcess
) -> None:
    made = control.add_enterprise("Umbrella")
    organisation, (north, south) = made["enterprise_id"], made["teams"]
    code = Person(sandbox.url).code(organisation)
    bot = exchange(workspace(sandbox), "oauth_v2_access", code)["bot_user_id"]
    control.say("general", "hi", team=south["team_id"])
    content = receiver.wait_for("message")[0].content
    assert (content["team_id"], content["enterprise_id"]) == (south["team_id"], organisation)
    assert content["authorizations"] == [
        {
            "enterprise_id": organisation,
            "team_id": None,
            "user_id": bot,
            "is_bot": True,
            "is_enterprise_install": True,
        }
    ]
    control.uninstall(north["team_id"])
    gone = receiver.wait_for("app_uninstalled")[0].content
    assert (gone["enterprise_id"], "team_id" in gone) == (organisation, False)


def test_several_apps_are_told_each_with_its_own_signature(
    control: SandboxControl, receiver: Receiver, sandbox: SandboxProcess, http_team: Workspace
) -> None:
    other = control.set_app("AOTHER", events_url=f"{receiver.url}/slack/events/other")
    assert control.app("AOTHER")["client_id"] == other["client_id"] != "1000.0001"
    code = Person(sandbox.url, other["client_id"]).code(http_team.id)
    own = {"client_id": other["client_id"], "client_secret": other["client_secret"]}
    assert exchange(http_team, "oauth_v2_access", code, **own)["app_id"] == "AOTHER"
    control.say("general", "hi", team=http_team.id)
    paths = {heard.path: heard for heard in receiver.wait_for("message", 2)}
    heard = paths["/slack/events/other"]
    assert heard.content["api_app_id"] == "AOTHER"
    assert SignatureVerifier(other["signing_secret"]).is_valid_request(heard.body, heard.headers)
    assert not VERIFIER.is_valid_request(heard.body, heard.headers)


def test_floods_reach_apps_too(control: SandboxControl, receiver: Receiver, http_team: Workspace) -> None:
    control.wait_for_flood(control.flood(30, teams=[http_team.id], noted=True))
    heard = receiver.wait_for("message", 30)
    assert {one.content["event"]["text"] for one in heard} == {f"message {n}" for n in range(1, 31)}


def _records(control: SandboxControl, team: Workspace, count: int) -> list[dict[str, object]]:
    eventually(lambda: len(control.deliveries(team=team.id)) >= count)
    return control.deliveries(team=team.id)
