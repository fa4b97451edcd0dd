"""Who asks, and what they may do: each route has its rights, in `routes.py`, and they are enforced here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, cast
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..access_keys import find_key
from ..model import AccessKey, Rights
from . import sessions
from .context import WebContext, context_of
from .problems import Problem
from .tries import Tries, address_of

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]
#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Wrong keys that one address may send.
_WRONG_KEYS = Tries("wrong-key", 20)


class Access(Enum):
    """Who may use a route."""

    #: Anybody.
    PUBLIC = "public"
    #: Whoever signs as Slack does; the endpoint checks that.
    SLACK = "slack"
    #: Keys with any rights; keys with admin rights.
    READ = "read"
    ADMIN = "admin"
    #: The same for pages: who is not signed in is led to where that is done.
    SEE = "see"
    ACT = "act"


_ADMINS = frozenset({Access.ADMIN, Access.ACT})
_PAGES = frozenset({Access.SEE, Access.ACT})


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the key, for logs and pages.
        rights: what may be done.
        via: a key in a header, a session, or that everybody may do everything.
        session: of a session, else None.
    """

    name: str
    rights: Rights
    via: Literal["key", "session", "open"]
    session: sessions.Session | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it may change things."""
        return self.rights == "admin"


@dataclass(frozen=True)
class Rule:
    """A route and who may use it."""

    methods: str
    path: str
    endpoint: Endpoint
    access: Access

    @property
    def all_methods(self) -> list[str]:
        """`methods`, apart."""
        return self.methods.split()


# Requests


async def authenticate(request: Request) -> Caller | None:
    """Who asks; None for who does not say, or can't prove it.

    Raises:
        Problem: a key was sent that is none.
    """
    context = context_of(request)
    if context.open:
        return Caller("everybody", "admin", "open")
    sent = request.headers.getlist("authorization")
    if sent:
        found = await context.run(known_key, context, _key_in(sent))
        if found is None:
            raise await context.run(_wrong_key, context, address_of(request))
        return Caller(found.name, found.rights, "key")
    session = await sessions.current(request)
    if session is None:
        return None
    return Caller(session.key.name, session.key.rights, "session", session)


def known_key(context: WebContext, key: str) -> AccessKey | None:
    """The key as the store knows it; None for one that is wrong or was removed. Blocks."""
    return find_key(context.fleet.store, key)


def _key_in(sent: list[str]) -> str:
    """The key of an Authorization header; empty where there is none, or are several."""
    scheme, _, key = sent[0].partition(" ")
    return key.strip() if scheme.lower() == "bearer" and len(sent) == 1 else ""


def _wrong_key(context: WebContext, address: str) -> Problem:
    """Counts a wrong key, and says how it is refused. Right ones never are: people share addresses."""
    tries = _WRONG_KEYS.count(context.fleet.store, address)
    if tries in (1, _WRONG_KEYS.most + 1):
        logger.warning("Somebody at %s uses a wrong key", address, extra={"action": "web.wrong_key"})
    if tries > _WRONG_KEYS.most:
        return Problem(
            429,
            "too_many_wrong_keys",
            "Too many wrong keys came from this address; wait for a minute.",
            retry_after=_WRONG_KEYS.window,
        )
    return _unauthenticated("The key is wrong or was removed.", 'error="invalid_token"')


def caller_of(request: Request) -> Caller:
    """Who asks, where a rule let them through."""
    return cast(Caller, request.scope["caller"])


def guarded(rule: Rule) -> Endpoint:
    """An endpoint that only those reach who have the right to."""
    if rule.access in (Access.PUBLIC, Access.SLACK):
        return rule.endpoint

    async def endpoint(request: Request) -> Response:
        caller = await authenticate(request)
        if caller is None:
            return _lead_in(request, rule)
        if rule.access in _ADMINS and not caller.is_admin:
            raise _forbidden(caller)
        if request.method not in SAFE_METHODS:
            await sessions.check_origin(request, caller.session, keyed=caller.via == "key")
        request.scope["caller"] = caller
        return await rule.endpoint(request)

    return endpoint


def _lead_in(request: Request, rule: Rule) -> Response:
    if rule.access not in _PAGES:
        raise _unauthenticated("A key is needed: Authorization: Bearer …")
    if "hx-request" in request.headers:
        # A part of a page: the page sees to it that its reader signs in.
        return Response(status_code=401)
    if request.method not in SAFE_METHODS:
        return RedirectResponse("/sign-in", 303)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/sign-in?next={quote(request.url.path + query, safe='/')}", 303)


def _unauthenticated(message: str, more: str = "") -> Problem:
    challenge = ", ".join(filter(None, ('Bearer realm="botfleet"', more)))
    return Problem(401, "unauthenticated", message, headers={"WWW-Authenticate": challenge})


def _forbidden(caller: Caller) -> Problem:
    challenge = 'Bearer realm="botfleet", error="insufficient_scope"'
    headers = {"WWW-Authenticate": challenge} if caller.via == "key" else {}
    return Problem(403, "forbidden", "This needs a key with admin rights.", headers=headers)
