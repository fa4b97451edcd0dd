"""Whether this process is well."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def healthz(request: Request) -> Response:
    """`/healthz`: the process is alive."""
    return JSONResponse({"ok": True})
