"""A fleet of real processes: Valkey, a sandbox over TLS, holders by name, a handler, beat.

Every holder has a way of its own to Redis, and all have one way to Slack: proxies that can be broken.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import redis

from botfleet.embedded import EmbeddedServer
from botfleet.errors import StoreUnavailable
from botfleet.holder.placement import Placement
from botfleet.model import Bot, HolderInfo
from botfleet.sandbox import SandboxControl, SandboxError, SandboxProcess
from botfleet.secrets import Seal, Token
from botfleet.settings import Settings
from botfleet.store import open_store
from botfleet.store.values import Seat

from ..processes import BenchError, Child, clean_environment, free_port, wait_until
from ..slack import make_certificate
from ..subject import CELERY, QUEUE
from .load import HANDLER, Notes
from .proxy import Proxy

#: Where a holder's share of the bots is not in doubt: seconds until a fleet is as it should be.
SETTLE = 90.0
#: A holder's end: the handover, and what Celery and the flush take beside it.
_END = 30.0
_SANDBOX_START = 30.0
#: Seconds between two looks at the fleet.
_LOOK = 0.1


@dataclass(frozen=True)
class Size:
    """How large a fleet is, and how it is set.

    Attributes:
        bots: teams of the sandbox, each with one bot.
        rate: messages a second over all of them.
        replicas, lease_ttl, check_interval, connect_rate, handover_timeout: botfleet's settings.
        calm: seconds of load before and after each fault.
        direct: no proxy stands between holders and Slack.
        delay: seconds that all takes on its way between holders and Slack or Redis, and on the way back.
    """

    bots: int = 300
    rate: float = 200.0
    replicas: int = 1
    lease_ttl: float = 10.0
    check_interval: float = 5.0
    connect_rate: float = 50.0
    handover_timeout: float = 60.0
    calm: float = 3.0
    direct: bool = False
    delay: float = 0.0

    def settings(self) -> dict[str, str]:
        """As environment variables."""
        names = ("replicas", "lease_ttl", "check_interval", "connect_rate", "handover_timeout")
        return {f"BOTFLEET_{name.upper()}": f"{getattr(self, name):g}" for name in names}


@dataclass
class Holder:
    """A holder's process and its way to Redis; it keeps both name and way when it is started again."""

    name: str
    to_redis: Proxy
    #: None once it was ended.
    child: Child | None = None

    @property
    def node(self) -> str:
        """What it is called among workers."""
        return f"{self.name}@{socket.gethostname()}"

    def send(self, number: int) -> None:
        """Sends its process a signal."""
        assert self.child is not None
        self.child.send(number)

    def end(self, timeout: float) -> int:
        """Waits for its process, which was told to end; gives the exit status."""
        assert self.child is not None
        child, self.child = self.child, None
        return child.wait(timeout)


class Call(NamedTuple):
    """A call of the Web API, as the sandbox counts it."""

    team: str
    #: Unix seconds.
    at: float


