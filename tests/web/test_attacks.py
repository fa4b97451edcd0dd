"""What strangers send to find a way in, over a real port: broken, huge and slow requests, odd headers."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import pytest
import uvicorn
from starlette.testclient import TestClient

from botfleet.access_keys import add_key
from botfleet.fleet import Fleet
from botfleet.publishing.sinks import MemorySink
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.web.app import make_app
from botfleet.web.context import WebContext
from botfleet.web.logs import FORMAT, OneLine
from botfleet.web.protocol import BoundedHttp
from botfleet.web.server import config_of, listen
from tests.integration.store_values import add, bot
from tests.waiting import eventually

from .conftest import MakeClient, MakeKey

#: Seconds that slow clients have here, in place of 10.
PATIENCE = 0.2


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Web(NamedTuple):
    """A web role on a real port."""

    port: int
    store: MemoryStore
    key: str

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10.0)

    def send(self, *parts: bytes) -> Answer:
        """Sends bytes as they are, and reads what is answered until the line is cut."""
        with self.connect() as line:
            for part in parts:
                line.sendall(part)
            return read(line)

    def ask(self, first_line: str, *headers: str, body: bytes = b"", host: bool = True) -> Answer:
        """A request with these lines; it is the connection's last."""
        lines = [first_line, *(["Host: localhost"] if host else []), *headers, "Connection: close", "", ""]
        return self.send("\r\n".join(lines).encode("latin-1") + body)

    @property
    def authorization(self) -> str:
        return f"Authorization: Bearer {self.key}"


def read(line: socket.socket) -> Answer:
    data = b""
    with contextlib.suppress(ConnectionError):
        while part := line.recv(65_536):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = dict(one.lower().split(": ", 1) for one in rest)
    return Answer(int(first.split(" ")[1]) if first else 0, headers, body)


@contextlib.contextmanager
def serving(**chosen: object) -> Iterator[Web]:
    store = MemoryStore(16)
    settings = Settings.load({}, {}, store_url="memory://", **chosen)
    app = make_app(WebContext(Fleet(settings, store=store), MemorySink()), body_time=PATIENCE)
    config = config_of(app, settings)
    config.http = type("Impatient", (BoundedHttp,), {"head_time": PATIENCE})
    server, listener = uvicorn.Server(config), listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    assert eventually(lambda: server.started)
    yield Web(listener.getsockname()[1], store, add_key(store, "test", "admin", 1.0))
    server.should_exit = True
    thread.join(10.0)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as found:
        add(found.store, bot("T1"))
        yield found


@pytest.fixture(autouse=True)
def _the_log_has_a_line_for_each_thing_and_no_defects(
    web: Web, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    # Its log of requests is off: it has no handlers, but for pytest's.
    assert not logging.getLogger("uvicorn.access").propagate
    logging.getLogger("uvicorn.access").disabled = True
    yield
    for record in caplog.get_records("call"):
        if record.name.startswith(("botfleet", "uvicorn")):
            assert record.exc_info is None, record.getMessage()
            assert OneLine(FORMAT).format(record).isprintable()


# Bodies


def test_a_dribbled_body_is_cut_off(web: Web) -> None:
    head = (
        f"POST /api/teams HTTP/1.1\r\nHost: localhost\r\n{web.authorization}\r\nContent-Length: 500\r\n\r\n"
    )
    began = time.monotonic()
    with web.connect() as line:
        line.sendall(head.encode())
        line.settimeout(0.05)
        answer = b""
        while not answer:
            with contextlib.suppress(TimeoutError):
                line.sendall(b"x")
                answer = line.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer
    assert 0.9 * PATIENCE <= time.monotonic() - began < 5.0


def test_a_body_that_is_too_large_is_not_read_to_its_end(web: Web) -> None:
    for how in ("Content-Length: 100000000", "Transfer-Encoding: chunked"):
        body = b"x" * 70_000 if how.startswith("C") else b"11171\r\n" + b"x" * 70_001
        answer = web.ask("POST /api/teams HTTP/1.1", how, web.authorization, body=body)
        assert answer.status == 413
        assert answer.headers["connection"] == "close"


def test_a_body_for_a_request_that_has_none_does_not_hold_the_line(web: Web) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"
    began = time.monotonic()
    assert web.send(head, b"x" * 10).status == 200
    assert 0.9 * PATIENCE <= time.monotonic() - began < 5.0


def test_who_goes_away_in_the_midst_of_a_body_is_no_defect(web: Web) -> None:
    head = (
        f"POST /api/teams HTTP/1.1\r\nHost: localhost\r\n{web.authorization}\r\nContent-Length: 500\r\n\r\n"
    )
    with web.connect() as line:
        line.sendall(head.encode() + b"{")
    assert web.ask("GET /healthz HTTP/1.1").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 2", "Content-Length: 3"],
        ["Content-Length: 2", "Content-Length: 2"],
        ["Content-Length: 2, 2"],
        ["Content-Length: -1"],
        ["Content-Length: +2"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: 2", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 2"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length: 2", " folded: x"],
        ["X\x00Y: 1"],
        ["X: a\x00b"],
    ],
)
def test_what_two_servers_may_read_otherwise_is_refused(web: Web, headers: list[str]) -> None:
    answer = web.ask("POST /api/stop HTTP/1.1", web.authorization, *headers, body=b"{}")
    assert answer.status in (400, 413)
    if answer.status == 413:
        assert headers == ["Content-Length: 99999999999999999999999"]


