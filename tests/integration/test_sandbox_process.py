"""The sandbox as a process: how it starts, what it remembers, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
import websocket
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bench.slack import make_certificate
from botfleet.sandbox import SandboxControl, SandboxError, SandboxProcess

from .sandbox_fixtures import Socket, Workspace, connected, workspace

ROOT = Path(__file__).resolve().parents[2]


def first_team(sandbox: SandboxProcess) -> Workspace:
    team = sandbox.teams[0]
    return Workspace(team["team_id"], team["bot_token"], "", "", "", sandbox.api_url)


def test_it_says_where_it_listens(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with SandboxProcess(["--teams", "3", "--ready-file", str(ready)]) as sandbox:
        written = json.loads(ready.read_text())
        assert written == {"url": sandbox.url, "api_url": sandbox.api_url, "teams": sandbox.teams}
        assert [team["name"] for team in sandbox.teams] == ["Acme Inc", "Globex", "Initech"]
        assert sandbox.teams[0]["bot_token"] == "xoxb-sandbox-T00000001"
        assert os.listdir(tmp_path) == ["ready.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second(number: signal.Signals) -> None:
    with SandboxProcess() as sandbox, connected(first_team(sandbox)) as open_socket:
        began = time.monotonic()
        sandbox.process.send_signal(number)
        assert open_socket.closing_code() == 1001
        assert sandbox.process.wait(5) == 0
        assert time.monotonic() - began < 1


def test_it_ends_quietly_while_a_flood_runs(capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "botfleet.sandbox"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        control = SandboxControl(json.loads(child.stdout.readline())["url"])
        control.flood(1_000_000)
        child.terminate()
        assert child.wait(5) == 0
        assert child.stderr.read() == ""


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError) as caught:
            SandboxProcess(["--port", str(port)])
    assert str(caught.value) == f"botfleet sandbox: port {port} on 127.0.0.1 is in use"


def test_a_bad_state_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{")
    with pytest.raises(SandboxError, match=r"^botfleet sandbox: the state file .* can't be read: .*$"):
        SandboxProcess(["--state", str(path)])


def test_the_state_file_keeps_teams_tokens_and_members(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    arguments = ["--state", str(path)]
    with SandboxProcess(arguments) as sandbox:
        team = sandbox.control.add_team("Pied Piper")
        dead = sandbox.control.install(team["team_id"])
        alive = sandbox.control.install(team["team_id"])
        user = sandbox.control.join("dinesh", team=team["team_id"])
        WebClient(dead, base_url=sandbox.api_url).auth_revoke()
        before = sandbox.control.state()["teams"]
    with SandboxProcess(arguments) as sandbox:
        after = sandbox.control.state()["teams"]
        assert [one["tokens"] for one in before] == [one["tokens"] for one in after]
        web = WebClient(alive, base_url=sandbox.api_url)
        assert web.auth_test()["team"] == "Pied Piper"
        assert web.users_info(user=user["user"])["user"]["name"] == "dinesh"
        with pytest.raises(SlackApiError, match="token_revoked"):
            WebClient(dead, base_url=sandbox.api_url).auth_test()


def test_a_url_that_is_too_old_is_refused() -> None:
    with SandboxProcess(["--url-lifetime", "0"]) as sandbox:
        late = Socket(first_team(sandbox).web().rtm_connect()["url"])
        assert late.read() == {"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}}
        late.close()


def test_limits_are_slacks_where_asked() -> None:
    with SandboxProcess(["--limits"]) as sandbox:
        team = workspace(sandbox)
        web = team.web()
        with connected(team) as open_socket:
            web.rtm_connect()
            web.rtm_connect()
            with pytest.raises(SlackApiError) as caught:
                web.rtm_connect()
            assert caught.value.response.status_code == 429
            assert 50 < int(caught.value.response.headers["Retry-After"]) <= 60
            assert first_team(sandbox).web().rtm_connect()["ok"]
            for number in range(1, 41):
                open_socket.send(id=number, type="message", channel=team.general, text="x")
            answers = [open_socket.read() for _ in range(12)]
            slow_down = next(answer for answer in answers if not answer["ok"])
            assert slow_down["error"] == {"code": -1, "msg": "slow down, too many messages..."}
            assert open_socket.closing_code() is None
        for _ in range(5):
            web.chat_postMessage(channel=team.general, text="x")
        with pytest.raises(SlackApiError, match="ratelimited"):
            web.chat_postMessage(channel=team.general, text="x")
        assert web.chat_postMessage(channel="#random", text="x")["ok"]


def test_with_a_certificate_it_speaks_https_and_wss(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certificate))
    arguments = ["--cert", str(certificate), "--key", str(tmp_path / "bench.key")]
    with SandboxProcess(arguments, context=context) as sandbox:
        assert sandbox.url.startswith("https://")
        control = sandbox.control
        web = WebClient(sandbox.teams[0]["bot_token"], base_url=sandbox.api_url, ssl=context)
        url = web.rtm_connect()["url"]
        assert url.startswith("wss://")
        connection = websocket.create_connection(url, timeout=5, sslopt={"context": context})
        assert json.loads(connection.recv()) == {"type": "hello"}
        control.say("general", "over TLS")
        assert json.loads(connection.recv())["text"] == "over TLS"
        control.fault("drop", team=sandbox.teams[0]["team_id"])
        with pytest.raises((OSError, websocket.WebSocketConnectionClosedException)):
            connection.recv()
        connection.shutdown()


def test_a_bad_certificate_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"^botfleet sandbox: the certificate .* can't be used: .*$"):
        SandboxProcess(["--cert", str(tmp_path / "none.pem")])


PARENT = """
import os, threading
from botfleet.sandbox import SandboxProcess
made = []
thread = threading.Thread(target=lambda: made.append(SandboxProcess()))
thread.start(); thread.join()
print(made[0].control.state()["url"], flush=True)
input()
os._exit(0)
"""


def listens(control: SandboxControl) -> bool:
    try:
        return bool(control.counts()["ok"])
    except SandboxError:
        return False


def test_it_ends_with_its_parent_but_not_with_the_thread_that_started_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with parent:
        assert parent.stdout is not None
        control = SandboxControl(parent.stdout.readline().strip())
        assert control.state()["ok"]
        parent.communicate("\n", timeout=10)
    deadline = time.monotonic() + 5
    while listens(control):
        assert time.monotonic() < deadline


def test_tokens_and_texts_are_not_logged() -> None:
    command = [sys.executable, "-m", "botfleet.sandbox", "--log-level", "debug"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline())
        token = ready["teams"][0]["bot_token"]
        control = SandboxControl(ready["url"])
        WebClient(base_url=ready["api_url"]).api_call("auth.test", http_verb="GET", params={"token": token})
        control.say("general", "a secret text")
        child.terminate()
        _, logged = child.communicate(timeout=10)
    assert "/api/auth.test" in logged
    assert token not in logged
    assert "a secret text" not in logged
