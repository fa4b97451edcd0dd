"""docker-compose.yml and the Dockerfile: what they say, and each service's command run for real.

There is no Docker here: the test reads both files as Docker does, and runs the commands in a copy of the
image's working directory against a Valkey and a sandbox of its own.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from botfleet.embedded import valkey_binary
from botfleet.errors import StoreError
from botfleet.sandbox import SandboxProcess
from botfleet.secrets import Seal
from botfleet.settings import Settings
from botfleet.store.redis import RedisStore

from ..waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
#: Services that run the image.
ROLES = ("holder", "handler", "beat", "web", "flower")
PASSWORD = "admin:one two:three"  # a password may hold what a careless substitution breaks
DOCKERS_GRACE = 10.0

Service = dict[str, Any]


# The files, read as Docker reads them


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Compose's `${NAME}`, `${NAME:-default}` and `${NAME:?reason}`."""

    def value(found: re.Match[str]) -> str:
        name, how, rest = found.groups()
        if values.get(name):
            return values[name]
        if how == ":?":
            raise LookupError(f"{name} {rest}")
        return rest if how == ":-" else ""

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def services() -> dict[str, Service]:
    """The services as they are written."""
    found: dict[str, Service] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, with lines that go on joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", "").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def instruction(name: str) -> str:
    """The last instruction of a kind, which is the one that counts."""
    return [rest for word, rest in instructions() if word == name][-1]


