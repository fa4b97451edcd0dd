"""The sandbox's chat page over HTTP: its files, its stream, and who may give orders."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.sandbox.page import POLICY

from .sandbox_fixtures import Workspace, connected
from .sandbox_fixtures import control as control
from .sandbox_fixtures import sandbox as sandbox
from .sandbox_fixtures import team as team

Event = dict[str, Any]


class Stream:
    """A page's connection, without the page."""

    def __init__(self, sandbox: SandboxProcess, team: str) -> None:
        self.connection = connection(sandbox)
        self.connection.request("GET", f"/sandbox/stream?team={team}")
        self.answer = self.connection.getresponse()

    def next(self, kind: str) -> Event:
        """The next event of a type, the page's own or Slack's; others are passed over."""
        while True:
            line = self.answer.readline()
            assert line, "the stream has ended"
            event = json.loads(line[6:]) if line.startswith(b"data: ") else {}
            event = event["event"] if event.get("type") == "slack" else event
            if event.get("type") == kind:
                return dict(event)

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def connection(sandbox: SandboxProcess) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(sandbox.url.split("/")[2], timeout=10)


def ask(
    sandbox: SandboxProcess, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = connection(sandbox)
    asked.request(method, path, body, named)
    answer = asked.getresponse()
    content = answer.read()
    asked.close()
    return answer, content


@pytest.fixture
def stream(sandbox: SandboxProcess, team: Workspace) -> Iterator[Stream]:
    opened = Stream(sandbox, team.id)
    yield opened
    opened.close()


def test_it_loads_nothing_but_its_own_files(sandbox: SandboxProcess) -> None:
    page, html = ask(sandbox, "GET", "/")
    assert page.status == 200
    assert page.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    pending, seen = set(re.findall(r'(?:src|href)="(/[^"]+)"', html.decode())), set[str]()
    assert not re.search(r"<style|<script>|\son\w+=|\sstyle=", html.decode())
    while pending:
        path = pending.pop()
        seen.add(path)
        file, content = ask(sandbox, "GET", path)
        assert (file.status, file.headers["X-Content-Type-Options"]) == (200, "nosniff"), path
        assert b"innerHTML" not in content
        pending |= {f"/page/{name}" for name in re.findall(r'from "\./([\w.]+)"', content.decode())} - seen
    assert "/page/store.js" in seen
    again, content = ask(sandbox, "GET", "/", If_None_Match=page.headers["Etag"])
    assert (again.status, content) == (304, b"")
    assert ask(sandbox, "HEAD", "/")[0].status == 200


@pytest.mark.parametrize(
    "path", ["/page/nothing.js", "/page/..", "/page/%2e%2e%2fserver.py", "/page/server.py"]
)
def test_it_gives_away_no_other_file(sandbox: SandboxProcess, path: str) -> None:
    assert ask(sandbox, "GET", path)[0].status == 404


def test_the_stream_begins_with_all_there_is(
    control: SandboxControl, team: Workspace, stream: Stream
) -> None:
    first = stream.next("sandbox_snapshot")
    assert (first["team"]["id"], first["bot"]["id"]) == (team.id, team.bot)
    assert "xoxb" not in json.dumps(first)
    assert {channel["name"] for channel in first["channels"]} == {"general", "random", "secret-plans"}
    assert [user["name"] for user in first["users"] if user["direct"]] == ["alice", "bob", "carol"]
    assert first["state"]["connections"] == 0
    control.add_teams(1)
    assert stream.next("sandbox_teams")["team_count"] == first["team_count"] + 1


def test_it_tells_what_happens(control: SandboxControl, team: Workspace, stream: Stream) -> None:
    stream.next("sandbox_snapshot")
    said = control.say("general", "Hello", team=team.id)
    assert stream.next("message")["ts"] == said["ts"]
    control.react("general", said["ts"], "tada", team=team.id)
    assert stream.next("reaction_added")["reaction"] == "tada"
    control.edit("general", said["ts"], "Hi", team=team.id)
    assert stream.next("message")["message"]["text"] == "Hi"
    control.join("zoe", team=team.id)
    assert stream.next("team_join")["user"]["name"] == "zoe"
    team.web().chat_postEphemeral(channel=team.general, user=team.alice, text="Psst")
    whisper = stream.next("sandbox_ephemeral")
    assert (whisper["text"], whisper["visible_to"]) == ("Psst", team.alice)


def test_it_tells_how_the_bot_is_doing(control: SandboxControl, team: Workspace, stream: Stream) -> None:
    with connected(team) as socket:
        assert stream.next("sandbox_connections")["connections"] == 1
        socket.send(id=1, type="typing", channel=team.general)
        assert stream.next("user_typing")["channel"] == team.general
        control.fault("silent", team=team.id)
        while stream.next("sandbox_bot")["silent"] != 1:
            pass
        control.fault("revoke", team=team.id)
        assert stream.next("sandbox_connections")["connections"] == 0
        while stream.next("sandbox_bot")["error"] != "token_revoked":
            pass
    control.fault("restore", team=team.id)
    while stream.next("sandbox_bot")["error"]:
        pass


def test_a_stream_of_no_team(sandbox: SandboxProcess) -> None:
    answer, content = ask(sandbox, "GET", "/sandbox/stream?team=nothing")
    assert (answer.status, json.loads(content)["ok"]) == (404, False)


@pytest.mark.parametrize("path", ["/sandbox/say", "/sandbox/faults/revoke", "/api/auth.revoke"])
def test_other_sites_pages_give_no_orders(sandbox: SandboxProcess, team: Workspace, path: str) -> None:
    body = json.dumps({"team": team.id, "text": "x", "token": team.token})
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
    ):
        answer, content = ask(sandbox, "POST", path, body, **headers)
        assert (answer.status, json.loads(content)["ok"]) == (403, False)
    assert team.web().auth_test()["ok"]


def test_the_own_page_gives_orders(sandbox: SandboxProcess, team: Workspace) -> None:
    own = {"Origin": sandbox.url.rstrip("/"), "Sec_Fetch_Site": "same-origin"}
    body = json.dumps({"team": team.id, "text": "Hello"})
    assert ask(sandbox, "POST", "/sandbox/say", body, **own)[0].status == 200


def test_a_stranger_with_this_address_sees_nothing(sandbox: SandboxProcess) -> None:
    for path in ("/", "/sandbox/state", "/sandbox/stream"):
        assert ask(sandbox, "GET", path, Host="evil.example")[0].status == 403


def test_it_ends_quietly_while_somebody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    with SandboxProcess() as sandbox:
        stream = Stream(sandbox, "")
        stream.next("sandbox_snapshot")
        sandbox.process.terminate()
        assert sandbox.process.wait(5) == 0
        sandbox._stderr.seek(0)
        assert sandbox._stderr.read() == ""
        stream.close()
