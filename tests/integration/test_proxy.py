"""The fault proxy, over real sockets: each fault, and that it ends."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.chaos.proxy import Proxy

from ..waiting import eventually

#: Seconds in which something would come if it came.
SILENCE = 0.2
#: How long delayed bytes take, seconds.
DELAY = 0.3


class Echo:
    """A server that says what it hears; it answers an end of its input by its own."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._listener.listen(1024)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self.heard = b""
        #: Errors with which connections ended.
        self.errors: list[OSError] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="echo", daemon=True)
        self._thread.start()

    @property
    def clients(self) -> int:
        return len(self._selector.get_map()) - 1

    def close(self) -> None:
        self._closing = True
        self._thread.join(5.0)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # all are sockets
        self._selector.close()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                else:
                    self._answer(key.fileobj)  # type: ignore[arg-type]

    def _answer(self, client: socket.socket) -> None:
        try:
            chunk = client.recv(2**20)
            self.heard += chunk
            client.sendall(chunk)
        except OSError as exc:
            self.errors.append(exc)
            chunk = b""
        if not chunk:
            self._selector.unregister(client)
            client.close()


@pytest.fixture(params=["tcp", "unix"])
def echo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Echo]:
    if request.param == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "echo"))
    server = Echo(listener)
    yield server
    server.close()


def target_of(server: Echo) -> str:
    name = server._listener.getsockname()
    return name if isinstance(name, str) else f"127.0.0.1:{name[1]}"


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(target_of(echo)) as made:
        yield made


def client_of(proxy: Proxy) -> socket.socket:
    """Connects to a proxy."""
    if "/" in proxy.address:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5.0)
        client.connect(proxy.address)
        return client
    return socket.create_connection(("127.0.0.1", int(proxy.address.rpartition(":")[2])), 5.0)


def ask(client: socket.socket, text: bytes) -> bytes:
    """Says something, and gives the answer."""
    client.sendall(text)
    return read(client, len(text))


def read(client: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        chunk = client.recv(length - len(found))
        if not chunk:
            break
        found += chunk
    return found


def is_silent(client: socket.socket) -> bool:
    """Whether nothing comes for a while."""
    client.settimeout(SILENCE)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5.0)
    return False


def test_bytes_pass_both_ways_and_so_do_ends(proxy: Proxy, echo: Echo) -> None:
    with client_of(proxy) as client:
        assert ask(client, b"hello") == b"hello"
        assert proxy.connections == 1
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    eventually(lambda: (proxy.connections, echo.clients) == (0, 0))
    assert echo.errors == []


def test_it_can_listen_on_a_unix_socket(echo: Echo, tmp_path: Path) -> None:
    with Proxy(target_of(echo), tmp_path / "proxy") as proxy:
        assert proxy.redis_url == f"redis+socket://{tmp_path}/proxy"
        with client_of(proxy) as client:
            assert ask(client, b"hello") == b"hello"
            proxy.refuse()
            with pytest.raises(OSError):  # noqa: PT011 (refused, or not found)
                client_of(proxy)
            proxy.heal()
            with client_of(proxy) as other:
                assert ask(other, b"again") == b"again"


def test_much_passes_whoever_is_slow(proxy: Proxy, echo: Echo) -> None:
    block = bytes(range(256)) * 4096 * 16
    with client_of(proxy) as client:
        writer = threading.Thread(target=client.sendall, args=(block,))
        writer.start()
        # Until every buffer on the way is full, nobody reads.
        eventually(lambda: len(echo.heard) > 2**17)
        assert read(client, len(block)) == block
        writer.join(5.0)


def test_delayed_bytes_come_later_and_in_order(proxy: Proxy) -> None:
    with client_of(proxy) as client:
        ask(client, b"now")
        proxy.delay(DELAY)
        began = time.monotonic()
        for number in range(10):
            client.sendall(b"%d" % number)
        assert read(client, 10) == b"0123456789"
        assert 2 * DELAY <= time.monotonic() - began < 2 * DELAY + 1.0
        client.sendall(b"late")
        # What was under way comes at once.
        proxy.heal()
        began = time.monotonic()
        assert read(client, 4) + ask(client, b"!") == b"late!"
        assert time.monotonic() - began < DELAY


def test_a_reset_ends_all_connections_by_rst(proxy: Proxy, echo: Echo) -> None:
    with client_of(proxy) as one, client_of(proxy) as other:
        ask(one, b"1")
        ask(other, b"2")
        proxy.reset()
        for client in (one, other):
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    eventually(lambda: (proxy.connections, echo.clients) == (0, 0))
    if "/" not in target_of(echo):
        assert [type(error) for error in echo.errors] == [ConnectionResetError] * 2
    with client_of(proxy) as client:
        assert ask(client, b"new") == b"new"


def test_refused_are_new_connections_only(proxy: Proxy) -> None:
    with client_of(proxy) as client:
        ask(client, b"1")
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            client_of(proxy)
        assert ask(client, b"2") == b"2"
        proxy.heal()
        with client_of(proxy) as other:
            assert ask(other, b"3") == b"3"


def test_half_open_nothing_comes_through_until_it_is_healed(proxy: Proxy, echo: Echo) -> None:
    with client_of(proxy) as old, client_of(proxy) as gone:
        ask(old, b"1")
        ask(gone, b"2")
        proxy.half_open()
        old.sendall(b"held")
        gone.sendall(b"last")
        gone.close()
        with client_of(proxy) as new:
            new.sendall(b"new")
            assert is_silent(old)
            assert is_silent(new)
            assert echo.clients == 2
            assert echo.heard == b"12"
            proxy.heal()
            assert read(old, 4) == b"held"
            assert read(new, 3) == b"new"
            # As a packet that was sent again: its sender had given up long ago.
            eventually(lambda: b"last" in echo.heard)
    eventually(lambda: proxy.connections == 0)


def test_after_a_reset_nothing_is_left_to_come(proxy: Proxy, echo: Echo) -> None:
    with client_of(proxy) as client:
        ask(client, b"1")
        proxy.half_open()
        client.sendall(b"held")
        proxy.reset()
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    eventually(lambda: proxy.connections == 0)
    assert echo.heard == b"1"


def test_lost_answers_were_given(proxy: Proxy, echo: Echo) -> None:
    proxy.lose_answers(1)
    with client_of(proxy) as client:
        client.sendall(b"do it")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert echo.heard == b"do it"
    with client_of(proxy) as client:
        assert ask(client, b"again") == b"again"


def test_nobody_behind_it_is_a_reset() -> None:
    with Proxy("127.0.0.1:1") as proxy:
        with pytest.raises(ConnectionResetError), client_of(proxy) as client:
            client.recv(1)
        eventually(lambda: proxy.connections == 0)


def test_many_connections(proxy: Proxy, echo: Echo) -> None:
    # Each is four open files in this process.
    many = min(2000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) // 4)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client_of(proxy)) for _ in range(many)]
        eventually(lambda: echo.clients == many, 10.0)
        for number, client in enumerate(clients):
            client.sendall(struct.pack("!I", number))
        assert [struct.unpack("!I", read(client, 4))[0] for client in clients] == list(range(many))
        assert proxy.connections == many
        proxy.reset()
    eventually(lambda: (proxy.connections, echo.clients) == (0, 0), 10.0)


def test_closing_twice_is_harmless(echo: Echo) -> None:
    proxy = Proxy(target_of(echo))
    with client_of(proxy) as client:
        ask(client, b"1")
        proxy.close()
        proxy.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        client_of(proxy)
