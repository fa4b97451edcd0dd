"""The gateway's addresses for the table of routes: so they are found there, with all others."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .context import context_of
from .error_body import NO_RETRY
from .gateway.endpoint import Endpoint
from .problems import Problem


async def receive(request: Request) -> Response:
    """`/slack/events`, `/slack/commands` and `/slack/interactive`, each with a namespace or without."""
    gateway = context_of(request).gateway
    endpoint = gateway.endpoints.get(request.url.path)
    if endpoint is None:
        gateway.counters.outcomes.unknown_namespace += 1
        raise Problem(404, "unknown_namespace", "No app of this namespace is known.", headers={NO_RETRY: "1"})
    return _Passed(endpoint)


class _Passed(Response):
    """An answer that the endpoint gives by itself."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await self._endpoint(scope, receive, send)