# Heads


def test_dribbled_headers_are_cut_off(web: Web) -> None:
    began = time.monotonic()
    with web.connect() as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        line.settimeout(0.05)
        answer = b""
        while not answer:
            with contextlib.suppress(TimeoutError):
                line.sendall(b"X: 1\r\n")
                answer = line.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 5.0


def test_who_says_nothing_at_all_is_not_waited_for(web: Web) -> None:
    began = time.monotonic()
    with web.connect() as line:
        assert line.recv(1) == b""
    assert 0.9 * PATIENCE <= time.monotonic() - began < 5.0


def test_a_line_is_kept_for_one_who_asks_again(web: Web) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with web.connect() as line:
        for _ in range(3):
            line.sendall(head)
            assert line.recv(5000).startswith(b"HTTP/1.1 200 ")
        line.settimeout(2 * PATIENCE)
        with pytest.raises(TimeoutError):
            line.recv(1)


@pytest.mark.parametrize("name", ["X", "Cookie", "Authorization", "User-Agent"])
def test_huge_headers_are_refused(web: Web, name: str) -> None:
    assert web.ask("GET /api/status HTTP/1.1", f"{name}: {'x' * 2**20}").status == 431


def test_many_headers_are_refused(web: Web) -> None:
    assert web.ask("GET /api/status HTTP/1.1", *(f"X-{n}: {'x' * 100}" for n in range(10_000))).status == 431


def test_a_huge_address_is_refused(web: Web) -> None:
    assert web.ask(f"GET /api/{'x' * 2**20} HTTP/1.1").status == 431


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["Host: localhost", "Host: evil.example"],
        ["Host: localhost, evil.example"],
        ["Host: "],
        ["Host: evil.example/path?"],
        ["Host: a b"],
        ["Host: user@localhost"],
        ["Host: localhost:x"],
        ["Host: \x1b[31m"],
    ],
)
def test_a_host_is_named_once_and_clearly(web: Web, hosts: list[str]) -> None:
    answer = web.ask("GET /healthz HTTP/1.1", *hosts, host=False)
    assert answer.status == 400


def test_several_keys_are_none(web: Web) -> None:
    assert web.ask("GET /api/status HTTP/1.1", web.authorization).status == 200
    assert web.ask("GET /api/status HTTP/1.1", web.authorization, web.authorization).status == 401
    assert web.ask("GET /api/status HTTP/1.1", "Authorization: Basic eA==", web.authorization).status == 401


def test_no_header_makes_another_request_of_it(web: Web) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = web.ask("POST /api/teams/T1 HTTP/1.1", web.authorization, f"{name}: DELETE")
        assert answer.status == 405
    for name in ("X-Original-URL", "X-Rewrite-URL"):
        assert web.ask("GET /healthz HTTP/1.1", f"{name}: /api/status").body == b'{"ok":true}'
    assert web.store.bot("T1") is not None


def test_an_address_with_a_host_in_it_leads_nowhere_else(web: Web) -> None:
    answer = web.ask("GET http://evil.example/api/status HTTP/1.1")
    assert answer.status in (400, 401)
    assert b"evil" not in answer.body
    assert web.ask("CONNECT evil.example:443 HTTP/1.1").status in (400, 404)
    answer = web.ask("GET //evil.example/dashboard HTTP/1.1")
    assert (answer.status, "location" in answer.headers) == (404, False)


def test_an_upgrade_that_nobody_offers_is_a_plain_request(web: Web) -> None:
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13")
    assert web.ask("GET /api/status HTTP/1.1", *upgrade).status in (400, 401)


@pytest.mark.parametrize(
    "line",
    ["", "x", "GET", "GET / HTTP/9.9", "GET \xff HTTP/1.1", "TRACE / HTTP/1.1", "gEt / HTTP/1.1"],
)
def test_what_is_no_request_is_refused(web: Web, line: str) -> None:
    assert web.ask(line).status in (0, 400, 404, 405, 408)


# Addresses of whoever asks


def wrong_keys(web: Web, *headers: Callable[[int], str]) -> list[int]:
    wrong = "Authorization: Bearer wrong"
    return [
        web.ask("GET /api/status HTTP/1.1", wrong, *(one(n) for one in headers)).status for n in range(22)
    ]


