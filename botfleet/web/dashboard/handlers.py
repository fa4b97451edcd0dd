"""`/dashboard/handlers`: what handlers want, and how they do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..context import WebContext, context_of
from ..pages import render, text_of
from .shared import Fragment, is_fragment_wanted


async def show(request: Request) -> Response:
    """`GET /dashboard/handlers`: the page, or its living part."""
    context = context_of(request)
    fragment = await context.run(_fragment, context)
    if is_fragment_wanted(request):
        return fragment.answer(request)
    return render(
        request, "dashboard/handlers.html", section="handlers", fragment=fragment, at=context.clock()
    )


def _fragment(context: WebContext) -> Fragment:
    text = text_of("dashboard/handlers_now.html", handlers=context.handler_book.now())
    return Fragment("handlers", "/dashboard/handlers", text)
