"""`/api/openapi.json`, and the same as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..access import Rule
from ..context import context_of
from ..pages import render
from .openapi import describe
from .page import groups_of, types_of


async def show_openapi(request: Request) -> Response:
    """`GET /api/openapi.json`."""
    return JSONResponse(_description(request), headers={"Cache-Control": "no-cache"})


async def show_docs(request: Request) -> Response:
    """`GET /api/docs`."""
    found = _description(request)
    return render(request, "api.html", info=found["info"], groups=groups_of(found), types=types_of(found))


def _description(request: Request) -> dict[str, Any]:
    state = request.app.state
    if not hasattr(state, "description"):
        rules, context = cast("Sequence[Rule]", state.rules), context_of(request)
        state.description = describe(rules, context.settings.web_url, context.open)
    return cast("dict[str, Any]", state.description)