class Fleet:
    """The processes of one scenario, in a folder of their own; a context manager that ends them all.

    Attributes:
        folder: where everything lies.
        store: the fleet's, reached without a proxy.
        redis: a client of the server, reached without a proxy.
        to_slack: the way of all holders to the sandbox.
        holders: by name, those that were ever started.
        notes: what the handler has noted.
    """

    def __init__(self, size: Size) -> None:
        self.size = size
        self.holders: dict[str, Holder] = {}
        #: How many loads there were.
        self.loads = 0
        self.handler: Child | None = None
        self.beat: Child | None = None
        self._stack = ExitStack()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        _raise_file_limit()
        temporary = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="botfleet-chaos-"))
        self.folder = Path(temporary)
        self.server = self._stack.enter_context(EmbeddedServer(self.folder, fsync="no"))
        self.redis: Any = redis.Redis(unix_socket_path=self.socket_path, socket_timeout=60)
        self._stack.callback(self.redis.close)
        self._certificate = make_certificate(self.folder)
        self._port = free_port()
        self.sandbox = self._start_sandbox()
        self._stack.callback(lambda: self.sandbox.stop())
        self.to_slack = self._way_to(f"127.0.0.1:{self._port}")
        slack = f"127.0.0.1:{self._port}" if self.size.direct else self.to_slack.address
        self._key = Seal.new_key()
        self.environment = clean_environment(
            BOTFLEET_SLACK_API_URL=f"https://{slack}/api/",
            BOTFLEET_SECRET_KEYS=self._key,
            BOTFLEET_STATE_DIR=str(self.folder),
            SSL_CERT_FILE=str(self._certificate),
            **self._ways(self.server.url),
            **self.size.settings(),
        )
        self.settings = Settings.load({}, self.environment)
        self.store = open_store(self.settings)
        self._stack.callback(self.store.close)
        self.notes = Notes(self.folder / "notes.txt")
        self._register()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything."""
        self._stack.close()

    @property
    def socket_path(self) -> str:
        """The server's socket."""
        return unquote(urlsplit(self.server.url).path)

    @property
    def control(self) -> SandboxControl:
        """The sandbox's, reached without a proxy."""
        return self.sandbox.control

    @property
    def teams(self) -> list[str]:
        """All team ids."""
        return [team["team_id"] for team in self.sandbox.teams]

    def _way_to(self, target: str) -> Proxy:
        way = self._stack.enter_context(Proxy(target))
        if self.size.delay:
            way.delay(self.size.delay)
        return way

    def _ways(self, url: str) -> dict[str, str]:
        return {"BOTFLEET_BROKER_URL": url, "BOTFLEET_STORE_URL": url}

    def _register(self) -> None:
        """Puts all bots into the store, as `botfleet teams add` would."""
        seal, now = Seal((self._key,)), time.time()
        for shown in self.control.state()["teams"]:
            token = Token(shown["bot_token"])
            bot = Bot(
                team_id=shown["team_id"],
                sealed_token=seal.seal(token),
                fingerprint=token.fingerprint,
                bot_user_id=shown["bot_user_id"],
                bot_id=shown["bot_id"],
                bot_name=shown["bot_name"],
                team_name=shown["name"],
                added_at=now,
                updated_at=now,
            )
            self.store.change_bot(bot.key, lambda old, bot=bot: bot)  # type: ignore[misc]

    # Processes

    def start_workers(self) -> None:
        """Starts the handler and beat."""
        (self.folder / "tasks.py").write_text(HANDLER.format(path=str(self.folder / "notes.txt")))
        self.start_handler()
        self.beat = self._start("beat", [CELERY, "-A", "botfleet", "beat", "--pidfile="])

    def start_handler(self) -> None:
        """Starts a handler worker; the one before must have ended."""
        self.handler = self._worker("handler", "handler", "--concurrency", "2")

    def stop_handler(self) -> None:
        """Ends the handler by SIGTERM."""
        assert self.handler is not None
        handler, self.handler = self.handler, None
        handler.send(signal.SIGTERM)
        handler.wait(_END)

    def start_holders(self, *names: str) -> None:
        """Starts holders, new ones or such as have ended."""
        for name in names:
            if name not in self.holders:
                self.holders[name] = Holder(name, self._way_to(self.socket_path))
            holder = self.holders[name]
            ways = self._ways(holder.to_redis.redis_url)
            holder.child = self._worker(name, "holder", "-n", f"{name}@%h", **ways)

    def _worker(self, name: str, role: str, *options: str, **environment: str) -> Child:
        command = [CELERY, "-A", "botfleet", "worker", "--role", role, *options]
        return self._start(name, command, **environment)

    def _start(self, name: str, command: list[str], **environment: str) -> Child:
        child = Child(name, command, self.folder, self.environment | environment)
        return self._stack.enter_context(child)

    def stop_holders(self, *names: str) -> list[int]:
        """Ends holders by SIGTERM, all at once; gives their exit statuses."""
        stopped = [self.holders[name] for name in names]
        for holder in stopped:
            holder.send(signal.SIGTERM)
        return [holder.end(self.size.handover_timeout + _END) for holder in stopped]

    def kill_holder(self, name: str) -> float:
        """Kills a holder outright; gives when that was, unix seconds."""
        at = time.time()
        self.holders[name].send(signal.SIGKILL)
        self.holders[name].end(_END)
        return at

    # The surroundings

    def kill_server(self) -> None:
        """Kills Redis outright."""
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()

    def start_server(self) -> None:
        """Starts Redis again, with the data that it had."""
        self.server.start()

    def kill_sandbox(self) -> None:
        """Kills the sandbox outright: all sockets break at once."""
        self.sandbox.process.kill()
        self.sandbox.stop()

    def start_sandbox(self) -> None:
        """Starts the sandbox again at the same place, with the same teams."""
        self.sandbox = self._start_sandbox()

    def _start_sandbox(self) -> SandboxProcess:
        options = ["--teams", str(self.size.bots), "--port", str(self._port)]
        options += ["--cert", str(self._certificate), "--key", str(self.folder / "bench.key")]
        context = ssl.create_default_context(cafile=str(self._certificate))
        sandbox = SandboxProcess(options, _SANDBOX_START, context)
        _put_first(sandbox.process.pid)
        return sandbox

    # What is so

    @property
    def alive(self) -> list[Holder]:
        """The holders that were started and not ended."""
        return [holder for holder in self.holders.values() if holder.child is not None]

    @property
    def copies(self) -> int:
        """How many sockets each bot should have."""
        return min(self.size.replicas, len(self.alive))

    def sockets(self) -> int:
        """Open sockets of all teams, as the sandbox counts them."""
        return self.control.connections()

    def connects(self, since: float = 0.0) -> list[Call]:
        """The calls of rtm.connect since a time, as the sandbox counts them."""
        calls = self.control.calls(method="rtm.connect")
        return [Call(call["team"], call["time"]) for call in calls if call["time"] >= since]

    def holder_of(self) -> dict[str, str]:
        """By team, the node whose status the bot has; those that are connected only."""
        found = {}
        for shard in range(self.store.shards):
            for key, status in self.store.statuses(shard).items():
                if status.state == "connected":
                    found[key] = status.holder
        return found

    def owners(self) -> dict[Seat, str]:
        """By seat, the node that leads it, or stands by it."""
        seats = [Seat(shard, slot) for shard in range(self.store.shards) for slot in range(self.copies)]
        leases = self.store.leases(seats)
        living = {member.owner: member.name for member in self.store.members()}
        return {seat: living[lease.owner] for seat, lease in leases.items() if lease.owner in living}

    def due(self) -> dict[Seat, str]:
        """By seat, the node that should have it."""
        placement = Placement(self.store.shards, self.size.replicas)
        placement.update(self.store.members())
        return {
            Seat(shard, slot): name
            for shard in range(self.store.shards)
            for slot, name in enumerate(placement.owners(shard))
        }

    def infos(self) -> dict[str, HolderInfo]:
        """What holders say of themselves, by node."""
        return {info.name: info for info in self.store.holders()}

    def is_owned(self) -> bool:
        """Whether the living holders, and only they, are known, and each seat is with whom it should be."""
        names = {holder.node for holder in self.alive}
        members = self.store.members()
        if {member.name for member in members} != names or len(members) != len(names):
            return False
        due = self.due()
        return len(due) == self.store.shards * self.copies and self.owners() == due

    def knows_subscriptions(self) -> bool:
        """Whether handlers' wishes are known, in the store and to all holders."""
        version, infos = self.store.subscriptions_version(), self.infos()
        names = {holder.node for holder in self.alive}
        known = [info.subscriptions == version for info in infos.values()]
        return bool(self.store.subscriptions()) and infos.keys() == names and all(known)

    def is_settled(self) -> bool:
        """Whether all is as it should be: owned, connected, no socket too many, and all statuses say so.

        Raises:
            BenchError: a process has ended by itself.
        """
        self.check()
        with suppress(StoreUnavailable, SandboxError):
            bots = self.size.bots
            return (
                self.knows_subscriptions()
                and self.is_owned()
                and self.sockets() == bots * self.copies
                and len(self.holder_of()) == bots
            )
        return False

    def check(self) -> None:
        """Raises BenchError where a process has ended by itself."""
        for child in (self.handler, self.beat, *(holder.child for holder in self.alive)):
            if child is not None:
                child.check()

    def settle(self, timeout: float = SETTLE) -> None:
        """Waits until all is as it should be.

        Raises:
            BenchError: it never came to that; the text says what was wrong.
        """
        try:
            wait_until("the fleet is as it should be", self.is_settled, timeout, _LOOK)
        except BenchError as exc:
            raise BenchError(f"{exc}\n{self.state()}") from None

    def wait_for_sockets(self, number: int, timeout: float) -> None:
        """Waits until so many sockets are open."""
        wait_until(f"{number} sockets are open", lambda: self.sockets() >= number, timeout, _LOOK)

    def state(self) -> str:
        """What there is, for people."""
        due, leases = self.due(), self.store.leases(list(self.due()))
        living = {member.owner: member.name for member in self.store.members()}
        astray = Counter(
            (name, lease.owner if lease else "nobody")
            for seat, name in due.items()
            if (lease := leases.get(seat)) is None or living.get(lease.owner) != name
        )
        lines = [
            f"{self.sockets()} sockets for {self.size.bots} bots",
            f"{len(self.holder_of())} bots said to be connected",
            *(f"{count} seats due to {name} are with {owner}" for (name, owner), count in astray.items()),
            f"{len(self.store.claims())} claims",
            *map(str, self.store.members()),
            *map(str, self.store.holders()),
        ]
        children = (holder.child for holder in self.holders.values() if holder.child is not None)
        return "\n".join([*lines, *(f"{child.name}:\n{child.tail()}" for child in children)])

    def have(self, *names: str) -> None:
        """Starts and stops holders until there are these and no others, and all is as it should be."""
        running = {holder.name for holder in self.alive}
        self.start_holders(*(name for name in names if name not in running))
        self.stop_holders(*(running - {*names}))
        self.settle()

    # The load's surroundings

    def queued(self) -> int:
        """How many tasks wait for the handler."""
        return int(self.redis.llen(QUEUE))

    def forget(self, *patterns: str) -> int:
        """Deletes keys by pattern; gives how many there were."""
        keys = [key for pattern in patterns for key in self.redis.scan_iter(match=pattern, count=1000)]
        return int(self.redis.unlink(*keys)) if keys else 0


def _put_first(pid: int) -> None:
    """Lets a process run before all others, where the system allows it.

    The sandbox says when each call came, and on a busy machine it would be the one who is late.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


def _raise_file_limit() -> None:
    # Each connection through a proxy is two open files of this process.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
