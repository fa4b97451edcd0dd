"""The subject: the real product in a folder of its own, over the embedded server, with its defaults.

But for the limit of connects: it is off.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import redis

from botfleet.embedded import EmbeddedServer
from botfleet.model import Bot, Subscription
from botfleet.secrets import Seal, Token
from botfleet.settings import Settings
from botfleet.store import open_store

from . import frames
from .measure import cpu_seconds
from .processes import BenchError, Child, clean_environment, wait_until
from .slack import FakeSlack, Sent

CELERY = str(Path(sys.executable).parent / "celery")
#: Where message events go whose handler names no queue: the load's channels are public.
QUEUE = "events.message.public"
#: One handler that wants messages, as `@on("message")` announces it.
ONE_HANDLER = (Subscription(task="bench.handle", types=("message",)),)
#: Seconds between two looks at a queue's length.
_LOOK = 0.004
_HOLDER_START = 60.0
#: Seconds after which a process that has just started has nothing more to do.
_REST = 2.0


class Ingest:
    """One flood.

    Attributes:
        events: frames that were sent.
        seconds: from the first frame to the last task in the queue.
        cpu: seconds of CPU of the holder.
        server_cpu: seconds of CPU of the embedded server.
        sent: what the load says.
    """

    def __init__(self, events: int, seconds: float, cpu: float, server_cpu: float, sent: Sent) -> None:
        self.events, self.seconds, self.sent = events, seconds, sent
        self.cpu, self.server_cpu = cpu, server_cpu

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def rate_of_cpu(self) -> float:
        """Events per CPU second of the holder."""
        return self.events / max(self.cpu, 1e-9)


class ServerLoad(NamedTuple):
    """What the embedded server did; a second each."""

    #: With those that its scripts ran.
    commands: float
    cpu: float


class Subject:
    """Folder, server, store, load and the processes of one benchmark; a context manager that ends them all.

    Args:
        tls: the load speaks TLS.
        settings: botfleet's settings that are not the defaults, by name.

    Attributes:
        folder: where everything lies.
        slack: the load.
        store: the fleet's registry.
        redis: a client of the embedded server.
    """

    def __init__(self, tls: bool = False, **settings: object) -> None:
        self._stack = ExitStack()
        try:
            self._begin(tls, settings)
        except BaseException:
            self._stack.close()
            raise

    def _begin(self, tls: bool, settings: dict[str, object]) -> None:
        temporary = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="botfleet-bench-"))
        self.folder = Path(temporary)
        self.server = self._stack.enter_context(EmbeddedServer(self.folder / ".botfleet"))
        self.slack = self._stack.enter_context(FakeSlack(self.folder, tls))
        self._key = Seal.new_key()
        self._seal = Seal((self._key,))
        self.environment = self._make_environment(settings)
        self.settings = Settings.load({}, self.environment)
        self.store = open_store(self.settings)
        self._stack.callback(self.store.close)
        self.redis: Any = redis.Redis(unix_socket_path=self.socket_path, socket_timeout=60)
        self._stack.callback(self.redis.close)

    def _make_environment(self, settings: dict[str, object]) -> dict[str, str]:
        # Without the limit of connects a second, which would be measured in place of the holder.
        settings = {"connect_rate": 0, **settings}
        chosen = {f"BOTFLEET_{name.upper()}": str(value) for name, value in settings.items()}
        environment = clean_environment(
            BOTFLEET_BROKER_URL=self.server.url,
            BOTFLEET_SLACK_API_URL=self.slack.api_url,
            BOTFLEET_SECRET_KEYS=self._key,
            BOTFLEET_STATE_DIR=str(self.folder / ".botfleet"),
            **chosen,
        )
        if self.slack.certificate is not None:
            environment["SSL_CERT_FILE"] = str(self.slack.certificate)
        return environment

    @property
    def socket_path(self) -> str:
        """The embedded server's socket."""
        return unquote(urlsplit(self.server.url).path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    # Processes

    def start(self, child: Child) -> Child:
        """Takes over a process; it ends with this object at the latest."""
        return self._stack.enter_context(child)

    def worker(self, role: str, *options: str, **environment: str) -> Child:
        """Starts `celery -A botfleet worker --role ROLE`."""
        command = [CELERY, "-A", "botfleet", "worker", "--role", role, *options]
        return self.start(Child(role, command, self.folder, self.environment | environment))

    def holder(self, bots: int, timeout: float | None = None) -> Child:
        """Starts a holder, and waits until it has connected so many bots and knows the subscriptions."""
        holder = self.worker("holder")
        self.slack.wait_for_sockets(bots, timeout or _HOLDER_START + bots / 50, holder)
        self.wait_for_holder(bots, holder)
        return holder

    def start_holder(self) -> Child:
        """Starts a holder that has nothing to hold yet but the subscriptions, and lets it come to rest."""
        self.subscribe()
        holder = self.holder(0)
        time.sleep(_REST)
        return holder

    def wait_for_holder(self, bots: int, holder: Child) -> None:
        """Waits until the holder says of itself that it has connected so many and knows the subscriptions."""
        wait_until("the holder knows all", lambda: self._is_settled(bots), 30.0, 0.1, holder)

    def _is_settled(self, bots: int) -> bool:
        version = self.store.subscriptions_version()
        return any(one.connected >= bots and one.subscriptions == version for one in self.store.holders())

    # What is in the store

    def add_bots(self, number: int, first: int = 0) -> None:
        """Registers bots, straight into the store."""
        for one in range(first, first + number):
            self.put_bot(self.make_bot(one))

    def put_bot(self, bot: Bot) -> None:
        """Writes one bot, whatever was there."""
        self.store.change_bot(bot.key, lambda old: bot)

    def make_bot(self, number: int) -> Bot:
        """The bot that the load knows by this number."""
        token, now = Token(frames.token_of(number)), time.time()
        return Bot(
            team_id=frames.team_id(number),
            sealed_token=self._seal.seal(token),
            fingerprint=token.fingerprint,
            bot_user_id=f"UB{number:08}",
            bot_id=f"B{number:08}",
            bot_name="bench",
            team_name=f"Team {number}",
            added_at=now,
            updated_at=now,
        )

    def subscribe(self, subscriptions: Sequence[Subscription] = ONE_HANDLER) -> None:
        """Announces what handlers want, as a handler worker does when it starts."""
        self.store.put_subscriptions("handler", subscriptions)

    # Rounds

    def forget(self, *queues: str) -> None:
        """Empties queues."""
        self.redis.unlink(*(queues or (QUEUE,)))

    def length(self, queue: str = QUEUE) -> int:
        """How many tasks wait."""
        return int(self.redis.llen(queue))

    def wait_for_tasks(self, number: int, child: Child, queue: str = QUEUE, timeout: float = 120.0) -> float:
        """Waits until so many tasks are in a queue; returns when that was, monotonic seconds.

        Raises:
            BenchError: it never came to that; the text says how many there were.
        """
        deadline = time.monotonic() + timeout
        while (found := self.length(queue)) < number:
            child.check()
            if time.monotonic() > deadline:
                raise BenchError(f"{found} of {number} tasks came into {queue} within {timeout:g} s")
            time.sleep(_LOOK)
        return time.monotonic()

    def ingest(self, holder: Child, events: int, unwanted: float = 0.0, **how: Any) -> Ingest:
        """Floods the holder, and waits for the last task."""
        self.forget()
        cpu, server_cpu = cpu_seconds(holder.pid), self.server_cpu()
        command = self.slack.begin("flood", events=events, unwanted=unwanted, **how)
        tasks = round(events * (1.0 - unwanted))
        last = self.wait_for_tasks(tasks, holder)
        sent = self.slack.sent(command, events)
        last = max(last, sent.ended) if unwanted else last
        used, server_used = cpu_seconds(holder.pid) - cpu, self.server_cpu() - server_cpu
        return Ingest(events, last - sent.began, used, server_used, sent)

    def server_cpu(self) -> float:
        """CPU seconds that the embedded server has used."""
        found = self.redis.info("cpu")
        return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])

    def server_load(self, seconds: float) -> ServerLoad:
        """Watches the embedded server for a while."""
        commands, cpu, began = self._commands(), self.server_cpu(), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        return ServerLoad((self._commands() - commands) / took, (self.server_cpu() - cpu) / took)

    def _commands(self) -> int:
        return int(self.redis.info("stats")["total_commands_processed"])
