"""The ASGI app of the web role."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from ..errors import BotfleetError
from .access import Rule, guarded
from .context import WebContext
from .limits import Bodies, LocalHosts, SecurityHeaders
from .problems import Problem, on_error, on_http_exception, on_problem
from .routes import RULES


def make_app(context: WebContext, rules: Sequence[Rule] = RULES) -> Starlette:
    """Makes the app.

    Args:
        context: what its requests need.
        rules: its routes.
    """
    middleware = [
        Middleware(SecurityHeaders, https=context.is_https),
        *([Middleware(LocalHosts)] if context.open else []),
        Middleware(Bodies),
    ]
    app = Starlette(
        routes=[Route(rule.path, guarded(rule), methods=rule.all_methods) for rule in rules],
        middleware=middleware,
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            BotfleetError: on_error,
            Exception: on_error,
        },
    )
    app.state.context = context
    return app
