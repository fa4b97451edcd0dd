"""A port of its own for a worker, where it says whether it is well: `/healthz`, `/readyz`, `/metrics`.

By the standard library alone: workers are installed without the web role. Whoever reaches the port may read.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import ConfigurationError
from .answers import Answer, health_answer, metrics_answer, readiness_answer
from .families import Collector
from .readiness import Readiness

logger = logging.getLogger(__name__)

#: Seconds for which a request may be silent, and requests that are answered at a time.
_SILENCE = 5.0
_AT_ONCE = 16


class HealthServer:
    """Answers until `close`.

    Args:
        host, port: where it listens; port 0 takes any.
        health: what is wrong with the process, or nothing; quick.
        readiness: of the process.
        metrics: what is shown of it.

    Raises:
        ConfigurationError: the port can't be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        health: Callable[[], str],
        readiness: Readiness,
        metrics: Callable[[], Iterable[Collector]],
    ) -> None:
        answers: dict[str, Callable[[], Answer]] = {
            "/healthz": lambda: health_answer(health()),
            "/readyz": lambda: readiness_answer(readiness),
            "/metrics": lambda: metrics_answer(metrics()),
        }
        try:
            self._server = _server_class(host)((host, port), _handler_class(answers))
        except OSError as exc:
            raise ConfigurationError(
                "BOTFLEET_HEALTH_PORT", f"can't be listened on at {host}: {exc.strerror}", port
            ) from exc
        # The children of a prefork pool would keep the port when this process is gone.
        os.register_at_fork(after_in_child=self._server.socket.close)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def run(self) -> None:
        """Answers; the body of its thread."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Ends `run`, and lets go of the port."""
        self._server.shutdown()
        self._server.server_close()


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = _AT_ONCE
        # Requests are short, and the process's end waits for none of them.
        daemon_threads = True
        block_on_close = False
        places = threading.BoundedSemaphore(_AT_ONCE)

        def process_request(self, request: Any, client_address: Any) -> None:
            """Answers in a thread, where one is to be had."""
            if self.places.acquire(blocking=False):
                super().process_request(request, client_address)
            else:
                self.shutdown_request(request)

        def process_request_thread(self, request: Any, client_address: Any) -> None:
            """Answers."""
            try:
                super().process_request_thread(request, client_address)
            finally:
                self.places.release()

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Says in a line what http.server would print."""
            logger.debug("a request for the process's health failed", exc_info=True)

    return Server


def _handler_class(answers: Mapping[str, Callable[[], Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENCE
        server_version = "botfleet"
        sys_version = ""

        def do_GET(self) -> None:
            """Answers."""
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            """Answers without a body."""
            self._answer(with_body=False)

        def _answer(self, with_body: bool) -> None:
            do = answers.get(self.path.partition("?")[0])
            answer = do() if do else Answer(HTTPStatus.NOT_FOUND, b'{"error": "not found"}')
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if with_body:
                self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: probes come every few seconds."""

    return Handler
