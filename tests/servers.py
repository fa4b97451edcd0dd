"""Real servers for tests, and a proxy that breaks connections to them."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

#: Whether a missing system package is a failure.
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


def require(program: str) -> Path:
    """Finds a program of the system; without it the test is skipped, or fails in CI."""
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    reason = f"{program} is not installed"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


class Proxy:
    """Stands before a server on a unix socket and loses answers when told to.

    Args:
        target: the server's socket.
        path: where to listen.
    """

    def __init__(self, target: Path, path: Path) -> None:
        self.url = f"redis+socket://{path}"
        self._target = str(target)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._lock = threading.Lock()
        self._losses = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="proxy-accept", daemon=True).start()

    def lose_answers(self, number: int) -> None:
        """The next answers are thrown away and their connections closed; their commands were done."""
        with self._lock:
            self._losses = number

    def close(self) -> None:
        """Closes everything."""
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._open += [near, far]
                for source, sink, loses in ((near, far, False), (far, near, True)):
                    pump = threading.Thread(target=self._pump, args=(source, sink, loses), daemon=True)
                    pump.start()

    def _pump(self, source: socket.socket, sink: socket.socket, loses: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if loses and self._lost():
                    break
                sink.sendall(chunk)
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _lost(self) -> bool:
        with self._lock:
            self._losses -= 1
            return self._losses >= 0
