"""People speak to apps in the sandbox: slash commands, buttons, menus, views; and apps answer."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier

from botfleet import cli_sandbox
from botfleet.sandbox import Posted, SandboxControl, SandboxError, SandboxProcess

from ..waiting import eventually
from .sandbox_app import Answer, Receiver, challenge, post, receiving
from .sandbox_fixtures import Workspace, control, team

__all__ = ["control", "team"]  # fixtures

VERIFIER = SignatureVerifier("sandbox-signing-secret-1")
BUTTONS = [
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            {
                "type": "button",
                "action_id": "yes",
                "text": {"type": "plain_text", "text": "Yes"},
                "value": "1",
            },
            {
                "type": "static_select",
                "action_id": "colour",
                "options": [
                    {"text": {"type": "plain_text", "text": "Red"}, "value": "red"},
                    {"text": {"type": "plain_text", "text": "Blue"}, "value": "blue"},
                ],
            },
        ],
    }
]
MODAL = {
    "type": "modal",
    "callback_id": "order",
    "title": {"type": "plain_text", "text": "Order"},
    "notify_on_close": True,
    "blocks": [
        {"type": "input", "block_id": "b", "element": {"type": "plain_text_input", "action_id": "what"}},
        BUTTONS[0],
    ],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def sandbox(server: Receiver) -> Iterator[SandboxProcess]:
    with SandboxProcess(["--app-url", server.url, "--patience", "0.5"]) as process:
        yield process


@pytest.fixture
def receiver(server: Receiver) -> Receiver:
    server.forget()
    return server


@pytest.fixture
def web(control: SandboxControl, team: Workspace) -> WebClient:
    """The app's client in a team that hears by HTTP."""
    return team.web(control.install(team.id, transport="http"))


def answering(receiver: Receiver, path: str, body: object) -> None:
    """Let the app answer at one of its URLs: with JSON, or with text."""
    written = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    receiver.answer = lambda heard: Answer(written) if heard.path.endswith(path) else challenge(heard)


