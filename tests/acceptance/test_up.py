"""`botfleet up`: everything at once, in a user's copy of the repository's folder."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from botfleet.sandbox import SandboxControl, SandboxProcess

from ..waiting import eventually
from .fleet import CHECK_INTERVAL, Folder, Process, free_port, free_ports, processes, running_in

SECONDS_TO_END = 10.0
READY = "Ctrl-C ends"


class Upped(Folder):
    """A folder in which `botfleet up` is run."""

    def __init__(self, path: Path, **settings: object) -> None:
        super().__init__(path, **{"check_interval": CHECK_INTERVAL, "lease_ttl": 2, **settings})
        self.copy("tasks", "workers", "celeryconfig.py")

    def up(self, *arguments: str, ready: bool = True) -> Process:
        process = self.start("up", "botfleet", "up", *arguments)
        if ready:
            process.says(READY, 60.0)
        return process

    def end(self, process: Process) -> None:
        """Ctrl-C; nothing stays behind."""
        process.interrupt()
        assert process.wait(SECONDS_TO_END) == 0
        assert running_in(self.path) == []

    @property
    def running(self) -> dict[str, Any]:
        """What `up` says of itself to other programs."""
        found: dict[str, Any] = json.loads((self.path / ".botfleet/running.json").read_text())
        return found

    def close(self) -> None:
        super().close()
        for one in running_in(self.path):
            os.kill(int(one.split()[0]), signal.SIGKILL)


MakeFolder = Callable[..., Upped]


@pytest.fixture
def make_folder(tmp_path: Path) -> Iterator[MakeFolder]:
    with ExitStack() as stack:
        made: list[Upped] = []

        def make(**settings: object) -> Upped:
            made.append(stack.enter_context(Upped(tmp_path / f"copy{len(made)}", **settings)))
            return made[-1]

        make.made = made  # type: ignore[attr-defined]  # for the report of a failed test
        yield make


def conversation(output: str) -> list[tuple[str, str]]:
    """Who said what, without the time that it took; lines after the first of a text have no speaker."""
    lines = output.partition("#general:")[2].partition("Now you")[0].strip("\n").splitlines()
    found = [re.split(r"\s{2,}", line.strip()) for line in lines if line.strip()]
    return [(parts[0], parts[1] if len(parts) > 1 else "") for parts in found]


def address(output: str, name: str) -> str:
    [found] = re.findall(rf"^\s*{name}\s.*?(http://\S+)", output, re.MULTILINE)
    return str(found)


def test_a_newcomers_first_minutes(make_folder: MakeFolder) -> None:
    folder = make_folder()
    up = folder.up()
    said = conversation(up.output)
    texts = [text for _, text in said]
    assert ("alice", "@botfleet hi") in said
    assert re.match(r"Hi <@U\w+>!", texts[texts.index("@botfleet hi") + 1])
    assert said[texts.index("@botfleet ping") + 1] == ("botfleet", "pong")
    assert said[texts.index("@botfleet define holder") + 1][1].startswith("*holder*: ")
    assert said[texts.index("help") + 1][0] == "botfleet"
    assert any("`ping`: Says pong" in part for line in said for part in line)
    assert any("dave joins the team" in part for line in said for part in line)
    assert texts[-1].startswith("Welcome!")

    # What it says next works.
    status = folder.json("status")
    assert status["statuses"] == {"connected": 2}
    assert "pong" in folder.botfleet("sandbox", "say", "general", "@botfleet ping")
    joined = folder.botfleet("sandbox", "join", "--name", "zoe")
    assert "zoe" in joined
    with urllib.request.urlopen(address(up.output, "Flower"), timeout=10) as page:
        assert page.status == 200
    flower = address(up.output, "Flower")

    def workers() -> set[str]:
        with urllib.request.urlopen(f"{flower}workers?json=1", timeout=10) as answer:
            return {worker["hostname"].split("@")[0] for worker in json.load(answer)["data"]}

    eventually(lambda: workers() == {"holder", "handler"}, 15.0, 0.2)
    key = folder.path / ".botfleet/secret.key"
    assert key.stat().st_mode & 0o777 == 0o600

    # What is added stays, over a Ctrl-C and a second run.
    token = folder.botfleet("sandbox", "teams", "1").strip()
    folder.botfleet("teams", "add", token)
    by_http = folder.botfleet("sandbox", "teams", "1").strip()
    folder.botfleet("teams", "add", "--transport", "http", by_http)
    eventually(lambda: folder.json("status")["statuses"] == {"connected": 4}, 10.0, 0.1)
    folder.end(up)
    again = folder.up("--no-flower", "--no-web")
    assert "pong" in [text for _, text in conversation(again.output)]
    assert folder.json("status")["statuses"] == {"connected": 4}
    assert re.search(r"Flower\s+off", again.output)
    assert not any("flower" in one for one in running_in(folder.path))
    folder.end(again)
    assert not (folder.path / ".botfleet/running.json").exists()


def test_a_run_after_a_crash(make_folder: MakeFolder) -> None:
    folder = make_folder()
    up = folder.up("--no-flower", "--no-web")
    children = {int(one.split()[0]) for one in running_in(folder.path)} - {up.pid}
    assert len(children) >= 4
    up.send(signal.SIGKILL)
    assert up.wait() == -signal.SIGKILL
    again = folder.up("--no-flower", "--no-web")
    assert "pong" in [text for _, text in conversation(again.output)]
    assert folder.json("status")["statuses"] == {"connected": 2}
    # Nothing of the first run is left, whoever ended it.
    assert not children & {one.pid for one in processes()}
    folder.end(again)


def test_a_child_that_dies_is_started_again(make_folder: MakeFolder) -> None:
    folder = make_folder()
    up = folder.up("--no-flower", "--no-web")
    [holder] = folder.json("holders")
    os.kill(holder["pid"], signal.SIGKILL)
    up.says("holder ended with status -9 and was started again")

    def is_back() -> bool:
        alive = {one["pid"] for one in folder.json("holders")}
        return bool(alive - {holder["pid"]}) and folder.json("status")["statuses"] == {"connected": 2}

    eventually(is_back, 20.0, 0.2)
    assert "pong" in folder.botfleet("sandbox", "say", "general", "@botfleet ping")
    folder.end(up)


def test_a_server_that_dies_is_started_again(make_folder: MakeFolder) -> None:
    folder = make_folder()
    up = folder.up("--no-flower", "--no-web")
    known = [bot["team_id"] for bot in folder.json("status", "--json")["bots"]]
    pid = int((folder.path / ".botfleet/sandbox/valkey/valkey.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    up.says("The server for Celery ended and was started again", 20.0)
    assert [bot["team_id"] for bot in folder.json("status", "--json")["bots"]] == known
    control = SandboxControl(address(up.output, "Chat"))
    control.say("general", "@botfleet ping")
    assert control.wait_for_message("pong", timeout=20.0)
    up.interrupt()
    assert up.wait(SECONDS_TO_END) == 0


def test_a_team_that_was_removed_stays_away(make_folder: MakeFolder) -> None:
    folder = make_folder()
    up = folder.up("--no-flower", "--no-web")
    gone, left = sorted(bot["team_id"] for bot in folder.json("status", "--json")["bots"])
    folder.botfleet("teams", "remove", gone)
    up.interrupt()
    assert up.wait(SECONDS_TO_END) == 0
    again = folder.up("--no-flower", "--no-web", ready=False)
    again.says("there is no conversation", 60.0)
    assert [bot["team_id"] for bot in folder.json("status", "--json")["bots"]] == [left]
    again.interrupt()
    assert again.wait(SECONDS_TO_END) == 0


def test_two_at_once_in_one_folder(make_folder: MakeFolder) -> None:
    folder = make_folder()
    ups = [folder.up("--no-flower", ready=False) for _ in range(2)]
    for up in ups:
        up.says(READY, 60.0)
        assert "pong" in [text for _, text in conversation(up.output)]
    assert address(ups[0].output, "Chat") != address(ups[1].output, "Chat")
    ups[0].interrupt()
    assert ups[0].wait(SECONDS_TO_END) == 0
    # The other is untouched.
    control = SandboxControl(address(ups[1].output, "Chat"))
    control.say("general", "@botfleet ping")
    assert control.wait_for_message("pong")
    ups[1].interrupt()
    assert ups[1].wait(SECONDS_TO_END) == 0
    assert running_in(folder.path) == []


def test_an_interrupt_while_it_starts(make_folder: MakeFolder) -> None:
    folder = make_folder()
    up = folder.up(ready=False)
    eventually(lambda: len(running_in(folder.path)) >= 4, 20.0)
    folder.end(up)


def test_a_port_that_is_taken(make_folder: MakeFolder) -> None:
    folder = make_folder()
    with SandboxProcess() as other:
        port = other.url.rstrip("/").rpartition(":")[2]
        said = folder.botfleet("up", "--port", port, expect=1)
    assert said.strip().splitlines()[-1].startswith("Error: --port")
    assert port in said
    assert running_in(folder.path) == []


@pytest.mark.parametrize("port", ["0", "65535", "http"])
def test_a_port_that_is_none(make_folder: MakeFolder, port: str) -> None:
    assert "--port" in make_folder().botfleet("up", "--port", port, expect=2)


# With a token: no sandbox of its own


@pytest.fixture
def slack() -> Iterator[SandboxProcess]:
    """Stands for the real Slack."""
    with SandboxProcess() as sandbox:
        yield sandbox


def test_with_a_token(make_folder: MakeFolder, slack: SandboxProcess) -> None:
    folder = make_folder(slack_api_url=slack.api_url)
    team = slack.teams[0]
    up = folder.up("--no-flower", "--token", team["bot_token"])
    assert slack.control.connections(team["team_id"]) == 1
    slack.control.say("general", "@botfleet ping", team=team["team_id"])
    assert slack.control.wait_for_message("pong", team=team["team_id"])
    assert "#general" not in up.output
    assert not any("sandbox" in one for one in running_in(folder.path) if "valkey" not in one)
    assert team["bot_token"] not in up.output
    folder.end(up)
    assert slack.control.connections() == 0


def test_with_a_token_from_the_environment(make_folder: MakeFolder, slack: SandboxProcess) -> None:
    folder = make_folder(slack_api_url=slack.api_url)
    folder.environment["TOKEN"] = slack.teams[1]["bot_token"]
    up = folder.up("--no-flower", "--no-web")
    assert slack.control.connections(slack.teams[1]["team_id"]) == 1
    # The list of processes shows no token, nor does any process that `up` started get it handed down.
    for one in processes():
        assert slack.teams[1]["bot_token"] not in one.command
    # Another way to end it.
    assert up.stop(signal.SIGTERM, SECONDS_TO_END) == 0
    assert running_in(folder.path) == []


@pytest.mark.parametrize(
    ("token", "reason"), [("xoxb-sandbox-none", "invalid_auth"), ("junk:token", "xoxb-")]
)
def test_with_a_bad_token(make_folder: MakeFolder, slack: SandboxProcess, token: str, reason: str) -> None:
    folder = make_folder(slack_api_url=slack.api_url)
    said = folder.botfleet("up", "--no-flower", "--no-web", "--token", token, expect=1)
    last = said.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert reason in last
    assert token not in said
    assert running_in(folder.path) == []


def test_with_a_slack_that_is_away(make_folder: MakeFolder) -> None:
    folder = make_folder(slack_api_url=f"http://127.0.0.1:{free_port()}/api/")
    said = folder.botfleet("up", "--no-flower", "--no-web", "--token", "xoxb-sandbox-1", expect=1)
    assert "unreachable" in said.strip().splitlines()[-1]
    assert running_in(folder.path) == []


# What can be wrong


def test_a_handler_that_cannot_be_loaded(make_folder: MakeFolder) -> None:
    folder = make_folder()
    folder.write("tasks/broken.py", "import no_such_library\n")
    said = folder.botfleet("up", "--no-flower", "--no-web", expect=1, timeout=60.0)
    assert "no_such_library" in said
    assert running_in(folder.path) == []


def test_a_setting_that_is_wrong(make_folder: MakeFolder) -> None:
    folder = make_folder(shards="many")
    said = folder.botfleet("up", expect=1)
    assert said.strip().splitlines() == [
        "Error: BOTFLEET_SHARDS is 'many': takes a whole number of shards from 1 to 1048576"
    ]
    assert running_in(folder.path) == []


def test_a_port_and_a_password_of_ones_own(make_folder: MakeFolder) -> None:
    folder = make_folder(flower_basic_auth="admin:let me in")
    port = free_ports(3)
    up = folder.up("--port", str(port))
    assert address(up.output, "Chat") == f"http://127.0.0.1:{port}/"
    flower = address(up.output, "Flower")
    assert flower == f"http://127.0.0.1:{port + 1}/"
    assert address(up.output, "Dashboard") == f"http://127.0.0.1:{port + 2}/dashboard"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(flower, timeout=10)
    secret = base64.b64encode(b"admin:let me in").decode()
    request = urllib.request.Request(flower, headers={"Authorization": f"Basic {secret}"})
    with urllib.request.urlopen(request, timeout=10) as page:
        assert page.status == 200
    shown = subprocess.run(["ps", "-A", "-o", "command="], capture_output=True, text=True, check=True).stdout
    assert "let me in" not in shown
    folder.end(up)
