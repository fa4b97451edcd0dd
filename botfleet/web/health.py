"""Whether this process is well and ready, and what it and the fleet do in figures."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..monitoring.families import CONTENT_TYPE, render
from .context import context_of


async def healthz(request: Request) -> Response:
    """`/healthz`: the process is alive."""
    dead = context_of(request).gateway.dead
    if dead:
        error = f"the thread {dead} died"
        return JSONResponse({"ok": False, "error": error}, HTTPStatus.INTERNAL_SERVER_ERROR)
    return JSONResponse({"ok": True})


async def readyz(request: Request) -> Response:
    """`/readyz`: requests may come: the store and the broker answer, and the process is not to end."""
    context = context_of(request)
    report = await context.probe(context.readiness.look)
    status = HTTPStatus.OK if report.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(msgspec.to_builtins(report), status)


async def metrics(request: Request) -> Response:
    """`/metrics`: in Prometheus' text format."""
    context = context_of(request)
    page = await context.run(render, context.metrics)
    return Response(page, headers={"Content-Type": CONTENT_TYPE})
