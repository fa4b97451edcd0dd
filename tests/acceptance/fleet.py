"""A whole fleet of real processes in a folder of its own, as a user would start it."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from botfleet.embedded import EmbeddedServer
from botfleet.fleet import BotReport, Fleet
from botfleet.model import HolderInfo
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.secrets import Seal
from botfleet.settings import Settings

from ..waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
#: Where the environment's commands are.
COMMANDS = Path(sys.executable).parent
CHECK_INTERVAL = 0.5
#: Appends what happened to a file, for the test to read; a line each.
RECORDING = """
import json, os
from botfleet import Client, Event, command, on


def record(**fields):
    line = os.open("recorded.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(line, json.dumps(fields).encode() + b"\\n")
    os.close(line)
"""


class Workspace(NamedTuple):
    """A team of the sandbox that only one test knows."""

    id: str
    token: str
    bot: str
    general: str


class Process:
    """One command that runs in a session of its own; its output goes to a file.

    Args:
        name: its log's name.
        command, cwd, environment: what is run, and where.
        log: what it says goes there.
    """

    def __init__(
        self, name: str, command: Sequence[str], cwd: Path, environment: dict[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell starts what it runs in the background with these two ignored, and that is inherited.
                preexec_fn=_heed_signals,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def says(self, text: str, timeout: float = 15.0) -> None:
        """Waits until the log holds a text."""

        def said() -> bool:
            ended = not self.running
            found = text in self.output
            if ended and not found:
                pytest.fail(f"{self.name} has ended:\n{self.output}")
            return found

        eventually(said, timeout)

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal does it: to the whole group."""
        os.killpg(self.pid, signal.SIGINT)

    def wait(self, timeout: float = 10.0) -> int:
        """Waits for the end of it and of all that it started; gives the exit status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            # A worker then logs what each of its threads is doing.
            self.send(signal.SIGUSR1)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            raise AssertionError(f"{self.name} runs on after {timeout:g} s:\n{self.output}") from None
        eventually(lambda: not self._members(), 1.0 if status >= 0 else 5.0)
        return status

    def stop(self, number: int = signal.SIGTERM, timeout: float = 10.0) -> int:
        """Ends it by a signal; gives the exit status."""
        self.send(number)
        return self.wait(timeout)

    def kill(self) -> None:
        """Kills it with all that it started, as the end of a test."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _members(self) -> list[str]:
        return [one.command for one in processes() if one.group == self.pid]


class Seen(NamedTuple):
    """A process that runs, as `ps` shows it."""

    pid: int
    group: int
    command: str


def processes() -> list[Seen]:
    """All processes but zombies."""
    shown = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat=,command="], capture_output=True, text=True, check=True
    ).stdout
    lines = (line.split(None, 3) for line in shown.splitlines())
    return [
        Seen(int(line[0]), int(line[1]), line[3])
        for line in lines
        if len(line) == 4 and not line[2].startswith("Z")
    ]


def running_in(folder: Path) -> list[str]:
    """The processes whose working directory or command line lies in a folder."""
    found = []
    for one in processes():
        cwd = ""
        with suppress(OSError):
            cwd = os.readlink(f"/proc/{one.pid}/cwd")
        if cwd.startswith(str(folder)) or str(folder) in one.command:
            found.append(f"{one.pid} {one.command}")
    return found