def image_environment() -> dict[str, str]:
    """What the image's ENV instructions set."""
    pairs = [pair for word, rest in instructions() if word == "ENV" for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


def dotenv(path: Path) -> dict[str, str]:
    """An environment file's variables."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def seconds(span: str) -> float:
    """Compose's `90s`."""
    return float(span.removesuffix("s"))


# What they say


def test_the_services_are_the_roles_and_redis() -> None:
    assert set(services()) == {"redis", *ROLES}


def test_redis_throws_nothing_away_and_keeps_its_data() -> None:
    redis = services()["redis"]
    options = dict(zip(redis["command"][1::2], redis["command"][2::2], strict=True))
    assert options == {"--appendonly": "yes", "--maxmemory-policy": "noeviction"}
    assert redis["volumes"] == ["redis:/data"]
    assert "ping" in redis["healthcheck"]["test"][1]
    assert "ports" not in redis


@pytest.mark.parametrize("name", ROLES)
def test_a_role_runs_the_image_with_an_exec_form_command(name: str) -> None:
    service = services()[name]
    assert service["image"] == "botfleet"
    assert isinstance(service["command"], list)
    assert service["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert service["env_file"] == ".env"
    assert service["environment"]["BOTFLEET_BROKER_URL"] == "redis://redis:6379/0"


def test_workers_get_the_time_to_end_warmly() -> None:
    for name in ("holder", "handler"):
        assert seconds(services()[name]["stop_grace_period"]) == 90


def test_only_who_opens_tokens_has_the_keys() -> None:
    keys = {name: services()[name]["environment"]["BOTFLEET_SECRET_KEYS"] for name in ROLES}
    assert keys["beat"] == keys["flower"] == ""
    needed = "${BOTFLEET_SECRET_KEYS:?is missing in .env, see .env.example}"
    assert keys["holder"] == keys["handler"] == keys["web"] == needed


def test_nothing_is_reached_from_other_machines() -> None:
    ports = [port for service in services().values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8080:8080", "127.0.0.1:5555:5555"]


def test_the_image_runs_as_nobody_special_without_development_tools() -> None:
    assert instruction("FROM") == "python:3.13-slim"
    assert instruction("USER") not in ("root", "0")
    assert json.loads(instruction("ENTRYPOINT")) == ["celery", "-A", "botfleet"]
    assert json.loads(instruction("CMD")) == ["worker"]
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert installs == ["pip install '/tmp/botfleet[web]' && rm -r /tmp/botfleet"]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    sources = [source for word, rest in instructions() if word == "COPY" for source in rest.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(sources) == allowed
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_example_of_an_environment_has_only_settings_and_no_secrets() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = dict(line.lstrip("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line))
    Settings.load({}, named)
    for name, value in dotenv(ROOT / ".env.example").items():
        assert "PLACEHOLDER" in value, name


def test_compose_names_what_is_missing() -> None:
    holder, flower = services()["holder"]["environment"], services()["flower"]["environment"]
    with pytest.raises(LookupError, match=r"^BOTFLEET_SECRET_KEYS is missing in \.env, see \.env\.example$"):
        substitute(holder["BOTFLEET_SECRET_KEYS"], {})
    with pytest.raises(LookupError, match=r"^BOTFLEET_FLOWER_BASIC_AUTH is missing in \.env"):
        substitute(flower["BOTFLEET_FLOWER_BASIC_AUTH"], {})


# What they do


class Stack:
    """The services as processes of this machine.

    Attributes:
        folder: a copy of the image's working directory.
        redis_url: stands for `redis://redis:6379/0`.
        env_file: what is in `.env`.
        sandbox: stands for Slack.
    """

    def __init__(self, folder: Path, redis_port: int, sandbox: SandboxProcess) -> None:
        self.folder = folder
        self.redis_url = f"redis://127.0.0.1:{redis_port}/0"
        self.sandbox = sandbox
        self.env_file = {
            "BOTFLEET_SECRET_KEYS": Seal.new_key(),
            "BOTFLEET_FLOWER_BASIC_AUTH": PASSWORD,
            "BOTFLEET_CHECK_INTERVAL": "1",
            "BOTFLEET_SLACK_API_URL": sandbox.api_url,
        }
        self.flower_port = free_port()
        # On one machine no two of them can have the same, and in containers they do.
        self.health_ports = {name: free_port() for name in ("holder", "handler")}
        self.running: list[subprocess.Popen[str]] = []
        self._copy_deployment()

    def environment(self, name: str) -> dict[str, str]:
        """What a service's processes find in their environment."""
        written: dict[str, str] = services()[name]["environment"]
        given = {key: substitute(value, self.env_file) for key, value in written.items()}
        given["BOTFLEET_BROKER_URL"] = self.redis_url
        if name in self.health_ports:
            assert given["BOTFLEET_HEALTH_PORT"] in services()[name]["healthcheck"]["test"][3]
            given["BOTFLEET_HEALTH_PORT"] = str(self.health_ports[name])
            given["BOTFLEET_HEALTH_HOST"] = "127.0.0.1"
        state = {"BOTFLEET_STATE_DIR": str(self.folder / "state")}
        kept = {key: os.environ[key] for key in ("HOME", "TMPDIR") if key in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, **image_environment(), **state, **self.env_file, **given}

    def start(self, name: str) -> subprocess.Popen[str]:
        """Starts a service; its output goes to `log`."""
        command = [*json.loads(instruction("ENTRYPOINT")), *services()[name]["command"]]
        if name == "flower":
            command += [f"--port={self.flower_port}", "--address=127.0.0.1"]
        elif name == "web":
            command += ["--port=0", "--host=127.0.0.1"]
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def log(self, name: str) -> str:
        """What a service has said; empty where it was not started."""
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def run(self, name: str, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """`docker compose exec SERVICE COMMAND`."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(name),
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def is_healthy(self, name: str) -> bool:
        """Whether a service's health check is content."""
        port = self.health_ports.get(name) or int(re.findall(r"http://127\.0\.0\.1:(\d+)", self.log(name))[0])
        kind, *command = services()[name]["healthcheck"]["test"]
        assert kind == "CMD"
        command[-1] = re.sub(r":80\d\d/", f":{port}/", command[-1])
        return self.run(name, *command).returncode == 0

    def wait_until_ready(self, name: str) -> None:
        """Waits until a service does its work."""
        ready: dict[str, Callable[[], object]] = {
            "holder": lambda: self._store(lambda store: store.holders()),
            "handler": lambda: self._store(lambda store: "handler" in store.subscriptions()),
            "beat": self._has_sent_a_task,
            "web": lambda: "The web role listens" in self.log("web"),
            "flower": lambda: self.flower("/", PASSWORD) == 200,
        }
        try:
            eventually(ready[name], timeout=30)
        except AssertionError as exc:
            raise AssertionError(f"{name} is not ready; its log:\n{self.log(name)}") from exc

    def flower(self, path: str, password: str = "") -> int | None:
        """The status that Flower answers with; None where it does not listen."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.flower_port}{path}")
        if password:
            coded = base64.b64encode(password.encode()).decode()
            request.add_header("Authorization", f"Basic {coded}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            exc.close()
            return exc.code
        except OSError:
            return None

    def end(self) -> None:
        """Kills what is left."""
        for process in self.running:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _has_sent_a_task(self) -> bool:
        """Whether beat's task waits in the queue, or a holder took it out."""
        with redis.Redis.from_url(self.redis_url) as client:
            return bool(client.llen("botfleet.control")) or "botfleet.reconcile[" in self.log("holder")

    def _store(self, look: Callable[[RedisStore], object]) -> object:
        store = RedisStore.from_url(self.redis_url, 256)
        try:
            return look(store)
        except StoreError:
            return None
        finally:
            store.close()

    def _copy_deployment(self) -> None:
        """What the Dockerfile copies into its working directory."""
        (self.folder / "state").mkdir(parents=True)
        after_workdir = instructions()[[word for word, _ in instructions()].index("WORKDIR") :]
        for source, target in (rest.split() for word, rest in after_workdir if word == "COPY"):
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, self.folder / target / ("" if (ROOT / source).is_dir() else source))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False


def group_members(group: int) -> list[str]:
    """The processes of a process group, which a service's all are."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,command="], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """The service `redis`, with its own command, by the embedded server's program."""
    port = free_port()
    command = [str(valkey_binary()), *services()["redis"]["command"][1:]]
    local = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    with subprocess.Popen([*command, *local], stdout=subprocess.DEVNULL) as server:
        try:
            eventually(lambda: answers(port))
            yield port
        finally:
            server.kill()


@pytest.fixture
def stack(tmp_path: Path, redis_port: int, sandbox: SandboxProcess) -> Iterator[Stack]:
    made = Stack(tmp_path / "srv", redis_port, sandbox)
    yield made
    made.end()


@pytest.mark.parametrize("name", ROLES)
def test_a_service_starts_and_ends_when_it_is_told(stack: Stack, name: str) -> None:
    process = stack.start(name)
    stack.wait_until_ready(name)
    grace = seconds(services()[name].get("stop_grace_period", f"{DOCKERS_GRACE}s"))
    process.terminate()  # as `docker stop` does
    assert process.wait(timeout=grace) == 0, stack.log(name)
    assert group_members(process.pid) == []
    assert "Traceback" not in stack.log(name)


def test_the_services_together_are_a_fleet(stack: Stack) -> None:
    for name in ROLES:
        stack.start(name)
    for name in ROLES:
        stack.wait_until_ready(name)
    eventually(lambda: all(stack.is_healthy(name) for name in ("holder", "handler", "web")), timeout=15)
    team = stack.sandbox.control.add_team("Composed")

    added = stack.run("holder", "botfleet", "teams", "add", "-", text=team["bot_token"] + "\n")
    assert (added.returncode, added.stderr) == (0, "")
    stack.sandbox.control.wait_for_connections(1, team=team["team_id"])
    stack.sandbox.control.say("general", "@botfleet ping", team=team["team_id"])
    assert stack.sandbox.control.wait_for_message(team=team["team_id"])["text"] == "pong"

    assert stack.flower("/") == 401
    assert stack.flower("/api/workers", "admin:wrong") == 401
    assert stack.flower("/workers", PASSWORD) == 200
    assert all(team["bot_token"] not in stack.log(name) for name in ROLES)


def test_beat_goes_on_where_it_stopped(stack: Stack) -> None:
    stack.start("beat")
    stack.wait_until_ready("beat")
    assert list((stack.folder / "state").glob("beat-schedule*")) != []


@pytest.mark.parametrize("name", ["holder", "handler"])
def test_a_placeholder_in_the_environment_is_one_clear_line(stack: Stack, name: str) -> None:
    stack.env_file |= dotenv(ROOT / ".env.example")
    process = stack.start(name)
    assert process.wait(timeout=30) == 1
    # Before it Celery may warn of root, which the image does not run as.
    assert re.fullmatch(
        r"Error: BOTFLEET_SECRET_KEYS: takes Fernet keys .*", stack.log(name).splitlines()[-1]
    )
    assert "Traceback" not in stack.log(name)
