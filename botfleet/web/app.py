"""The ASGI app of the web role."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import BotfleetError
from .access import Rule, guarded
from .context import WebContext
from .limits import BODY_TIME, Bodies, Hosts, SecurityHeaders
from .problems import Problem, on_error, on_http_exception, on_problem
from .routes import RULES


def make_app(context: WebContext, rules: Sequence[Rule] = RULES, body_time: float = BODY_TIME) -> Starlette:
    """Makes the app.

    Args:
        context: what its requests need.
        rules: its routes.
        body_time: seconds within which a body has to be there.
    """
    middleware = [
        Middleware(SecurityHeaders, https=context.is_https),
        Middleware(Hosts, local=context.open),
        Middleware(Bodies, large=context.gateway.endpoints.keys(), seconds=body_time),
    ]
    app = Starlette(
        routes=[_route(path, group) for path, group in _by_path(rules).items()],
        middleware=middleware,
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            BotfleetError: on_error,
            Exception: on_error,
        },
    )
    app.state.context = context
    app.state.rules = rules
    # Leading from /x/ to /x would send whoever asks to the host that the request itself names.
    app.router.redirect_slashes = False
    return app


def _by_path(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.path, []).append(rule)
    return found


def _route(path: str, rules: Sequence[Rule]) -> Route:
    """One route for all methods of a path, so that its 405 tells of all of them."""
    endpoints = {method: guarded(rule) for rule in rules for method in rule.all_methods}
    if "GET" in endpoints:
        endpoints.setdefault("HEAD", endpoints["GET"])

    async def endpoint(request: Request) -> Response:
        try:
            return await endpoints[request.method](request)
        except (Problem, HTTPException, BotfleetError):
            raise
        except Exception as exc:
            # Starlette's own place for it is outside of all middleware, and raises it once more.
            return await on_error(request, exc)

    return Route(path, endpoint, methods=list(endpoints))