def test_a_slash_command_is_a_signed_form(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    answering(receiver, "commands", {"response_type": "in_channel", "text": "deployed", "blocks": BUTTONS})
    control.command("/deploy", "web @bob", team=team.id, channel="random", user="carol")
    shown = control.wait_for_message("deployed")
    assert (shown["channel_name"], shown["ephemeral"], shown["user"]) == ("random", False, team.bot)
    (heard,) = receiver.wait_for("/deploy")
    assert VERIFIER.is_valid_request(heard.body, heard.headers)
    fields = heard.content
    assert (fields["command"], fields["user_name"], fields["channel_name"]) == ("/deploy", "carol", "random")
    assert fields["text"].startswith("web <@U")
    assert fields.keys() >= {"response_url", "trigger_id", "team_id", "team_domain", "api_app_id"}
    (record,) = control.deliveries(team=team.id, kind="command")
    assert (record["type"], record["status"], record["attempt"]) == ("/deploy", 200, 0)


def test_an_answer_without_a_type_is_for_whoever_asked(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    for body in ("done", {"text": "done"}):
        answering(receiver, "commands", body)
        control.command("/deploy", team=team.id)
        shown = control.wait_for_message("done")
        assert (shown["ephemeral"], shown["visible_to"]) == (True, team.alice)


def test_a_command_that_fails_is_told_to_whoever_used_it(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    receiver.answer = lambda heard: Answer(status=500)
    control.command("/deploy", team=team.id)
    shown = control.wait_for_message(contains="dispatch_failed", by=None)
    assert (shown["user_name"], shown["ephemeral"]) == ("slackbot", True)
    assert len(receiver.all("/deploy")) == 1, "nobody tries a command again"


def test_an_app_whose_bot_has_a_socket_is_spoken_to_by_http(
    control: SandboxControl, receiver: Receiver, team: Workspace
) -> None:
    answering(receiver, "commands", "done")
    control.command("/deploy", team=team.id)
    assert control.wait_for_message("done")["visible_to"] == team.alice
    assert receiver.wait_for("/deploy")[0].content["is_enterprise_install"] == "false"


def test_nobody_is_spoken_to_where_no_app_is(control: SandboxControl, team: Workspace) -> None:
    with pytest.raises(SandboxError, match="no app AOTHER"):
        control.command("/deploy", team=team.id, app_id="AOTHER")
    control.uninstall(team.id)
    with pytest.raises(SandboxError, match="no app is installed"):
        control.command("/deploy", team=team.id)
    control.install(team.id, transport="http")
    with pytest.raises(SandboxError, match="begins with /"):
        control.command("deploy", team=team.id)


def test_a_response_url_is_good_for_five_answers(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    control.command("/deploy", team=team.id)
    url = receiver.wait_for("/deploy")[0].content["response_url"]
    assert post(url, ["no object"]) == (400, "invalid_payload")
    assert post(url, {}) == (400, "no_text")
    assert post(url, {"text": "well?", "blocks": "none"}) == (400, "invalid_blocks")
    for number in range(5):
        assert post(url, {"text": f"answer {number}"}) == (200, "ok")
        assert control.wait_for_message(f"answer {number}")["ephemeral"]
    assert post(url, {"text": "one too many"}) == (404, "used_url")
    assert post(f"{url}0", {"text": "made up"}) == (404, "expired_url")


def test_a_button_is_a_block_action(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    ts = web.chat_postMessage(channel=team.general, text="well?", blocks=BUTTONS)["ts"]
    control.interact("general", ts, "yes", team=team.id, user="bob")
    (heard,) = receiver.wait_for("block_actions")
    assert heard.path == "/slack/interactive"
    assert VERIFIER.is_valid_request(heard.body, heard.headers)
    content = heard.content
    (action,) = content["actions"]
    assert (action["action_id"], action["block_id"], action["value"]) == ("yes", "choices", "1")
    assert (content["user"]["username"], content["message"]["ts"]) == ("bob", ts)
    assert content["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": team.general,
        "is_ephemeral": False,
    }
    url = content["response_url"]
    assert post(url, {"replace_original": True, "text": "Bob said yes"}) == (200, "ok")
    (message,) = web.conversations_history(channel=team.general)["messages"]
    assert (message["text"], "blocks" in message) == ("Bob said yes", False)
    assert post(url, {"delete_original": "true"}) == (200, "ok")
    assert web.conversations_history(channel=team.general)["messages"] == []


def test_a_menu_gives_the_option_that_was_chosen(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    ts = web.chat_postMessage(channel=team.general, text="well?", blocks=BUTTONS)["ts"]
    control.interact("general", ts, "colour", value="blue", team=team.id)
    (action,) = receiver.wait_for("block_actions")[0].content["actions"]
    assert action["selected_option"]["value"] == "blue"
    for action_id, value in (("colour", "green"), ("no", None)):
        with pytest.raises(SandboxError, match="expected one of"):
            control.interact("general", ts, action_id, value=value, team=team.id)


def test_an_ephemeral_message_has_buttons_too(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    ts = web.chat_postEphemeral(channel=team.general, user=team.alice, text="well?", blocks=BUTTONS)[
        "message_ts"
    ]
    control.interact("general", ts, "yes", team=team.id)
    content = receiver.wait_for("block_actions")[0].content
    assert (content["container"]["is_ephemeral"], "message" in content) == (True, False)
    assert post(content["response_url"], {"replace_original": True, "text": "thanks"}) == (200, "ok")

    def thanks(message: Posted) -> bool:
        return (message["ts"], message["text"], message["edited"]) == (ts, "thanks", True)

    assert control.wait_for_message(thanks)["ephemeral"]


def test_commands_are_used_from_the_terminal(
    sandbox: SandboxProcess, control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    answering(receiver, "commands", {"text": "deployed"})
    where = ["--url", sandbox.url, "--team", team.id]
    used = CliRunner().invoke(cli_sandbox.sandbox, ["slash", "/deploy", "web", *where])
    assert used.output == f"{control.team(team.id)['bot_name']}: deployed\n"
    assert receiver.wait_for("/deploy")[0].content["text"] == "web"
    gone = CliRunner().invoke(cli_sandbox.sandbox, ["uninstall", *where])
    assert (gone.exit_code, control.team(team.id)["http"]) == (0, [])


def test_a_view_is_opened_filled_in_and_submitted(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    trigger = control.command("/order", team=team.id)["trigger_id"]
    view = web.views_open(trigger_id=trigger, view=MODAL)["view"]
    for bad, error in ((trigger, "exchanged_trigger_id"), ("made up", "invalid_trigger_id")):
        with pytest.raises(SlackApiError, match=error):
            web.views_open(trigger_id=bad, view=MODAL)
    control.post("interact", view_id=view["id"], action_id="yes")
    assert receiver.wait_for("block_actions")[0].content["view"]["id"] == view["id"]
    answering(receiver, "interactive", {"response_action": "errors", "errors": {"b": "too much"}})
    control.submit(view["id"], {"what": "tea", "colour": "red"})
    eventually(lambda: control.views(team.id)[0]["errors"] == {"b": "too much"})
    content = receiver.wait_for("view_submission")[0].content
    values = content["view"]["state"]["values"]
    assert values["b"]["what"] == {"type": "plain_text_input", "value": "tea"}
    assert values["choices"]["colour"]["selected_option"]["value"] == "red"
    assert (content["view"]["callback_id"], content["user"]["id"]) == ("order", team.alice)
    receiver.forget()
    control.submit(view["id"])
    eventually(lambda: control.views(team.id) == [])


def test_views_are_changed_pushed_and_closed(
    control: SandboxControl, receiver: Receiver, team: Workspace, web: WebClient
) -> None:
    trigger = control.command("/order", team=team.id)["trigger_id"]
    view = web.views_open(trigger_id=trigger, view=MODAL)["view"]
    changed = web.views_update(view_id=view["id"], hash=view["hash"], view=MODAL | {"callback_id": "new"})
    with pytest.raises(SlackApiError, match="hash_conflict"):
        web.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)
    assert changed["view"]["callback_id"] == "new"
    answering(receiver, "interactive", {"response_action": "push", "view": MODAL | {"callback_id": "more"}})
    control.submit(view["id"])
    below, above = eventually(lambda: len(found := control.views(team.id)) == 2 and found)
    assert (above["callback_id"], above["previous_view_id"]) == ("more", below["id"])
    control.close_view(above["id"])
    assert receiver.wait_for("view_closed")[0].content["view"]["id"] == above["id"]
    answering(receiver, "interactive", {"response_action": "clear"})
    control.submit(below["id"])
    eventually(lambda: control.views(team.id) == [])
