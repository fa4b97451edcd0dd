"""The folder in which `up` keeps what must outlive it, or be found by others while it runs."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from ..errors import BotfleetError
from ..secrets import Seal


class AlreadyRunning(BotfleetError):
    """Another `up` uses the folder."""


class StateFolder:
    """One `up`'s folder; held by one process at a time.

    Args:
        path: made where it is missing.

    Raises:
        AlreadyRunning: another process holds it.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.logs = path / "logs"
        self.logs.mkdir(exist_ok=True)
        self._lock = self._hold()

    def _hold(self) -> IO[str]:
        # The system gives the lock back when the process ends, however it ends.
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunning(f"a `botfleet up` is running in {self.path} already") from None
        return lock

    def secret_key(self) -> str:
        """The key that seals this fleet's tokens; made at the first call, readable only by its owner."""
        file = self.path / "secret.key"
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(Seal.new_key() + "\n")
        return file.read_text().split()[0]

    def publish(self, **facts: Any) -> None:
        """Says where everything is, for `botfleet status` and the like in other terminals."""
        part = self.path / "running.json.part"
        part.write_text(json.dumps({"pid": os.getpid(), **facts}, indent=2))
        part.chmod(0o600)
        part.replace(self.path / "running.json")

    def published(self) -> dict[str, Any]:
        """What was last said, perhaps by a process that is gone."""
        try:
            found = json.loads((self.path / "running.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def withdraw(self) -> None:
        """Nothing runs any more; lets go of the folder."""
        (self.path / "running.json").unlink(missing_ok=True)
        self._lock.close()


def claim(path: Path) -> StateFolder:
    """Holds the folder, or, where another `up` does, the first free one of `PATH/2`, `PATH/3` …"""
    try:
        return StateFolder(path)
    except AlreadyRunning:
        for number in range(2, 100):
            try:
                return StateFolder(path / str(number))
            except AlreadyRunning:
                continue
        raise
