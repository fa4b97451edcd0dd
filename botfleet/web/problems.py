"""What is refused, and how it is told: JSON for programs, a page for people, never a traceback."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import BotfleetError, StoreError
from .error_body import error_body
from .pages import render

logger = logging.getLogger(__name__)

#: Paths whose callers are programs.
PROGRAMS = (
    "/api",
    "/slack/events",
    "/slack/commands",
    "/slack/interactive",
    "/healthz",
    "/readyz",
    "/metrics",
)


#: Seconds after which something that passes may be tried again, where nobody knows better.
LATER = 5.0


class Problem(Exception):
    """A request that is refused.

    Args:
        status: HTTP's.
        code: a stable name for programs, e.g. `unknown_team`.
        message: one sentence for people: what was wrong, and what is expected.
        detail: more about it; None where there is nothing more to say.
        headers: that the answer gets.
        retry_after: seconds after which it may be tried again, where that helps.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: object = None,
        headers: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = seconds(retry_after)


def seconds(value: float) -> str:
    """How `Retry-After` says it: whole seconds, one at least.

    >>> seconds(0.2), seconds(60.0)
    ('1', '60')
    """
    return str(max(1, math.ceil(value)))


def is_for_program(path: str) -> bool:
    """Whether a program asks.

    >>> is_for_program("/api/teams"), is_for_program("/apiary"), is_for_program("/dashboard")
    (True, False, False)
    """
    return any(path == one or path.startswith(f"{one}/") for one in PROGRAMS)


def answer(request: Request, problem: Problem) -> Response:
    """A problem as whoever asks can read it."""
    if is_for_program(request.url.path):
        error = error_body(problem.code, problem.message, problem.detail)
        return JSONResponse(error, problem.status, problem.headers)
    page = render(request, "problem.html", problem=problem, title=HTTPStatus(problem.status).phrase)
    page.status_code = problem.status
    page.headers.update(problem.headers)
    return page


async def on_problem(request: Request, exc: Exception) -> Response:
    """Starlette's handler of `Problem`."""
    assert isinstance(exc, Problem)
    return answer(request, exc)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Starlette's handler of its own refusals: unknown paths, methods, broken requests."""
    assert isinstance(exc, HTTPException)
    codes = {
        404: Problem(404, "not_found", "There is nothing at this address."),
        405: Problem(405, "method_not_allowed", f"This address does not take {request.method[:20]}."),
    }
    usual = Problem(exc.status_code, "bad_request", "The request could not be read.")
    problem = codes.get(exc.status_code, usual)
    problem.headers.update(exc.headers or {})
    return answer(request, problem)


async def on_error(request: Request, exc: Exception) -> Response:
    """Starlette's handler of what went wrong here: the store is away, or a defect."""
    if isinstance(exc, StoreError):
        away = Problem(503, "store_unavailable", "The store can't be reached just now.", retry_after=LATER)
        return answer(request, away)
    if isinstance(exc, BotfleetError):
        return answer(request, Problem(500, "failed", str(exc)))
    logger.error("A request failed", exc_info=exc, extra={"action": "web.error"})
    return answer(request, Problem(500, "internal_error", "Something went wrong here; the log has more."))
