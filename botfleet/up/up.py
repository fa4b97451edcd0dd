"""The supervisor behind `botfleet up`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import click

from ..configuration import deployment, load_settings, names_broker
from ..embedded import EmbeddedServer
from ..errors import BotfleetError, ConfigurationError, StoreError
from ..fleet import Fleet
from ..sandbox.client import SandboxError
from ..sandbox.process import SandboxProcess
from ..settings import Settings
from .children import Child, end_leftovers
from .conversation import Conversation
from .looking import announcements, is_published_for, is_ready
from .ports import Ports, answers, is_free
from .reload import ProjectFiles, shown, why_not_loadable
from .state import StateFolder, claim

_SANDBOX_PORT = 8765
_FLOWER_PORT = 5555
_WEB_PORT = 8080
#: Seconds for all children together to end; the rest of the ten is for the sandbox and the server.
_ENDING = 7.0
#: Seconds that handlers under way have when new ones are to be loaded.
_RELOADING = 5.0
#: Seconds for handlers to begin, after that somebody may as well be told that they were started.
_ANNOUNCED = 15.0
#: Seconds within which a fleet must be up; a cold start on a busy laptop takes about five.
_READY = 60.0
#: Seconds; see `BOTFLEET_LEASE_TTL`.
_LEASE_TTL = 3.0


class Interrupted(Exception):
    """Ctrl-C, or SIGTERM."""


class Up:
    """Runs a whole fleet until it is interrupted.

    Args:
        tokens: bots' tokens; with one, the fleet works on the real Slack, else on a sandbox.
        flower, web: whether Flower and the web role are started.
        port: of the first of sandbox, Flower and web role; the others have the next ones.
        reload: handlers are started again when a file of the project changes.
    """

    def __init__(
        self,
        tokens: Sequence[str] = (),
        flower: bool = True,
        web: bool = True,
        port: int | None = None,
        reload: bool = False,
    ) -> None:
        self._tokens = list(tokens)
        self._with_flower = flower
        self._with_web = web and importlib.util.find_spec("uvicorn") is not None
        self._ports = Ports(port)
        self._reload = reload
        self._files: ProjectFiles | None = None
        self._children: list[Child] = []
        self._embedded: EmbeddedServer | None = None
        self._began = time.monotonic()
        self._interrupted = False

    def run(self) -> int:
        """Runs; returns the exit code.

        Raises:
            BotfleetError: something can't be started; everything that was is ended.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        config = deployment()
        settings = load_settings(config)
        own_broker = not names_broker(config)
        try:
            with contextlib.ExitStack() as stack:
                self._run(stack, settings, own_broker)
        except Interrupted:
            click.echo(f"Ended after {time.monotonic() - self._began:.0f} s.")
        return 0

    def _run(self, stack: contextlib.ExitStack, settings: Settings, own_broker: bool) -> None:
        state = claim(settings.state_path)
        stack.callback(state.withdraw)
        self._clear_up_after_crash(state)
        environment = {"BOTFLEET_STATE_DIR": str(state.path)}
        if not settings.secret_keys:
            environment["BOTFLEET_SECRET_KEYS"] = state.secret_key()
        # One holder on one machine: after a crash nobody else has to be waited for any longer.
        environment["BOTFLEET_LEASE_TTL"] = str(min(settings.lease_ttl, _LEASE_TTL))
        if own_broker:
            environment["BOTFLEET_BROKER_URL"] = stack.enter_context(self._server(state)).url
        sandbox = None if self._tokens else stack.enter_context(self._sandbox(state))
        if sandbox:
            environment["BOTFLEET_SLACK_API_URL"] = sandbox.api_url
            environment |= _app_of(sandbox)
        # From here on this process has the same settings as its children.
        os.environ.update(environment)
        os.environ.pop("TOKEN", None)
        fleet = Fleet(load_settings(deployment()))
        # Before the first handlers load them: what changes meanwhile is found.
        self._files = ProjectFiles(Path.cwd(), settings.handlers) if self._reload else None
        announced = announcements(fleet)
        stack.enter_context(self._processes(state, sandbox, fleet))
        self._say_where(state, sandbox, fleet)
        self._add_bots(fleet, sandbox)
        self._wait_until_ready(fleet, announced)
        if sandbox:
            if self._web_port:
                sandbox.control.set_app(url=self._web_url)
            click.echo(f"Ready after {time.monotonic() - self._began:.1f} s.\n")
            self._converse(fleet, sandbox)
            self._say_how_to_go_on(sandbox)
        else:
            click.echo(f"Ready after {time.monotonic() - self._began:.1f} s. Ctrl-C ends it.")
            self._say_how_to_sign_in()
        self._watch(fleet)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        # Python drops what is raised while it runs a finalizer, so the loops look at the mark, too.
        self._interrupted = True
        raise Interrupted

    # Parts

    def _clear_up_after_crash(self, state: StateFolder) -> None:
        pids = [int(pid) for pid in state.published().get("children", []) if str(pid).isdigit()]
        if pids and (count := end_leftovers(pids)):
            click.echo(f"Ended {count} processes that an earlier run left behind.")

    @contextlib.contextmanager
    def _server(self, state: StateFolder) -> Iterator[EmbeddedServer]:
        # The sandbox's bots and the real Slack's must never meet in one registry.
        with EmbeddedServer(state.path / ("slack" if self._tokens else "sandbox")) as server:
            self._embedded = server
            yield server

    @contextlib.contextmanager
    def _sandbox(self, state: StateFolder) -> Iterator[SandboxProcess]:
        file = state.path / "sandbox" / "slack.json"
        file.parent.mkdir(exist_ok=True)
        with self._start_sandbox(file) as sandbox:
            yield sandbox

    def _start_sandbox(self, file: Path) -> SandboxProcess:
        while True:
            port = self._ports.take(_SANDBOX_PORT)
            try:
                sandbox = SandboxProcess(["--port", str(port), "--state", str(file)])
            except SandboxError:
                # Another `up` that starts at the same time may have been faster.
                if self._ports.are_named or is_free(port):
                    raise
            else:
                self._ports.keep_away(port, _SANDBOX_PORT)
                return sandbox

    @contextlib.contextmanager
    def _processes(self, state: StateFolder, sandbox: SandboxProcess | None, fleet: Fleet) -> Iterator[None]:
        celery = [_program("celery"), "--quiet", "-A", "botfleet"]
        commands = {
            "handler": [*celery, "worker", "--role", "handler"],
            "holder": [*celery, "worker", "--role", "holder"],
            "beat": [*celery, "beat", "--pidfile=", "--loglevel", "INFO"],
        }
        self._flower_port = self._web_port = 0
        if self._with_flower:
            self._flower_port = self._ports.take(_FLOWER_PORT)
            commands["flower"] = [*celery, "flower", f"--port={self._flower_port}"]
            # Flower asks workers to tell of their tasks some seconds after it is up; the first is over then.
            commands["handler"].append("--task-events")
        if self._with_web:
            self._web_port = self._ports.take(fleet.settings.web_port or _WEB_PORT)
            commands["web"] = [_program("botfleet"), "web", f"--port={self._web_port}"]
            # The sandbox's bots are nobody's; who may act for a real team has a key.
            commands["web"] += ["--open"] if sandbox else []
        for name, command in commands.items():
            child = Child(name, command, os.environ, state.logs / f"{name}.log")
            child.log.unlink(missing_ok=True)
            self._children.append(child)
        try:
            for child in self._children:
                child.start()
            self._publish(state, sandbox, fleet)
            yield
        finally:
            self._end_children()

    def _publish(self, state: StateFolder, sandbox: SandboxProcess | None, fleet: Fleet) -> None:
        state.publish(
            broker_url=fleet.settings.broker_url,
            slack_api_url=fleet.settings.slack_api_url,
            sandbox_url=sandbox.url if sandbox else "",
            web_url=self._web_url,
            children=[child.pid for child in self._children],
        )

    def _end_children(self) -> None:
        # A second Ctrl-C would leave children behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        click.echo("\nEnding …")
        until = time.monotonic() + _ENDING
        for child in reversed(self._children):
            child.end()
        for child in self._children:
            child.wait(until)

    # Steps

    def _add_bots(self, fleet: Fleet, sandbox: SandboxProcess | None) -> None:
        tokens = self._tokens
        if sandbox and not any(fleet.bots()):
            # Only at the very first start: who removed a team does not want it back.
            tokens = [team["bot_token"] for team in sandbox.teams]
        for token in tokens:
            result = fleet.add_token(token)
            if not result.ok:
                raise ConfigurationError("TOKEN", f"was refused: {result.error}")

    def _wait_until_ready(self, fleet: Fleet, announced: int) -> None:
        """Waits until every bot has been tried, handlers run, and the holder knows what they want."""
        deadline = time.monotonic() + _READY
        since = time.time() - (time.monotonic() - self._began)
        while time.monotonic() < deadline:
            self._look_after_children()
            # The store may know of handlers of an earlier run.
            if announcements(fleet) > announced and is_ready(fleet, since) and self._web_is_ready():
                return
            time.sleep(0.05)
        logs = ", ".join(str(child.log) for child in self._children)
        raise BotfleetError(f"the bots were not connected within {_READY:.0f} s; see {logs}")

    def _web_is_ready(self) -> bool:
        return not self._web_port or answers(self._web_port)

    def _converse(self, fleet: Fleet, sandbox: SandboxProcess) -> None:
        first = sandbox.control.team()["team_id"]
        if any(bot.team_id == first and bot.status == "connected" for bot in fleet.report()):
            wanted = [one for group in fleet.store.subscriptions().values() for one in group]
            Conversation(sandbox.control, _bot_name(sandbox), wanted, self._look_after_children).hold()
        else:
            click.echo(
                f"The bot of {first} is not connected, so there is no conversation; see botfleet status."
            )

    def _watch(self, fleet: Fleet) -> None:
        while True:
            self._look_after_children()
            if self._files is not None and (changed := self._files.changed()):
                self._load_again(fleet, changed)
            time.sleep(0.5)

    def _load_again(self, fleet: Fleet, changed: Sequence[str]) -> None:
        """Starts the handlers again, where the changed files can be loaded; no other process is touched."""
        problem = why_not_loadable(_program("botfleet"), os.environ)
        if problem:
            click.echo(f"{shown(changed)} changed, the handlers from before go on: {problem}")
            return
        before = 0
        with contextlib.suppress(StoreError):
            before = announcements(fleet)
        for child in self._children:
            if child.name == "handler":
                child.restart(_RELOADING)
        self._wait_until_known(fleet, before)
        click.echo(f"{shown(changed)} changed, the handlers were started again.")
        if "celeryconfig.py" in changed:
            click.echo("All other processes keep their settings until the next `botfleet up`.")

    def _wait_until_known(self, fleet: Fleet, before: int) -> None:
        """Waits until the holder knows what the new handlers want: what is said from then on reaches them."""
        deadline = time.monotonic() + _ANNOUNCED
        while time.monotonic() < deadline:
            self._look_after_children()
            # The server for Celery may have ended just now.
            with contextlib.suppress(StoreError):
                if announcements(fleet) > before and is_published_for(fleet):
                    return
            time.sleep(0.05)

    def _look_after_children(self) -> None:
        if self._interrupted:
            raise Interrupted
        for child in self._children:
            status = child.look_after()
            if status is not None:
                click.echo(f"{child.name} ended with status {status} and was started again; see {child.log}")
        if self._embedded is not None and self._embedded.died:
            self._embedded.stop()
            self._embedded.start()
            click.echo(f"The server for Celery ended and was started again; see {self._embedded.log_path}")

    # What is printed

    @property
    def _web_url(self) -> str:
        return f"http://127.0.0.1:{self._web_port}/" if self._web_port else ""

    def _say_where(self, state: StateFolder, sandbox: SandboxProcess | None, fleet: Fleet) -> None:
        slack = ("Chat", sandbox.url) if sandbox else ("Slack", fleet.settings.slack_api_url)
        places = {
            slack[0]: slack[1],
            **({"Install": self._web_url} if sandbox and self._web_port else {}),
            "Dashboard": f"{self._web_url}dashboard" if self._web_port else "off",
            "Flower": f"http://127.0.0.1:{self._flower_port}/" if self._flower_port else "off",
            "Celery": _without_password(fleet.settings.broker_url),
            "Logs": str(state.logs),
        }
        for name, place in places.items():
            click.echo(f"  {click.style(name.ljust(9), bold=True)}  {place}")
        click.echo()

    def _say_how_to_sign_in(self) -> None:
        if self._web_port:
            command = f"{_shown('botfleet')} keys add NAME --admin"
            click.echo(f"The dashboard asks for a key; in another terminal, this makes one: {command}")

    def _say_how_to_go_on(self, sandbox: SandboxProcess) -> None:
        name = _bot_name(sandbox)
        reload = "" if self._reload else "with --reload, "
        click.echo(
            f"\nNow you: open {sandbox.url} and say something; or in another terminal:\n\n"
            f"  {_shown('botfleet')} sandbox say general '@{name} ping'\n"
            f"  {_shown('botfleet')} status\n\n"
            f"The bot is in tasks/; {reload}what changes there counts at once. Ctrl-C ends all of this."
        )


def _program(name: str) -> str:
    """A command of this environment, also where that is not on the PATH."""
    beside = shutil.which(name, path=os.path.dirname(sys.executable))
    found = beside or shutil.which(name)
    if found is None:
        raise BotfleetError(f"the command {name} is not installed beside {sys.executable}")
    return found


def _shown(name: str) -> str:
    """How a person would call a command here."""
    path = _program(name)
    if shutil.which(name) == path:
        return name
    shorter = os.path.relpath(path)
    return shorter if len(shorter) < len(path) else path


def _app_of(sandbox: SandboxProcess) -> dict[str, str]:
    """The settings by which the web role speaks for the sandbox's app."""
    app = sandbox.control.app()
    known = {f"SLACK_{name.upper()}": app[name] for name in ("client_id", "client_secret", "signing_secret")}
    # A deployment's own address is not where this fleet is.
    return {**known, "SLACK_CLASSIC": "false", "BOTFLEET_WEB_URL": ""}


def _bot_name(sandbox: SandboxProcess) -> str:
    return str(sandbox.control.team()["bot_name"])


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    return f"{before.split('://')[0]}://…@{after}" if at else url
