"""Child processes that end with the benchmark, whatever ends it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
#: Run by a bare interpreter which then becomes the program: PR_SET_PDEATHSIG (1) outlives exec, and a
#: function run between fork and exec is unsafe where there are threads. A parent that died before is found by
#: its pid.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the benchmark is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""
_FOREIGN = ("BOTFLEET_", "CELERY_", "FLOWER_", "SLACK_", "RELAX_", "PYTHONPATH")


class BenchError(Exception):
    """A benchmark can't go on; the text says why, for people."""


def clean_environment(**names: str) -> dict[str, str]:
    """This process's environment without what would change a fleet, or lead traffic off this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {"C_FORCE_ROOT": "1", "PYTHONUNBUFFERED": "1", "no_proxy": "*"} | names


class Child:
    """A program in a session of its own, killed as a group.

    Args:
        name: its log's name.
        command: what is run.
        folder: its working directory; the log goes there.
        environment: its whole environment.
        talks: its standard streams are pipes of JSON lines; else what it prints goes to the log.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: dict[str, str],
        talks: bool = False,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._buffer = b""
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher, *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check(self) -> None:
        """Raises BenchError where it has ended."""
        if not self.running:
            raise BenchError(f"{self.name} has ended with status {self._process.returncode}:\n{self.tail()}")

    def tell(self, **message: Any) -> None:
        """Writes it a line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as exc:
            raise BenchError(f"{self.name} has ended:\n{self.tail()}") from exc

    def hear(self, timeout: float) -> dict[str, Any]:
        """Reads a line from it.

        Raises:
            BenchError: none came within `timeout` seconds, or it ended.
        """
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise BenchError(f"{self.name} says nothing for {timeout:g} s:\n{self.tail()}")
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise BenchError(f"{self.name} has ended:\n{self.tail()}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def send(self, number: int) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Waits for its end; gives the exit status.

        Raises:
            BenchError: it runs on.
        """
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self.name} runs on after {timeout:g} s:\n{self.tail()}") from None

    def kill(self) -> None:
        """Ends it with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()


def free_port() -> int:
    """A port of 127.0.0.1 that is free now, below those that the system gives to clients."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("127.0.0.1", port))
            return port


def bench_module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package as a program."""
    return [sys.executable, "-m", f"bench.{name}", *arguments]


def bench_environment(**names: str) -> dict[str, str]:
    """The environment of this package's own programs."""
    return clean_environment(PYTHONPATH=str(ROOT), **names)


def wait_until(
    what: str, condition: Callable[[], bool], timeout: float, pause: float = 0.02, child: Child | None = None
) -> None:
    """Waits for a condition.

    Raises:
        BenchError: it did not come true in time, or the child that it hangs on has ended.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if child is not None:
            child.check()
        if time.monotonic() > deadline:
            tail = f":\n{child.tail()}" if child is not None else ""
            raise BenchError(f"{what}: not within {timeout:g} s{tail}")
        time.sleep(pause)
