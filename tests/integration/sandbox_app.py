"""An app that the sandbox speaks to by HTTP, and somebody who clicks through the consent page."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from ..waiting import eventually


@dataclass
class Heard:
    """One request that the app has got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """What it says: JSON, the JSON in a form's payload, or a form's fields."""
        if self.headers["content-type"] == "application/json":
            return dict(json.loads(self.body))
        form = {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
        return dict(json.loads(form["payload"])) if "payload" in form else form

    @property
    def type(self) -> str:
        content = self.content
        inner = content.get("event", content)
        return str(inner.get("type") or inner.get("command"))


@dataclass
class Answer:
    """What the app answers."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


class Receiver:
    """An app's web server.

    Attributes:
        url: its base.
        heard: what came, in order.
        answer: decides what is answered; 200 and the challenge by default.
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], Answer] = challenge
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard = Heard(self.path, headers, body)
                answer = receiver.answer(heard)
                receiver.heard.append(heard)
                if answer.wait is not None:
                    answer.wait.wait(10)
                with contextlib.suppress(OSError):
                    self.send_response(answer.status)
                    for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer.body)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def wait_for(self, kind: str, count: int = 1) -> list[Heard]:
        """Wait for requests of a type, and give them all."""
        return eventually(lambda: len(self.all(kind)) >= count and self.all(kind))  # type: ignore[return-value]

    def all(self, kind: str) -> list[Heard]:
        return [heard for heard in list(self.heard) if heard.type == kind]

    def forget(self) -> None:
        self.heard.clear()
        self.answer = challenge


def challenge(heard: Heard) -> Answer:
    return Answer(str(heard.content.get("challenge", "")).encode())


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(
        target=receiver.server.serve_forever, args=(0.02,), name="receiver", daemon=True
    )
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


OPENER = build_opener(ProxyHandler({}), _Stay)


@dataclass(frozen=True)
class Person:
    """Somebody with a browser, who is sent to the sandbox by an app."""

    url: str
    client_id: str = "1000.0001"
    redirect_uri: str = "http://app.invalid/back?kept=1"

    def look(self, classic: bool = False, **query: str) -> tuple[int, str]:
        """Open the consent page; give the status and the page."""
        status, _, page = _fetch(Request(self._page(classic, query)))
        return status, page

    def decide(self, decision: str, place: str = "", classic: bool = False, **query: str) -> dict[str, str]:
        """Press a button of the page; give what the app gets in the redirect's query."""
        form = urlencode({"decision": decision, "place": place}).encode()
        status, location, _ = _fetch(Request(self._page(classic, query), data=form))
        assert (status, location.partition("?")[0]) == (302, "http://app.invalid/back")
        return dict(parse_qsl(urlsplit(location).query))

    def code(self, place: str, classic: bool = False, **query: str) -> str:
        """Allow what the app asks; give the code."""
        return self.decide("allow", place, classic, **query)["code"]

    def _page(self, classic: bool, query: dict[str, str]) -> str:
        scope = "bot" if classic else "chat:write,commands"
        usual = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": "s 1",
            "scope": scope,
        }
        return f"{self.url}oauth/{'' if classic else 'v2/'}authorize?{urlencode(usual | query)}"


def post(url: str, content: object) -> tuple[int, str]:
    """Use a response URL; give the status and the answer."""
    status, _, body = _fetch(Request(url, data=json.dumps(content).encode()))
    return status, body


def _fetch(request: Request) -> tuple[int, str, str]:
    try:
        with OPENER.open(request, timeout=10) as answer:
            return answer.status, "", answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers.get("Location", ""), error.read().decode()
