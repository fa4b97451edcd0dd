"""Who asks, and what they may do: each route has its rights, in `routes.py`, and they are enforced here."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..model import AccessKey, Rights
from . import sessions
from .context import WebContext, context_of
from .problems import Problem

Endpoint = Callable[[Request], Awaitable[Response]]
#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEY = re.compile(r"bfk_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


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


# Keys


def new_key(name: str, rights: Rights, now: float) -> tuple[str, AccessKey]:
    """Makes a key: the key itself, which nobody keeps, and what the store knows of it."""
    key_id = secrets.token_hex(4)
    key = f"bfk_{key_id}_{secrets.token_urlsafe(32)}"
    return key, AccessKey(id=key_id, name=name, rights=rights, digest=digest_of(key), created_at=now)


def digest_of(key: str) -> str:
    """What the store knows of a key. Keys are random, so that one round of hashing is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def known_key(context: WebContext, key: str) -> AccessKey | None:
    """The key as the store knows it; None for one that is wrong or was removed. Blocks."""
    matched = _KEY.fullmatch(key)
    found = context.fleet.store.access_key(matched[1]) if matched else None
    if found is None or not hmac.compare_digest(found.digest, digest_of(key)):
        return None
    return found


# Requests


async def authenticate(request: Request) -> Caller | None:
    """Who asks; None for who does not say, or can't prove it.

    Raises:
        Problem: a key was sent that is none.
    """
    context = context_of(request)
    if context.open:
        return Caller("everybody", "admin", "open")
    sent = request.headers.get("authorization")
    if sent is not None:
        scheme, _, key = sent.partition(" ")
        found = await context.run(known_key, context, key.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise _unauthenticated("The key is wrong or was removed.")
        return Caller(found.name, found.rights, "key")
    session = await sessions.current(request)
    if session is None:
        return None
    return Caller(session.key.name, session.key.rights, "session", session)


def guarded(rule: Rule) -> Endpoint:
    """An endpoint that only those reach who have the right to."""
    if rule.access in (Access.PUBLIC, Access.SLACK):
        return rule.endpoint

    async def endpoint(request: Request) -> Response:
        caller = await authenticate(request)
        if caller is None:
            return _lead_in(request, rule)
        if rule.access in _ADMINS and not caller.is_admin:
            raise Problem(403, "forbidden", "This needs a key with admin rights.")
        if request.method not in SAFE_METHODS:
            await sessions.check_origin(request, caller.session, keyed=caller.via == "key")
        request.scope["caller"] = caller
        return await rule.endpoint(request)

    return endpoint


def _lead_in(request: Request, rule: Rule) -> Response:
    if rule.access not in _PAGES:
        raise _unauthenticated("A key is needed: Authorization: Bearer …")
    if request.method not in SAFE_METHODS:
        return RedirectResponse("/sign-in", 303)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/sign-in?next={quote(request.url.path + query, safe='/')}", 303)


def _unauthenticated(message: str) -> Problem:
    return Problem(401, "unauthenticated", message, headers={"WWW-Authenticate": 'Bearer realm="botfleet"'})