def clean_environment(**names: str) -> dict[str, str]:
    """This process's environment without what would change a fleet, and with some names set."""
    ours = ("BOTFLEET_", "CELERY_", "FLOWER_", "SLACK_", "TOKEN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept["PATH"] = f"{COMMANDS}{os.pathsep}{kept.get('PATH', '')}"
    kept["C_FORCE_ROOT"] = kept["PYTHONUNBUFFERED"] = "1"
    # Flower and the sandbox are on this machine.
    kept["no_proxy"] = "127.0.0.1,localhost"
    return kept | names


def free_ports(count: int) -> int:
    """The first of so many free ports in a row, below those that the system gives to clients."""
    while True:
        first = random.randrange(20_000, 30_000)
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def free_port() -> int:
    return free_ports(1)


class Folder:
    """A user's working folder: commands run in it.

    Args:
        path: made where it is missing.
        settings: environment variables by name, e.g. `check_interval=1`.
    """

    def __init__(self, path: Path, **settings: object) -> None:
        self.path = path
        self.logs = path / "test-logs"
        self.logs.mkdir(parents=True)
        self.environment = clean_environment()
        self.configure(**settings)
        self.started: list[Process] = []

    def configure(self, **settings: object) -> None:
        """Sets botfleet's settings in the environment."""
        self.environment |= {f"BOTFLEET_{name.upper()}": str(value) for name, value in settings.items()}

    def write(self, name: str, text: str) -> None:
        """Writes a file of the user's."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.parent != self.path:
            (file.parent / "__init__.py").touch()
        file.write_text(text)

    def copy(self, *names: str) -> None:
        """Copies files and folders of the repository."""
        for name in names:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, self.path / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, self.path / name)

    def recorded(self) -> list[dict[str, Any]]:
        """What handlers wrote by `RECORDING`."""
        file = self.path / "recorded.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def run(
        self, *command: str, text: str | None = None, timeout: float = 30.0, **settings: object
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        environment = self.environment | {
            f"BOTFLEET_{name.upper()}": str(value) for name, value in settings.items()
        }
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        # No traceback reaches a user.
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def botfleet(self, *arguments: str, expect: int = 0, **options: Any) -> str:
        """Runs `botfleet …`; gives what it printed."""
        done = self.run("botfleet", *arguments, **options)
        assert done.returncode == expect, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, expect: int = 0, **options: Any) -> Any:
        """Runs `botfleet … --json`; gives what it printed."""
        done = self.run("botfleet", *arguments, "--json", **options)
        assert done.returncode == expect, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def python(self, script: str, *arguments: str) -> Any:
        """Runs a program of the user's; gives the JSON that it printed."""
        done = self.run(sys.executable, "-c", script, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, name: str, *command: str) -> Process:
        """Starts a command that goes on running; its log gets the name."""
        log = self.logs / f"{name}.{len(self.started)}.log"
        process = Process(name, command, self.path, self.environment, log)
        self.started.append(process)
        return process

    def close(self) -> None:
        """Kills what still runs."""
        for process in self.started:
            process.kill()

    def shown_logs(self) -> list[tuple[str, str]]:
        """The ends of the logs, for the report of a test that failed."""
        return [(process.log.name, process.output[-6000:]) for process in self.started]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class RunningFleet(Folder):
    """A folder with a server and a sandbox of its own, and with the processes of a fleet.

    Args:
        path: the working folder.
        teams: of the sandbox, at first.
        settings: botfleet's, by name.
    """

    def __init__(self, path: Path, teams: int = 1, **settings: object) -> None:
        super().__init__(path)
        # Tests kill it, on disks that others keep busy.
        self.server = EmbeddedServer(path / "server", fsync="no")
        self.server.start()
        self._sandbox_options = ["--teams", str(teams), "--state", str(path / "slack.json")]
        self.sandbox = SandboxProcess(self._sandbox_options)
        self.configure(
            **{
                "broker_url": self.server.url,
                "slack_api_url": self.sandbox.api_url,
                "secret_keys": Seal.new_key(),
                "check_interval": CHECK_INTERVAL,
                "lease_ttl": 3,
                "ping_interval": 1,
                "connect_rate": 0,
                "retry_base": 0.1,
                "retry_cap": 1,
                **settings,
            }
        )
        self.fleet = Fleet(Settings.load({}, self.environment))

    @property
    def control(self) -> SandboxControl:
        return self.sandbox.control

    @property
    def url(self) -> str:
        """The broker's."""
        return self.server.url

    def workspace(self) -> Workspace:
        """Creates a team."""
        made = self.control.add_teams(1)[0]
        return self.workspace_of(made["team_id"], made["bot_token"])

    def workspace_of(self, team_id: str, token: str) -> Workspace:
        shown = self.control.team(team_id)
        channels = {channel["name"]: channel["id"] for channel in shown["channels"]}
        return Workspace(team_id, token, shown["bot_user_id"], channels["general"])

    # Processes

    def worker(self, role: str | None = None, *arguments: str, name: str = "") -> Process:
        """Starts a worker; without a role, one that holds and handles."""
        chosen = ["--role", role] if role else []
        command = ("celery", "-A", "botfleet", "worker", *chosen, *arguments)
        return self.start(name or role or "worker", *command)

    def holder(self, *arguments: str) -> Process:
        return self.worker("holder", *arguments)

    def handler(self, *arguments: str) -> Process:
        return self.worker("handler", *arguments)

    def beat(self) -> Process:
        return self.start("beat", "celery", "-A", "botfleet", "beat", "--pidfile=")

    def flower(self, port: int) -> Process:
        return self.start("flower", "celery", "-A", "botfleet", "flower", f"--port={port}")

    def wait_until_ready(self, process: Process) -> HolderInfo:
        """Waits until a holder's process owns the bots, and knows what the handlers want."""
        return eventually(lambda: self._owner(process), 20.0, 0.05)

    def _owner(self, process: Process) -> HolderInfo | None:
        if not process.running:
            pytest.fail(f"{process.name} has ended:\n{process.output}")
        version = self.fleet.store.subscriptions_version()
        owners = (one for one in self.fleet.store.holders() if one.pid == process.pid and not one.standby)
        return next((one for one in owners if one.subscriptions == version > 0), None)

    # Bots

    def add(self, *tokens: str) -> None:
        """Adds bots, here and now."""
        for token in tokens:
            result = self.fleet.add_token(token)
            assert result.ok, result

    def add_workspace(self) -> Workspace:
        """Creates a team and connects its bot."""
        team = self.workspace()
        self.add(team.token)
        self.wait_until_connected(team)
        return team

    def wait_until_connected(self, *teams: Workspace, timeout: float = 10.0) -> None:
        """Waits until the teams' bots have one socket each, and their statuses say so."""
        for team in teams:
            self.control.wait_for_connections(1, team=team.id, timeout=timeout)
        self.wait_for_status("connected", *(team.id for team in teams), timeout=timeout)

    def report(self) -> dict[str, BotReport]:
        """All bots by team."""
        return {bot.team_id: bot for bot in self.fleet.report()}

    def wait_for_status(self, status: str, *team_ids: str, timeout: float = 10.0) -> None:
        """Waits until the bots of these teams are in a state."""

        def reached() -> bool:
            report = self.report()
            found = {team_id: report[team_id].status for team_id in team_ids if team_id in report}
            assert found == dict.fromkeys(team_ids, status), found
            return True

        eventually(reached, timeout, 0.05)

    def ask(self, team: Workspace, text: str, answer: str, timeout: float = 10.0) -> None:
        """Says something in a team, and waits for the bot's answer."""
        self.control.say("general", text, team=team.id)
        self.control.wait_for_message(answer, team=team.id, timeout=timeout)

    def answers(self, team: Workspace, timeout: float = 10.0) -> None:
        """The reference bot is at work in this team."""
        self.ask(team, f"<@{team.bot}> ping", "pong", timeout)

    def wait_for_rounds(self, count: int = 3) -> None:
        """Waits until reconciliation was done a number of times from now on."""
        before = self._rounds()
        eventually(lambda: self._rounds() >= before + count, 10.0 + count * CHECK_INTERVAL, 0.05)

    def _rounds(self) -> int:
        done = re.compile(r"Task botfleet\.reconcile\[[^]]*\] succeeded")
        return sum(len(done.findall(process.output)) for process in self.started)

    # The surroundings

    def calls_of(self, method: str, team: Workspace) -> int:
        """How often the bot of a team called a method."""
        return len(self.control.calls(team=team.id, method=method))

    def restart_sandbox(self) -> None:
        """Ends the sandbox and starts it again at the same place, with the same teams."""
        port = self.sandbox.url.rstrip("/").rpartition(":")[2]
        self.sandbox.stop()
        self.sandbox = SandboxProcess([*self._sandbox_options, "--port", port])

    def kill_server(self) -> None:
        """Kills the broker."""
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()

    def close(self) -> None:
        super().close()
        self.fleet.store.close()
        self.sandbox.stop()
        self.server.stop()


def keys_and_values(client: Any) -> Iterator[tuple[str, str]]:
    """Everything that there is in a server, as text."""
    readers = {
        "string": lambda key: [client.get(key)],
        "list": lambda key: client.lrange(key, 0, -1),
        "hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
        "stream": lambda key: [str(client.xrange(key))],
    }
    for key in client.scan_iter():
        for value in readers[client.type(key)](key):
            yield key, str(value)


def _heed_signals() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
