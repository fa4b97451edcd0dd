"""Whether this process is well and ready, and what it and the fleet do in figures."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..monitoring.answers import Answer, health_answer, metrics_answer, readiness_answer
from .context import context_of


async def healthz(request: Request) -> Response:
    """`/healthz`: the process is alive."""
    dead = context_of(request).gateway.dead
    return _response(health_answer(f"the thread {dead} died" if dead else ""))


async def readyz(request: Request) -> Response:
    """`/readyz`: requests may come: the store and the broker answer, and the process is not to end."""
    context = context_of(request)
    return _response(await context.probe(readiness_answer, context.readiness))


async def metrics(request: Request) -> Response:
    """`/metrics`: in Prometheus' text format."""
    context = context_of(request)
    return _response(await context.run(metrics_answer, context.metrics))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, {"Content-Type": answer.kind})