def test_nobody_takes_another_address_by_a_header() -> None:
    with serving() as web:
        said = wrong_keys(
            web,
            lambda n: f"X-Forwarded-For: 10.0.0.{n}",
            lambda n: f"X-Real-IP: 10.0.0.{n}",
            lambda n: f"Forwarded: for=10.0.0.{n}",
        )
        assert said == [401] * 20 + [429] * 2
        assert (
            web.ask("GET /api/status HTTP/1.1", web.authorization, "X-Forwarded-Proto: https").status == 200
        )


def test_a_proxy_that_is_trusted_says_who_asks() -> None:
    with serving(web_proxies="127.0.0.1") as web:
        assert wrong_keys(web, lambda n: f"X-Forwarded-For: 10.0.0.{n}") == [401] * 22
        # What a client itself put in front of it does not count.
        said = wrong_keys(web, lambda n: f"X-Forwarded-For: 10.1.0.{n}, 10.2.0.1")
        assert said == [401] * 20 + [429] * 2


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/static/../web/app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2fapp.py",
        "/static/%252e%252e/app.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/botfleet.css%00",
        "/static/botfleet.css%00.png",
        "/static/botfleet.css/",
        "/static/..\\app.py",
        "/static/%5c..%5capp.py",
        "/static/",
        "/static",
        "/static/vendor",
        "/static/./botfleet.css",
        "/static/" + "a/" * 5000,
        "/static/" + "a" * 5000,
    ],
)
def test_no_path_leads_out_of_the_files(web: Web, path: str) -> None:
    assert web.ask(f"GET {path} HTTP/1.1").status == 404


@pytest.mark.parametrize(
    "key",
    [
        "%2e%2e",
        "..",
        "%00",
        "T1%00",
        "T1%0d%0aX:1",
        "T1%2Fhistory",
        "T1/",
        "/T1",
        "T1;x",
        "%ff",
        "%C0%AF",
        "T1%20",
        "xoxb-secret",
        "%1b%5b31m",
        "T" * 5000,
    ],
)
def test_no_path_leads_to_another_bot(web: Web, key: str) -> None:
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/stop")):
        answer = web.ask(f"{method} /api/teams/{key}{more} HTTP/1.1", web.authorization, "Content-Length: 0")
        assert answer.status in (404, 405)
        assert b"secret" not in answer.body
    found = web.store.bot("T1")
    assert found is not None
    assert found.desired == "running"


# The log


def test_nobody_writes_into_the_log(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    evil = quote("\r\n[2026-01-01 00:00:00,000: INFO/root] forged \x1b[31m\x00\u202e")
    for path in (
        f"/api/teams/{evil}",
        f"/{evil}",
        f"/api/holders/{evil}/drain",
        f"/api/teams?q={evil}&{evil}=1",
    ):
        for method in ("GET", "POST", "DELETE"):
            web.ask(f"{method} {path} HTTP/1.1", web.authorization, "Content-Length: 0")
    for name in ("User-Agent", "Referer", "X-Forwarded-For", "Cookie", "Authorization", "Origin"):
        web.ask("GET /api/status HTTP/1.1", f"{name}: \x1b[31m forged")
    web.ask("POST /sign-in HTTP/1.1", "Content-Length: 11", body=b"key=forged%0a"[:11])
    assert "forged" not in caplog.text


# Other sites


TARGETS = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/\t/evil.example",
    "/%09/evil.example",
    "/%2f/evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "http:evil.example",
    "/dashboard\r\nSet-Cookie: a=b",
    "/dashboard\r\n\r\n<script>",
    "/a/..//evil.example",
    "@evil.example",
    "evil.example",
    "",
    "é",
]


@pytest.mark.parametrize("target", TARGETS)
def test_signing_in_leads_to_our_own_pages_only(
    make_client: MakeClient, make_key: MakeKey, target: str
) -> None:
    client = make_client()
    form = client.get("/sign-in", params={"next": target})
    assert "location" not in form.headers
    there = client.post("/sign-in", data={"key": make_key("admin"), "next": target}).headers["location"]
    assert urlsplit(urljoin("http://localhost:8080/sign-in", there)).netloc == "localhost:8080"
    assert there.startswith("/")
    assert there[1:2] not in ("/", "\\")
    assert there.isprintable()


@pytest.mark.parametrize(
    "path", ["//evil.example/dashboard", "/dashboard?next=//evil.example", "/dashboard/%0d%0aX:1"]
)
def test_who_is_led_to_sign_in_comes_back_to_our_own_pages(make_client: MakeClient, path: str) -> None:
    response = make_client().get(f"http://localhost:8080{path}")
    there = response.headers.get("location", "/sign-in")
    assert there.startswith("/sign-in")
    assert "//evil" not in there.replace("%3Fnext%3D//evil", "")


def test_each_answer_has_its_headers_even_where_something_breaks(
    make_client: MakeClient, memory_store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: TestClient = make_client(open=True)

    def broken(key: str) -> None:
        raise ValueError("a defect, with xoxb-secret in it")

    monkeypatch.setattr(memory_store, "bot_and_status", broken)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("botfleet.web.problems"), "disabled", True)
        response = client.get("/api/teams/T1")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    assert "content-security-policy" in response.headers
