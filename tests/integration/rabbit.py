"""A RabbitMQ of a test's own: a child process on free ports of the loopback, with its files in one folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

from kombu import Connection

from ..servers import require
from ..waiting import eventually

#: Debian's `rabbitmq-server` is a wrapper that changes the user and forgets the environment.
_BARE = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 20.0


class RabbitMQ:
    """Start it with `start`, or as a context; `stop` and `start` keep its queues.

    Args:
        folder: for all its files.
    """

    def __init__(self, folder: Path) -> None:
        program = require("rabbitmq-server")
        self._program = _BARE if _BARE.exists() else program
        self._epmd_program = require("epmd")
        self._folder = folder
        self._port, self._dist_port, self._epmd_port = free_ports(3)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Returns when it answers."""
        (self._folder / "enabled_plugins").write_text("[].\n")
        (self._folder / "rabbitmq.conf").write_text("")
        with (self._folder / "server.out").open("ab") as out:
            # Else the server would start a daemon that outlives it.
            self._epmd = self._epmd or self._spawn([str(self._epmd_program)], out.fileno())
            self._server = self._spawn([str(self._program)], out.fileno())
        try:
            eventually(self._answers, _START_TIMEOUT, 0.1)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Ends it warmly."""
        self._end(self._server)
        self._server = None

    def close(self) -> None:
        """Ends it and what it needs."""
        self.stop()
        self._end(self._epmd)
        self._epmd = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _spawn(self, command: list[str], out: int) -> subprocess.Popen[bytes]:
        folder = str(self._folder)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"botfleet{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        }
        return subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            out = (self._folder / "server.out").read_text(errors="replace")
            raise RuntimeError(f"rabbitmq-server ended at once:\n{out[-2000:]}")
        with suppress(OSError), Connection(self.url, connect_timeout=5) as connection:
            connection.connect()
            return True
        return False

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT)
                break
        # The shell may be gone before the virtual machine that it started.
        eventually(lambda: not _group_lives(process.pid), _STOP_TIMEOUT)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
