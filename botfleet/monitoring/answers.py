"""What is answered to who asks whether a process is well: on a worker's own port, and by the web role."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from .families import CONTENT_TYPE, Collector, render
from .readiness import Readiness


class Answer(NamedTuple):
    """What is answered to a request."""

    status: int
    body: bytes
    kind: str = "application/json"


def health_answer(trouble: str) -> Answer:
    """The answer of `/healthz`: `{"ok": true}`, or with an `error` what is wrong."""
    if trouble:
        body = msgspec.json.encode({"ok": False, "error": trouble})
        return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, body)
    return Answer(HTTPStatus.OK, b'{"ok":true}')


def readiness_answer(readiness: Readiness) -> Answer:
    """The answer of `/readyz`. Blocks for up to two seconds."""
    report = readiness.look()
    status = HTTPStatus.OK if report.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, msgspec.json.encode(report))


def metrics_answer(collectors: Iterable[Collector]) -> Answer:
    """The answer of `/metrics`, in Prometheus' text format. Blocks where a collector does."""
    return Answer(HTTPStatus.OK, render(collectors), CONTENT_TYPE)
