"""A fleet of real processes for tests: a server, a sandbox and a worker, started once for a session."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from msgspec import structs

from ..embedded import EmbeddedServer
from ..errors import BotfleetError
from ..fleet import Fleet as Bots
from ..publishing.router import EVENT_QUEUES
from ..sandbox.process import SandboxProcess
from ..secrets import Seal
from ..settings import Settings
from ..store.redis_client import client_of
from ..up.children import Child
from .inprocess import BOT_NAME
from .probes import mark

#: Seconds within which a worker is up, or a bot connected, on a busy machine.
_READY = 60.0
_ENDING = 10.0
_LOOK = 0.01
#: Groups of subscriptions in the store: of the handlers, and of the probes.
_HANDLERS = "handler"
_PROBES = "botfleet-test"


class Processes:
    """The processes that a session's tests share.

    Args:
        root: the project's folder, where workers run.
        folder: an empty one, for their files.

    Attributes:
        sandbox: the sandbox's process.
        bots: the fleet's bots.
        redis: the server's client.
        queues: the queues that events wait in.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._stack = ExitStack()
        self._worker: Child | None = None
        self._environment: dict[str, str] = {}
        self.server = self._stack.enter_context(EmbeddedServer(folder, fsync="no"))
        self.sandbox = self._stack.enter_context(SandboxProcess(["--teams", "1", "--bot-name", BOT_NAME]))
        self.redis = client_of(self.server.url)
        self._stack.callback(self.redis.close)
        self._settings = {
            "broker_url": self.server.url,
            "store_url": self.server.url,
            "slack_api_url": self.sandbox.api_url,
            "secret_keys": Seal.new_key(),
            "state_dir": str(folder / "state"),
            "connect_rate": "0",
        }
        self.bots = Bots(Settings.load({}, {}, **self._settings))
        self._stack.callback(self.bots.store.close)
        self.queues: list[str] = []

    def run(self, settings: Settings) -> None:
        """Has a worker run the handlers that these settings name, if it does not do so already."""
        chosen = settings.environment() | {
            f"BOTFLEET_{name.upper()}": value for name, value in self._settings.items()
        }
        chosen["BOTFLEET_HANDLERS"] = ",".join([*settings.handlers, mark.function.__module__])
        if self._worker is not None and chosen == self._environment:
            return
        self._end_worker()
        self.bots.store.put_subscriptions(_HANDLERS, [])
        self._environment = chosen
        self._spread_probes(set())
        self._start_worker()
        named = {one.queue for one in self.bots.store.subscriptions()[_HANDLERS] if one.queue}
        if named:
            self._spread_probes(named)
            self.wait_for(self._is_ready, "the holder knows the probes")

    def wait_for(self, condition: Callable[[], object], what: str, timeout: float = _READY) -> None:
        """Waits until something is so.

        Raises:
            BotfleetError: it is not in time, or the worker has ended; with the end of its log.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            ended = self._worker is not None and self._worker.ended
            if ended or time.monotonic() > deadline:
                problem = "the worker has ended" if ended else f"{what}: not within {timeout:g} s"
                raise BotfleetError(f"{problem}; its log ends with\n{self.tail()}")
            time.sleep(_LOOK)

    def tail(self) -> str:
        """The last lines of the worker's log."""
        return self._worker.tail() if self._worker is not None else ""

    def close(self) -> None:
        """Ends all of them."""
        self._end_worker()
        self._stack.close()

    def _start_worker(self) -> None:
        command = [sys.executable, "-m", "celery", "--quiet", "--workdir", str(self._root), "-A", "botfleet"]
        log = self._folder / "worker.log"
        self._worker = Child("worker", [*command, "worker"], _inherited() | self._environment, log)
        self._worker.start()
        self.wait_for(self._is_ready, "the worker is up")

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker.wait(time.monotonic() + _ENDING)
            self._worker = None
            # The last batches that it gathered went out as it ended; the next may not have their handlers.
            self.redis.delete(*self.queues, "unacked", "unacked_index")

    def _is_ready(self) -> bool:
        """Whether the worker has told what its handlers want, and has heard it itself."""
        store = self.bots.store
        if _HANDLERS not in store.subscriptions():
            return False
        version = store.subscriptions_version()
        return any(one.subscriptions == version and not one.standby for one in store.holders())

    def _spread_probes(self, named: set[str]) -> None:
        """Has probes come through each queue that events wait in, also through those that handlers name."""
        self.queues = sorted({*EVENT_QUEUES, *named})
        probe = mark.subscription
        # Without something that tells them apart they would be published as one.
        wanted = [structs.replace(probe, queue=queue, kwargs={"method": queue}) for queue in self.queues]
        self.bots.store.put_subscriptions(_PROBES, wanted)


def _inherited() -> dict[str, str]:
    """The environment of a worker: this process's, without what would make it another fleet's."""
    ours = ("BOTFLEET_", "CELERY_", "SLACK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # The handlers may be in the tests' own folders.
    paths = dict.fromkeys(path for path in sys.path if path)
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "C_FORCE_ROOT": "1",
        "no_proxy": "127.0.0.1,localhost",
    }
