"""`/dashboard`: the first page, and its living part."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..context import context_of
from ..pages import render
from .board import board_of


async def show(request: Request) -> Response:
    """`GET /dashboard`."""
    context = context_of(request)
    fragment = await board_of(request).glance.now(context)
    return render(
        request, "dashboard/overview.html", section="overview", fragment=fragment, at=context.clock()
    )


async def refresh(request: Request) -> Response:
    """`GET /dashboard/glance`."""
    fragment = await board_of(request).glance.now(context_of(request))
    return fragment.answer(request)
