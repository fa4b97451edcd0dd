"""A Slack of a few canned answers, on loopback, for what only an HTTP client can show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

from botfleet.settings import Settings


class Answer(NamedTuple):
    """What is sent back."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})


class Call(NamedTuple):
    """What was asked."""

    method: str
    fields: dict[str, Any]
    token: str


def answer(status: int = 200, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    """An answer as Slack's."""
    return Answer(json.dumps(fields).encode(), status, headers or {})


class CannedSlack:
    """Answers each method with what `answers` has for it, the last one for ever; notes the `calls`."""

    def __init__(self, url: str) -> None:
        self.settings = Settings(slack_api_url=url, connect_timeout=1.0)
        self.answers: dict[str, list[Answer]] = {}
        self.calls: list[Call] = []

    def give(self, method: str, *answers: Answer) -> None:
        self.answers[method] = list(answers)

    def asked(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]


@contextmanager
def canned_slack() -> Iterator[CannedSlack]:
    """Starts the server, and ends it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            method = self.path.rpartition("/")[2]
            fields = json.loads(body) if body.startswith("{") else {"form": body}
            slack.calls.append(Call(method, fields, self.headers.get("Authorization", "")))
            waiting = slack.answers.get(method) or [answer(ok=False, error="unknown_method")]
            given = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(given.status)
            for name, value in {"Content-Type": "application/json", **given.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    slack = CannedSlack(f"http://127.0.0.1:{server.server_port}/api/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
