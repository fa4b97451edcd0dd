"""What an endpoint of the REST API takes and answers, said once: for the endpoint and for the description."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ...errors import BotfleetError, StoreError
from ..access import Caller
from ..context import WebContext, context_of
from .reading import Body, Parameters, read_body, read_query
from .refusals import problem_of

logger = logging.getLogger(__name__)

Q = TypeVar("Q", bound=Parameters | None)
B = TypeVar("B", bound=Body | None)


@dataclass(frozen=True)
class Call(Generic[Q, B]):
    """A request that was understood.

    Attributes:
        action: the operation's name.
        context: of the web role.
        caller: who asks; None where anybody may.
        path: the parameters in the path.
        query, body: as the operation takes them; None where it takes none.
    """

    action: str
    context: WebContext
    caller: Caller | None
    path: Mapping[str, str]
    query: Q
    body: B

    def log(self, what: str) -> None:
        """Notes who did this to what: a bot's key or the like, never something that was not checked."""
        name = self.caller.name if self.caller else "nobody"
        logger.info("%s by %s: %s", self.action, name, what, extra={"action": f"api.{self.action}"})


@dataclass(frozen=True)
class Reply:
    """What is answered.

    Attributes:
        value: becomes the JSON; None for none.
        status: HTTP's; one of those that the operation names.
        headers: more headers.
    """

    value: msgspec.Struct | msgspec.Raw | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """As Starlette sends it."""
        if self.value is None:
            return Response(status_code=self.status, headers=self.headers)
        content = msgspec.json.encode(self.value)
        return Response(content, self.status, self.headers, media_type="application/json")


@dataclass(frozen=True)
class Operation:
    """An endpoint of the REST API.

    Attributes:
        do: does it; may block, for it runs in a thread.
        summary: what it does, in a few words.
        description: more of it.
        answers: the types of its answers by their status.
        refusals: statuses of what it refuses, beside those that are everybody's.
        query, body: what it takes; None for nothing.
        body_needed: whether there has to be a body.
    """

    do: Callable[[Call[Any, Any]], Reply]
    summary: str
    description: str
    answers: Mapping[int, Any]
    refusals: tuple[int, ...] = ()
    query: type[Parameters] | None = None
    body: type[Body] | None = None
    body_needed: bool = True

    @property
    def name(self) -> str:
        """Names it in the description."""
        return self.do.__name__

    async def __call__(self, request: Request) -> Response:
        """Answers a request."""
        call = Call(
            self.name,
            context_of(request),
            request.scope.get("caller"),
            cast("Mapping[str, str]", request.path_params),
            read_query(request, self.query or Parameters),
            await read_body(request, self.body, self.body_needed) if self.body else None,
        )
        reply = await call.context.run(self._run, call)
        return reply.response()

    def _run(self, call: Call[Any, Any]) -> Reply:
        try:
            return self.do(call)
        except StoreError:
            raise
        except BotfleetError as exc:
            raise problem_of(exc) from exc


def operation(
    summary: str,
    answers: Mapping[int, Any],
    refusals: tuple[int, ...] = (),
    query: type[Parameters] | None = None,
    body: type[Body] | None = None,
    body_needed: bool = True,
) -> Callable[[Callable[[Call[Any, Any]], Reply]], Operation]:
    """Makes an operation of a function; its docstring becomes the description."""

    def made(do: Callable[[Call[Any, Any]], Reply]) -> Operation:
        description = inspect.cleandoc(do.__doc__ or "")
        return Operation(do, summary, description, answers, refusals, query, body, body_needed)

    return made
