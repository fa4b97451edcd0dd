"""The sandbox is a faithful Slack: slack_sdk works against it, and every fault shows in behaviour."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import websocket
from slack_sdk.errors import SlackApiError
from slack_sdk.rtm_v2 import RTMClient

from botfleet.sandbox import SandboxControl, SandboxError, SandboxProcess, SandboxTimeout

from .sandbox_fixtures import Socket, Workspace, connected, control, sandbox, team

__all__ = ["control", "sandbox", "team"]  # fixtures


def error_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return str(caught.value.response["error"])


# slack_sdk


def test_channels_come_and_go_and_are_renamed(control: SandboxControl, team: Workspace) -> None:
    with connected(team) as socket:
        plans = control.create_channel("plans", team=team.id)
        made = socket.read_until("channel_created")["channel"]
        assert (made["id"], made["name"]) == (plans, "plans")
        assert control.rename_channel("#plans", "ideas", team=team.id) == plans
        renamed = socket.read_until("channel_rename")["channel"]
        assert (renamed["id"], renamed["name"]) == (plans, "ideas")
        control.archive_channel("ideas", team=team.id)
        assert socket.read_until("channel_archive")["channel"] == plans
        web = team.web()
        assert web.conversations_info(channel=plans)["channel"]["is_archived"]
        listed = web.conversations_list(exclude_archived=True)["channels"]
        assert "ideas" not in [channel["name"] for channel in listed]
        control.archive_channel("ideas", archived=False, team=team.id)
        assert socket.read_until("channel_unarchive")["channel"] == plans
        hidden = control.create_channel("hidden", private=True, team=team.id)
        joined = socket.read_until("group_joined")["channel"]
        assert (joined["id"], joined["is_private"], joined["is_member"]) == (hidden, True, True)
        control.rename_channel("hidden", "cellar", team=team.id)
        assert socket.read_until("group_rename")["channel"]["name"] == "cellar"
    assert error_of(web.conversations_info, channel="C404") == "channel_not_found"
    for name in ("general", "General", "a b", ""):
        with pytest.raises(SandboxError, match="name"):
            control.create_channel(name, team=team.id)


def test_a_member_takes_another_name(control: SandboxControl, team: Workspace) -> None:
    with connected(team) as socket:
        assert control.change_user("alice", display_name="Al", team=team.id) == team.alice
        assert socket.read_until("user_change")["user"]["profile"]["display_name"] == "Al"
        control.change_user("alice", name="alicia", real_name="Alicia L", team=team.id)
        user = socket.read_until("user_change")["user"]
    assert user == team.web().users_info(user=team.alice)["user"]
    assert (user["name"], user["real_name"]) == ("alicia", "Alicia L")
    with pytest.raises(SandboxError, match="no other member"):
        control.change_user("alicia", name="bob", team=team.id)


def test_a_bot_and_the_address_of_a_message(control: SandboxControl, team: Workspace) -> None:
    web = team.web()
    own = web.auth_test()
    bot = web.bots_info(bot=own["bot_id"])["bot"]
    assert (bot["user_id"], bot["deleted"]) == (team.bot, False)
    assert error_of(web.bots_info, bot="B404") == "bot_not_found"
    said = control.say("general", "hi", team=team.id)
    first = web.chat_getPermalink(channel=team.general, message_ts=said["ts"])["permalink"]
    assert first == f"{own['url']}archives/{team.general}/p{said['ts'].replace('.', '')}"
    reply = control.say("general", "ho", team=team.id, thread_ts=said["ts"])
    second = web.chat_getPermalink(channel=team.general, message_ts=reply["ts"])["permalink"]
    assert second.endswith(f"?thread_ts={said['ts']}&cid={team.general}")
    assert error_of(web.chat_getPermalink, channel=team.general, message_ts="1.0") == "message_not_found"


def stop(client: RTMClient, control: SandboxControl, team: Workspace) -> None:
    """End slack_sdk's threads; its own close() lets some of them reconnect.

    The reading thread may hold a state that connect() has replaced: then nothing can end it, and it is a
    daemon that sleeps.
    """
    client.default_auto_reconnect_enabled = client.auto_reconnect_enabled = False
    client.current_session_state.terminated = True
    client.current_session_runner.event.set()
    control.fault("drop", team=team.id, reset=False)  # else close() waits for the reader, for 3 s
    client.current_app_monitor.shutdown()
    client.close()
    client.message_processor.shutdown()
    client.message_workers.shutdown()


@pytest.fixture
def rtm(team: Workspace, control: SandboxControl) -> Iterator[RTMClient]:
    client = RTMClient(token=team.token, base_url=team.api_url)
    yield client
    stop(client, control, team)


def test_slack_sdk_rtm_client_connects_hears_and_answers(
    rtm: RTMClient, control: SandboxControl, team: Workspace
) -> None:
    seen: queue.Queue[str] = queue.Queue()

    @rtm.on("hello")
    def _hello(client: RTMClient, event: dict[str, Any]) -> None:
        seen.put(event["type"])

    @rtm.on("message")
    def _pong(client: RTMClient, event: dict[str, Any]) -> None:
        if event["text"] == "ping":
            client.send({"id": 1, "type": "message", "channel": event["channel"], "text": "pong"})
        else:
            client.web_client.chat_postMessage(channel=event["channel"], text="no ping")

    rtm.connect()
    assert seen.get(timeout=10) == "hello"
    control.say("general", "ping", team=team.id)
    answer = control.wait_for_message("pong", team=team.id)
    assert (answer["channel"], answer["via"], answer["user"]) == (team.general, "socket", team.bot)
    control.say("random", "gnip", team=team.id)
    assert control.wait_for_message(contains="no", team=team.id)["via"] == "api"


def test_slack_sdk_rtm_client_comes_back_after_goodbye(
    rtm: RTMClient, control: SandboxControl, team: Workspace
) -> None:
    hellos: queue.Queue[str] = queue.Queue()
    rtm.on_message_listeners.append(hellos.put)
    rtm.connect()
    assert hellos.get(timeout=10) == '{"type":"hello"}'
    control.fault("goodbye", team=team.id)
    assert [hellos.get(timeout=10) for _ in range(2)] == ['{"type":"goodbye"}', '{"type":"hello"}']
    assert control.team(team.id)["calls"]["rtm.connect"] == 2


def test_slack_sdk_web_client_knows_every_answer(team: Workspace, control: SandboxControl) -> None:
    web = team.web()
    assert web.api_test(foo="bar")["args"] == {"foo": "bar"}
    identity = web.auth_test()
    assert (identity["team_id"], identity["user_id"], identity["user"]) == (team.id, team.bot, "botfleet")
    assert identity["bot_id"].startswith("B")
    assert {name.lower() for name in identity.headers} >= {"x-oauth-scopes"}
    assert web.team_info()["team"]["id"] == team.id
    assert web.users_info(user=team.alice)["user"]["name"] == "alice"
    assert {user["name"] for user in web.users_list()["members"]} == {"alice", "bob", "carol", "botfleet"}


def test_a_posted_message_can_be_changed_reacted_to_and_found(team: Workspace) -> None:
    web = team.web()
    posted = web.chat_postMessage(
        channel="#general", text="first", attachments=[{"text": "more"}], icon_emoji=":robot_face:"
    )
    assert posted["channel"] == team.general
    assert posted["message"]["attachments"] == [{"text": "more"}]
    assert posted["message"]["bot_id"]
    web.chat_update(channel=team.general, ts=posted["ts"], text="second")
    web.reactions_add(channel=team.general, timestamp=posted["ts"], name="eyes")
    found = web.conversations_history(channel=team.general)["messages"]
    assert [message["text"] for message in found] == ["second"]
    assert found[0]["reactions"] == [{"name": "eyes", "users": [team.bot], "count": 1}]
    again = {"channel": team.general, "timestamp": posted["ts"], "name": "eyes"}
    assert error_of(web.reactions_add, **again) == "already_reacted"


def test_a_message_and_a_reaction_can_be_taken_back(team: Workspace) -> None:
    web = team.web()
    posted = web.chat_postMessage(channel=team.general, text="first")
    web.chat_postMessage(channel=team.general, text="in a thread", thread_ts=posted["ts"])
    item = {"channel": team.general, "timestamp": posted["ts"], "name": "eyes"}
    web.reactions_add(**item)
    with connected(team) as socket:
        web.reactions_remove(**item)
        event = socket.read()
        assert (event["type"], event["reaction"], event["user"]) == ("reaction_removed", "eyes", team.bot)
        assert event["item"] == {"type": "message", "channel": team.general, "ts": posted["ts"]}
        assert error_of(web.reactions_remove, **item) == "no_reaction"
        (found,) = web.conversations_history(channel=team.general)["messages"]
        assert "reactions" not in found
        deleted = web.chat_delete(channel=team.general, ts=posted["ts"])
        assert (deleted["channel"], deleted["ts"]) == (team.general, posted["ts"])
        event = socket.read()
        assert (event["type"], event["subtype"], event["hidden"]) == ("message", "message_deleted", True)
        assert (event["deleted_ts"], event["previous_message"]["text"]) == (posted["ts"], "first")
    assert web.conversations_history(channel=team.general)["messages"] == []
    again = {"channel": team.general, "ts": posted["ts"]}
    assert error_of(web.chat_delete, **again) == "message_not_found"


def test_a_file_can_be_uploaded(team: Workspace, control: SandboxControl) -> None:
    web = team.web()
    thread = web.chat_postMessage(channel=team.general, text="a thread")["ts"]
    with connected(team) as socket:
        uploaded = web.files_upload_v2(
            content="a < b", filename="menu.txt", title="Menu", channel=team.general, thread_ts=thread
        )
        event = socket.read()
        assert (event["type"], event["subtype"], event["thread_ts"]) == ("message", "file_share", thread)
        shared = socket.read()
        assert (shared["type"], shared["channel_id"]) == ("file_shared", team.general)
    file = uploaded["file"]
    assert (file["name"], file["title"], file["size"], file["mimetype"]) == (
        *("menu.txt", "Menu", 5),
        "text/plain",
    )
    assert [one["id"] for one in event["files"]] == [file["id"]] == [shared["file_id"]]


def test_many_files_can_be_uploaded_with_a_comment(team: Workspace) -> None:
    web = team.web()
    files = [{"content": "one", "filename": "1.txt"}, {"file": b"\0\1", "filename": "2.bin"}]
    web.files_upload_v2(file_uploads=files, channel=team.general, initial_comment="Look!")
    (found,) = web.conversations_history(channel=team.general)["messages"]
    assert (found["text"], [file["size"] for file in found["files"]]) == ("Look!", [3, 2])


def test_a_file_needs_its_bytes_and_is_shown_once(team: Workspace) -> None:
    web = team.web()
    announced = web.files_getUploadURLExternal(filename="a.txt", length=3)
    files = [{"id": announced["file_id"], "title": "A"}]
    assert error_of(web.files_completeUploadExternal, files=files) == "file_not_found"
    assert urlopen(announced["upload_url"], data=b"abc").read() == b"OK - 3"
    with pytest.raises(HTTPError, match="404"):
        urlopen(announced["upload_url"], data=b"abc")
    nowhere = {"files": files, "channel_id": "C0"}
    assert error_of(web.files_completeUploadExternal, **nowhere) == "invalid_channel"
    assert web.files_completeUploadExternal(files=files)["files"][0]["title"] == "A"
    assert error_of(web.files_completeUploadExternal, files=files) == "file_not_found"
    short = web.files_getUploadURLExternal(filename="a.txt", length=3)
    with pytest.raises(HTTPError, match="400"):
        urlopen(short["upload_url"], data=b"ab")


def test_ephemeral_messages_leave_no_trace_in_history(team: Workspace, control: SandboxControl) -> None:
    web = team.web()
    assert web.chat_postEphemeral(channel=team.general, user=team.alice, text="psst")["message_ts"]
    assert web.conversations_history(channel=team.general)["messages"] == []
    assert control.wait_for_message("psst", team=team.id, after=0)["ephemeral"] is True


def test_history_pages_and_bounds(team: Workspace, control: SandboxControl) -> None:
    web = team.web()
    stamps = [control.say("general", f"m{n}", team=team.id)["ts"] for n in range(5)]
    control.say("general", "in a thread", team=team.id, thread_ts=stamps[0])
    assert stamps == sorted(set(stamps))
    pages = web.conversations_history(channel=team.general, limit=2)
    texts = [[message["text"] for message in page["messages"]] for page in pages]
    assert texts == [["m4", "m3"], ["m2", "m1"], ["m0"]]
    bounds = {"channel": team.general, "oldest": stamps[1], "latest": stamps[3]}
    assert [m["text"] for m in web.conversations_history(**bounds)["messages"]] == ["m2"]
    inclusive = web.conversations_history(**bounds, inclusive=True)["messages"]
    assert [m["text"] for m in inclusive] == ["m3", "m2", "m1"]


def test_conversations_are_listed_by_type_and_page(team: Workspace) -> None:
    web = team.web()
    pages = web.conversations_list(types="public_channel,private_channel", limit=2)
    names = [[channel["name"] for channel in page["channels"]] for page in pages]
    assert names == [["general", "random"], ["secret-plans"]]
    opened = web.conversations_open(users=[team.alice])
    again = web.conversations_open(users=[team.alice], return_im=True)
    assert opened["channel"]["id"] == again["channel"]["id"]
    assert again["already_open"] is True
    assert [im["user"] for im in web.conversations_list(types="im")["channels"]] == [team.alice]
    posted = web.chat_postMessage(channel=team.alice, text="to a user id")
    assert posted["channel"] == opened["channel"]["id"]


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "C0", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#general"}, "no_text"),
        ("chat.postEphemeral", {"channel": "#general", "user": "U0", "text": "x"}, "user_not_found"),
        ("chat.update", {"channel": "#general", "ts": "1.0", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": "#general", "ts": "1.0"}, "message_not_found"),
        ("reactions.remove", {"channel": "#general", "timestamp": "1.0", "name": "x"}, "message_not_found"),
        ("reactions.remove", {"name": "x"}, "no_item_specified"),
        ("files.getUploadURLExternal", {"filename": "a.txt"}, "invalid_arguments"),
        ("files.completeUploadExternal", {"files": "[]"}, "invalid_arguments"),
        ("files.completeUploadExternal", {"files": '[{"id": "F0"}]'}, "file_not_found"),
        ("reactions.add", {"channel": "#general", "timestamp": "1.0", "name": "x"}, "message_not_found"),
        ("conversations.history", {"channel": "C0"}, "channel_not_found"),
        ("conversations.list", {"cursor": "%"}, "invalid_cursor"),
        ("users.info", {"user": "U0"}, "user_not_found"),
        ("no.method", {}, "unknown_method"),
    ],
)
def test_errors_are_slacks(team: Workspace, method: str, arguments: dict[str, str], error: str) -> None:
    assert error_of(team.web().api_call, api_method=method, params=arguments) == error


def test_errors_of_messages(team: Workspace, control: SandboxControl) -> None:
    web = team.web()
    said = control.say("general", "mine", team=team.id)
    update = {"channel": team.general, "ts": said["ts"], "text": "yours"}
    assert error_of(web.chat_update, **update) == "cant_update_message"
    theirs = {"channel": team.general, "ts": said["ts"]}
    assert error_of(web.chat_delete, **theirs) == "cant_delete_message"
    posted = web.chat_postMessage(channel=team.general, text="x" * 40_001)
    assert len(posted["message"]["text"]) == 40_000
    long = {"channel": team.general, "ts": posted["ts"], "text": "x" * 4_001}
    assert error_of(web.chat_update, **long) == "msg_too_long"


def test_tokens(team: Workspace, control: SandboxControl) -> None:
    assert error_of(team.web("xoxb-unknown").auth_test) == "invalid_auth"
    web = team.web()
    web.token = None
    assert error_of(web.auth_test) == "not_authed"
    second = control.install(team.id)
    assert second == f"{team.token}-2"
    assert team.web(second).auth_test()["team_id"] == team.web().auth_test()["team_id"]
    third = control.install(team.id, revoke_old=True)
    assert error_of(team.web().auth_test) == error_of(team.web(second).auth_test) == "token_revoked"
    assert team.web(third).auth_test()["ok"]


def test_auth_revoke_kills_the_token_and_its_sockets_only(team: Workspace, control: SandboxControl) -> None:
    other = control.install(team.id)
    with connected(team) as mine, connected(team, other) as theirs:
        assert team.web().auth_revoke(test=True)["revoked"] is False
        assert team.web().auth_revoke()["revoked"] is True
        assert mine.closing_code() is None
        assert theirs.ping(1)["type"] == "pong"
    assert error_of(team.web().rtm_connect) == "token_revoked"


# RTM


def test_rtm_connect_answers_as_documented(team: Workspace) -> None:
    for answer in (team.web().rtm_connect(), team.web().rtm_start()):
        assert answer["url"].startswith("ws://127.0.0.1:")
        assert answer["self"] == {"id": team.bot, "name": "botfleet"}
        assert answer["team"].keys() == {"id", "name", "domain"}


def test_a_url_works_once(team: Workspace) -> None:
    url = team.web().rtm_connect()["url"]
    first, second = Socket(url), Socket(url)
    assert first.read() == {"type": "hello"}
    expired = {"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}}
    assert second.read() == expired
    assert second.closing_code() is not None
    first.close()


def test_what_happened_after_rtm_connect_is_told_after_hello(
    team: Workspace, control: SandboxControl
) -> None:
    control.say("general", "too early", team=team.id)
    url = team.web().rtm_connect()["url"]
    control.say("general", "meanwhile", team=team.id)
    socket = Socket(url)
    assert socket.read() == {"type": "hello"}
    assert socket.read()["text"] == "meanwhile"
    socket.close()


def test_events_reach_every_connection_of_the_team_and_no_other(
    team: Workspace, sandbox: SandboxProcess, control: SandboxControl
) -> None:
    with connected(team) as one, connected(team) as two:
        control.say("general", "elsewhere", team=sandbox.teams[0]["team_id"])
        said = control.say("@alice", "hi @botfleet!", team=team.id)
        assert said["connections"] == 2
        for socket in (one, two):
            assert socket.read()["type"] == "im_created"
            event = socket.read()
            assert event["text"] == f"hi <@{team.bot}>!"
            assert (event["user"], event["channel_type"], event["ts"]) == (team.alice, "im", said["ts"])
            assert event["channel"].startswith("D")


def test_a_message_by_socket_is_answered_and_told_to_the_others(
    team: Workspace, control: SandboxControl
) -> None:
    with connected(team) as sender, connected(team) as listener:
        sender.send(id=7, type="message", channel=team.general, text="hello")
        answer = sender.read()
        assert answer.keys() == {"ok", "reply_to", "ts", "text"}
        assert (answer["ok"], answer["reply_to"], answer["text"]) == (True, 7, "hello")
        event = listener.read()
        assert (event["user"], event["ts"], event["channel"]) == (team.bot, answer["ts"], team.general)
        assert sender.ping(8) == {"type": "pong", "reply_to": 8}
    assert team.web().conversations_history(channel=team.general)["messages"][0]["ts"] == answer["ts"]
    assert [frame["type"] for frame in control.frames(team=team.id)] == ["message", "ping"]


def test_a_message_by_web_api_is_told_to_all(team: Workspace) -> None:
    with connected(team) as socket:
        ts = team.web().chat_postMessage(channel=team.general, text="hello")["ts"]
        event = socket.read()
        assert (event["ts"], event["user"]) == (ts, team.bot)
        assert "bot_id" in event
        assert "subtype" not in event
        team.web().chat_update(channel=team.general, ts=ts, text="bye")
        changed = socket.read()
        assert (changed["subtype"], changed["hidden"]) == ("message_changed", True)
        assert changed["message"]["text"] == "bye"
        team.web().reactions_add(channel=team.general, timestamp=ts, name="wave")
        assert socket.read()["item"] == {"type": "message", "channel": team.general, "ts": ts}


def test_pings_echo_flat_fields(team: Workspace) -> None:
    with connected(team) as socket:
        socket.send(id=3, type="ping", time=1.5, note="x", nested={"a": 1})
        assert socket.read() == {"type": "pong", "reply_to": 3, "time": 1.5, "note": "x"}
        socket.connection.ping("abc")
        frame = socket.connection.recv_frame()
        assert (frame.opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, b"abc")


def test_bad_frames_get_error_frames(team: Workspace) -> None:
    with connected(team) as socket:
        socket.send(id=1, type="message", channel=team.general)
        missing = {"code": 2, "msg": "message text is missing"}
        assert socket.read() == {"ok": False, "reply_to": 1, "error": missing}
        socket.send(id=2, type="message", channel="C0", text="x")
        assert socket.read()["error"]["msg"] == "channel_not_found"
        socket.send(id=3, type="typing", channel="C0")
        assert socket.read()["reply_to"] == 3
        for text in ("{", "[]", '{"type":"message","id":0,"text":"x"}'):
            socket.connection.send(text)
            assert socket.read()["type"] == "error"
        socket.send(id=4, type="typing", channel=team.general)
        assert socket.ping(5)["reply_to"] == 5


def test_a_frame_over_16_kib_ends_the_connection(team: Workspace) -> None:
    with connected(team) as socket:
        socket.send(id=1, type="message", channel=team.general, text="x" * 16_000)
        assert socket.read()["ok"] is True
        socket.send(id=2, type="message", channel=team.general, text="x" * 16_384)
        assert socket.closing_code() in (None, 1009)


def test_presence_comes_for_those_subscribed(team: Workspace) -> None:
    with connected(team) as socket:
        socket.send(type="presence_sub", ids=[team.alice, "U0"])
        assert socket.read() == {"type": "presence_change", "user": team.alice, "presence": "active"}
        assert socket.ping(1)["reply_to"] == 1


# Control


def test_events_frames_and_joins_arrive_as_given(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        assert control.event({"type": "emoji_changed", "event_ts": "1.0"}, team=team.id) == 1
        assert socket.read() == {"type": "emoji_changed", "event_ts": "1.0"}
        control.frame('{"type": "mess', team=team.id)
        assert socket.connection.recv() == '{"type": "mess'
        control.frame("", team=team.id)
        assert socket.connection.recv() == ""
        joined = control.join("dave", team=team.id)
        event = socket.read()
        assert (event["type"], event["user"]["id"]) == ("team_join", joined["user"])
    assert team.web().users_info(user=joined["user"])["user"]["name"] == "dave"


def test_people_change_what_they_said(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        said = control.say("general", "one", team=team.id)
        control.edit("general", said["ts"], "two @botfleet", team=team.id)
        control.delete("general", said["ts"], team=team.id)
        assert socket.read()["text"] == "one"
        changed, deleted = socket.read(), socket.read()
    assert (changed["subtype"], deleted["subtype"]) == ("message_changed", "message_deleted")
    assert changed["previous_message"]["text"] == "one"
    assert changed["message"]["text"] == f"two <@{team.bot}>"
    assert (deleted["deleted_ts"], deleted["channel"]) == (said["ts"], team.general)
    assert team.web().conversations_history(channel=team.general)["messages"] == []


def test_people_react(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        said = control.say("general", "one", team=team.id)
        control.react("general", said["ts"], ":eyes:", team=team.id, user="bob")
        team.web().reactions_add(channel=team.general, timestamp=said["ts"], name="tada")
        control.react("general", said["ts"], "eyes", team=team.id, user="bob", remove=True)
        events = [socket.read() for _ in range(4)][1:]
    kinds = [(event["type"], event["reaction"]) for event in events]
    assert kinds == [("reaction_added", "eyes"), ("reaction_added", "tada"), ("reaction_removed", "eyes")]
    assert {event["item"]["ts"] for event in events} == {said["ts"]}
    noted, _ = control.reactions(team=team.id)
    assert [(one["by"], one["name"]) for one in noted] == [("human", "eyes"), ("bot", "tada")]
    message = team.web().conversations_history(channel=team.general)["messages"][0]
    assert message["reactions"] == [{"name": "tada", "users": [team.bot], "count": 1}]


def test_members_join_channels_and_join_teams_anew(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        dave = control.join("dave", team=team.id)["user"]
        control.enter("random", "dave", team=team.id)
        control.join("dave", team=team.id, again=True)
        events = [socket.read() for _ in range(3)]
    assert [event["type"] for event in events] == ["team_join", "member_joined_channel", "team_join"]
    assert (events[1]["user"], events[1]["channel"][0], events[1]["channel_type"]) == (dave, "C", "C")
    assert events[0]["user"] == events[2]["user"]


def test_many_teams_and_a_flood_over_them(sandbox: SandboxProcess, control: SandboxControl) -> None:
    teams = control.add_teams(200)
    assert len({team["bot_token"] for team in teams}) == 200
    ids = [team["team_id"] for team in teams[:2]]
    one = Workspace(ids[0], teams[0]["bot_token"], "", "", "", sandbox.api_url)
    with connected(one) as socket:
        done = control.wait_for_flood(control.flood(1001, teams=ids, text="n{n}"))
        assert (done["sent"], done["frames"], done["done"]) == (1001, 501, True)
        texts = [socket.read()["text"] for _ in range(501)]
    assert texts == [f"n{number}" for number in range(1, 1002, 2)]
    assert control.team(ids[1])["messages"]["human"] == 500


def test_a_flood_that_is_noted_and_stopped(control: SandboxControl, team: Workspace) -> None:
    other = control.add_teams(1)[0]["team_id"]
    began = time.time()
    with connected(team) as socket:
        load = control.flood(10_000, teams=[team.id, other], rate=500, text="n{n}", noted=True)
        socket.read_until("message")
        sent = control.stop_flood(load)
        done = control.wait_for_flood(load)
        assert 0 < sent == done["sent"] < 10_000
        notes = control.flood_notes(load)
    assert notes["teams"] == [team.id, other]
    assert notes["unheard"] == list(range(2, sent + 1, 2))
    counts, times = zip(*notes["chunks"], strict=True)
    assert sum(counts) == sent
    assert began <= times[0] <= times[-1] <= time.time()
    assert sorted(times) == list(times)
    assert control.counts()["messages"]["human"] >= sent


def test_whoever_has_a_url_will_hear_what_is_sent_meanwhile(control: SandboxControl, team: Workspace) -> None:
    url = team.web().rtm_connect()["url"]
    load = control.flood(3, teams=[team.id], text="n{n}", noted=True)
    control.wait_for_flood(load)
    assert control.flood_notes(load)["unheard"] == []
    late = Socket(url)
    assert [late.read()["type"] for _ in range(4)] == ["hello", "message", "message", "message"]
    late.close()


def test_a_flood_keeps_its_rate(team: Workspace, control: SandboxControl) -> None:
    done = control.wait_for_flood(control.flood(20, teams=[team.id], rate=100))
    assert done["seconds"] >= 0.18


def test_calls_are_logged_without_secrets(team: Workspace, control: SandboxControl) -> None:
    team.web().auth_test()
    error_of(team.web().users_info, user="U0")
    calls = control.calls(team=team.id)
    assert [(call["method"], call["error"]) for call in calls] == [
        ("auth.test", None),
        ("users.info", "user_not_found"),
    ]
    assert team.token not in json.dumps(calls)
    assert control.team(team.id)["calls"] == {"auth.test": 1, "users.info": 1}


def test_waiting_for_a_message_ends_with_a_clear_line(team: Workspace, control: SandboxControl) -> None:
    with pytest.raises(SandboxTimeout, match=r"no such message within 0\.1 s"):
        control.wait_for_message("never", team=team.id, timeout=0.1)
    with pytest.raises(SandboxTimeout, match="it did not come to 3 connections"):
        control.wait_for_connections(3, team=team.id, timeout=0.05)


@pytest.mark.parametrize(
    ("path", "fields", "status", "reason"),
    [
        ("say", {}, 400, "text is missing: expected a text"),
        ("say", {"text": 3}, 400, "text is 3: expected a text"),
        ("say", {"text": "x", "chanel": "y"}, 400, "chanel is no field of this request"),
        ("say", {"text": "x", "team": "T9"}, 404, "team 'T9' is unknown"),
        ("say", {"text": "x", "channel": "nope"}, 404, "channel 'nope' is unknown"),
        ("say", {"text": "x", "user": "zoe"}, 404, "user 'zoe' is unknown"),
        ("say", {"text": "x", "user": "alice", "channel": "@bob"}, 400, "only bob writes in @bob"),
        ("say", {"text": "x", "thread_ts": "now"}, 400, "thread_ts is 'now': expected a ts"),
        ("teams", {"count": 0}, 400, "count is 0: expected a whole number from 1 to"),
        ("edit", {"channel": "general", "ts": "1.0", "text": "x"}, 404, "ts is '1.0': expected that of a"),
        ("enter", {"channel": "nope", "user": "bob"}, 404, "channel 'nope' is unknown"),
        ("join", {"name": "bob"}, 400, "name is 'bob': expected one that no member has"),
        ("flood", {}, 400, "count is missing"),
        ("flood", {"count": 1, "teams": []}, 400, "teams is []: expected a list of team ids"),
        ("flood/stop", {"id": 1_000_000}, 404, "flood 1000000 is unknown"),
        ("flood/stop", {}, 404, "flood None is unknown"),
        ("event", {"event": "x"}, 400, "event is 'x': expected an object"),
        ("faults/drop", {}, 400, "team or all is needed"),
        ("faults/drop", {"all": "yes"}, 400, "all is 'yes': expected true or false"),
        ("faults/nope", {"all": True}, 404, "fault 'nope' is unknown: expected one of revoke"),
        ("faults/slow", {"team": "T00000001", "seconds": -1}, 400, "seconds is -1: expected seconds from 0"),
        ("faults/revoke", {"team": "T00000001", "error": "Bad!"}, 400, "error is 'Bad!'"),
        ("faults/revoke", {"team": "T00000001", "token": "x"}, 404, "token is not one of this team's"),
        ("state", {}, 405, "/sandbox/state takes GET"),
        ("nothing", {}, 404, "/sandbox/nothing is unknown"),
    ],
)
def test_refusals_name_the_field(
    control: SandboxControl, path: str, fields: dict[str, Any], status: int, reason: str
) -> None:
    with pytest.raises(SandboxError) as caught:
        control.post(path, **fields)
    assert (caught.value.status, reason in str(caught.value)) == (status, True), caught.value


def test_the_client_says_when_nobody_listens() -> None:
    with pytest.raises(SandboxError, match=r"the sandbox at http://127\.0\.0\.1:9/ can't be reached: "):
        SandboxControl("http://127.0.0.1:9").state()


# Faults


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
def test_revoke_cuts_the_socket_and_restore_mends(
    team: Workspace, control: SandboxControl, error: str
) -> None:
    with connected(team) as socket:
        control.fault("revoke", team=team.id, error=error)
        assert socket.closing_code() is None
    assert error_of(team.web().auth_test) == error_of(team.web().rtm_connect) == error
    control.fault("restore", team=team.id)
    assert team.web().auth_test()["ok"]


def test_a_token_revoked_after_rtm_connect_gets_no_socket(team: Workspace, control: SandboxControl) -> None:
    url = team.web().rtm_connect()["url"]
    control.fault("revoke", team=team.id)
    socket = Socket(url)
    assert socket.read()["error"]["code"] == 1
    socket.close()
    control.fault("clear", team=team.id)
    assert team.web().auth_test()["ok"]


@pytest.mark.parametrize("reset", [True, False])
def test_drop_ends_the_line_without_a_word(team: Workspace, control: SandboxControl, reset: bool) -> None:
    with connected(team) as first, connected(team) as second:
        control.fault("drop", team=team.id, count=1, reset=reset)
        expected = ConnectionResetError if reset else websocket.WebSocketConnectionClosedException
        with pytest.raises(expected):
            first.connection.recv()
        assert second.ping(1)["reply_to"] == 1
        control.wait_for_connections(1, team=team.id)


def test_close_shakes_hands(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        control.fault("close", team=team.id, code=1012, reason="service restart")
        assert socket.closing_code() == 1012


def test_silent_swallows_everything_until_cleared(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        control.fault("silent", team=team.id)
        control.say("general", "lost", team=team.id)
        socket.send(id=1, type="ping")
        socket.connection.ping("x")
        assert socket.is_quiet(0.3)
        with connected(team) as other:
            assert other.ping(1)["reply_to"] == 1
        control.fault("clear", team=team.id)
        assert socket.ping(2) == {"type": "pong", "reply_to": 2}


def test_silence_ends_by_itself(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        control.fault("silent", team=team.id, seconds=0.2)
        deadline = time.monotonic() + 10
        number = 0
        heard = False
        while not heard and time.monotonic() < deadline:
            number += 1
            socket.send(id=number, type="ping")
            heard = not socket.is_quiet(0.05)
        assert heard
        assert number > 1


def test_silence_may_greet_new_connections(team: Workspace, control: SandboxControl) -> None:
    control.fault("silent", team=team.id, new=True)
    socket = Socket(team.web().rtm_connect()["url"])
    assert socket.is_quiet(0.2)
    socket.close()


def test_a_silent_socket_does_not_answer_a_close(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        control.fault("silent", team=team.id)
        socket.connection.send_close()
        assert socket.is_quiet(0.2)
        control.fault("clear", team=team.id)
        control.wait_for_connections(0, team=team.id)


def test_goodbye_is_a_frame(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        control.fault("goodbye", team=team.id)
        assert socket.read() == {"type": "goodbye"}
        assert socket.ping(1)["reply_to"] == 1


def test_ratelimit_answers_429_so_many_times(team: Workspace, control: SandboxControl) -> None:
    control.fault("ratelimit", team=team.id, method="rtm.connect", count=2, retry_after=3)
    assert team.web().auth_test()["ok"]
    for _ in range(2):
        with pytest.raises(SlackApiError) as caught:
            team.web().rtm_connect()
        response = caught.value.response
        assert (response.status_code, response["error"]) == (429, "ratelimited")
        assert response.headers["Retry-After"] == "3"
    assert team.web().rtm_connect()["ok"]


def test_migrate_and_its_announcement(team: Workspace, control: SandboxControl) -> None:
    with connected(team) as socket:
        control.fault("migrate", team=team.id, announce=True)
        assert socket.read() == {"type": "team_migration_started"}
        assert socket.closing_code() == 1000
    assert error_of(team.web().rtm_connect) == "migration_in_progress"
    assert team.web().rtm_connect()["ok"]


def test_slow_delays_every_answer(team: Workspace, control: SandboxControl) -> None:
    control.fault("slow", team=team.id, seconds=0.3)
    began = time.monotonic()
    team.web().auth_test()
    assert time.monotonic() - began >= 0.3
    control.fault("clear", team=team.id)
    assert control.team(team.id)["faults"] == {}


def test_fail_answers_an_error_or_a_status(team: Workspace, control: SandboxControl) -> None:
    control.fault("fail", team=team.id, method="auth.test", error="fatal_error", count=1)
    assert control.team(team.id)["faults"]["refusals"][0]["error"] == "fatal_error"
    assert team.web().team_info()["ok"]
    assert error_of(team.web().auth_test) == "fatal_error"
    control.fault("fail", team=team.id, status=503)
    with pytest.raises(SlackApiError) as caught:
        team.web().auth_test()
    assert caught.value.response.status_code == 503
    control.fault("fail", team=team.id, status=500, error="internal_error")
    assert error_of(team.web().auth_test) == "internal_error"
    assert team.web().auth_test()["ok"]


def test_refuse_rejects_upgrades_for_a_time(team: Workspace, control: SandboxControl) -> None:
    url = team.web().rtm_connect()["url"]
    control.fault("refuse", team=team.id, seconds=60)
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Socket(url)
    assert caught.value.status_code == 503
    control.fault("clear", team=team.id)
    socket = Socket(url)
    assert socket.read() == {"type": "hello"}
    socket.close()


def test_a_fault_for_all(sandbox: SandboxProcess) -> None:
    with SandboxProcess() as own:
        one, two = (
            Workspace(team["team_id"], team["bot_token"], "", "", "", own.api_url) for team in own.teams
        )
        with connected(one) as first, connected(two) as second:
            own.control.fault("close", code=1001)
            assert (first.closing_code(), second.closing_code()) == (1001, 1001)
        own.control.wait_for_connections(0)
