"""Signing in and out, by people in a browser."""

from __future__ import annotations

import logging
import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from . import sessions
from .access import known_key
from .context import WebContext, context_of
from .pages import render
from .problems import seconds
from .tries import Tries, address_of

logger = logging.getLogger(__name__)

#: Where who signs in is led to when nothing else is asked for.
HOME = "/dashboard"
#: From one address. Not of all together: whoever tries keys is to keep nobody else out.
_TRIES = Tries("sign-in", 10)
#: Letters of a key, and more.
_MAX_KEY = 200
#: Paths of our own: no other host's (`//…`), nothing that browsers take for one or that splits a header.
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_WRONG = "This key is wrong, or was removed."


async def show(request: Request) -> Response:
    """`GET /sign-in`."""
    wanted = own_path(request.query_params.get("next"))
    if context_of(request).open or await sessions.current(request) is not None:
        return RedirectResponse(wanted, 303)
    return render(request, "sign_in.html", next=wanted, trouble="")


async def sign_in(request: Request) -> Response:
    """`POST /sign-in`."""
    await sessions.check_origin(request, None)
    context, form = context_of(request), await request.form()
    wanted = own_path(form.get("next"))
    address = address_of(request)
    if await context.run(_TRIES.are_over, context.fleet.store, address):
        return _refuse_for_a_time(request, wanted)
    response = RedirectResponse(wanted, 303)
    if await context.run(_begin, context, form.get("key"), response):
        return response
    logger.warning("Somebody at %s signed in with a wrong key", address, extra={"action": "web.sign_in"})
    return render(request, "sign_in.html", 401, next=wanted, trouble=_WRONG)


async def sign_out(request: Request) -> Response:
    """`POST /sign-out`."""
    response = RedirectResponse("/sign-in", 303)
    await context_of(request).run(sessions.end, request, response)
    return response


def own_path(wanted: object) -> str:
    """Where somebody may be led to: a path of our own; the dashboard in place of anything else.

    >>> own_path("/dashboard/teams?q=x"), own_path("//evil.example/"), own_path("https://evil.example/")
    ('/dashboard/teams?q=x', '/dashboard', '/dashboard')
    """
    return wanted if isinstance(wanted, str) and _OWN_PATH.fullmatch(wanted) else HOME


def _begin(context: WebContext, key: object, response: Response) -> bool:
    found = known_key(context, key.strip()) if isinstance(key, str) and len(key) <= _MAX_KEY else None
    if found is None:
        return False
    sessions.begin(context, found, response)
    logger.info("The key %s signed in", found.id, extra={"action": "web.sign_in"})
    return True


def _refuse_for_a_time(request: Request, wanted: str) -> Response:
    page = render(
        request,
        "sign_in.html",
        429,
        next=wanted,
        trouble="Too many tries. Wait for a minute, then try again.",
    )
    page.headers["Retry-After"] = seconds(_TRIES.window)
    return page
