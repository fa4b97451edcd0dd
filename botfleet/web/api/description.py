"""`/api/openapi.json`, and the same as a page.

Anybody may ask for them, as often as they like, and making the page takes the loop 10 ms: each is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ..access import Rule
from ..context import context_of
from ..pages import render
from .openapi import describe
from .page import groups_of, types_of


async def show_openapi(request: Request) -> Response:
    """`GET /api/openapi.json`."""
    body = _once(request, "openapi", lambda: bytes(JSONResponse(_description(request)).body))
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-cache"})


async def show_docs(request: Request) -> Response:
    """`GET /api/docs`."""
    body = _once(request, "docs", lambda: bytes(_page(request).body))
    return HTMLResponse(body)


def _page(request: Request) -> Response:
    found = _description(request)
    return render(
        request,
        "api.html",
        open=context_of(request).open,
        info=found["info"],
        groups=groups_of(found),
        types=types_of(found),
    )


def _description(request: Request) -> dict[str, Any]:
    rules, context = cast("Sequence[Rule]", request.app.state.rules), context_of(request)
    return describe(rules, context.settings.web_url, context.open)


def _once(request: Request, name: str, make: Callable[[], bytes]) -> bytes:
    """What was made for this app, the first time that it was asked for."""
    state = request.app.state
    if not hasattr(state, name):
        setattr(state, name, make())
    return cast("bytes", getattr(state, name))
