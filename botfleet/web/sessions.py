"""Sessions of people who signed in with a key: a cookie, and a note in the store that it leads to."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ..model import AccessKey
from .context import WebContext, context_of
from .cookies import Cookie
from .problems import Problem

#: Seconds that a session lasts.
LIFE = 12 * 3600.0
_COOKIE = Cookie("botfleet_session", LIFE)


class _Note(msgspec.Struct, frozen=True):
    """What the store knows of a session."""

    key_id: str
    csrf: str


@dataclass(frozen=True)
class Session:
    """A session, and the key that it was begun with.

    Attributes:
        csrf: what each change has to come with, in the field `csrf` or the header X-CSRF-Token.
    """

    key: AccessKey
    csrf: str

    def __repr__(self) -> str:
        return f"<Session of {self.key.id}>"


def begin(context: WebContext, key: AccessKey, response: Response) -> None:
    """Begins a session: writes its note and sets the cookie. Blocks."""
    session_id = secrets.token_urlsafe(32)
    note = _Note(key.id, secrets.token_urlsafe(32))
    context.fleet.store.put_note(_name(session_id), msgspec.json.encode(note), LIFE)
    _COOKIE.give(context, response, session_id)


def end(request: Request, response: Response) -> None:
    """Ends the session of a request. Blocks."""
    context = context_of(request)
    context.fleet.store.drop_note(_name(_COOKIE.read(request)))
    _COOKIE.take_back(context, response)


async def current(request: Request) -> Session | None:
    """The session of a request; None without one, or where its key was removed."""
    session_id = _COOKIE.read(request)
    if not session_id:
        return None
    return await context_of(request).run(_find, context_of(request), session_id)


def _find(context: WebContext, session_id: str) -> Session | None:
    store = context.fleet.store
    row = store.read_note(_name(session_id))
    if row is None:
        return None
    note = msgspec.json.decode(row, type=_Note)
    key = store.access_key(note.key_id)
    return Session(key, note.csrf) if key is not None else None


def _name(session_id: str) -> str:
    # Who reads the store is not to get in by what is found there.
    return f"session:{hashlib.sha256(session_id.encode(errors='replace')).hexdigest()}"


async def check_origin(request: Request, session: Session | None, keyed: bool = False) -> None:
    """Refuses a change that another site's page asks this browser to make.

    Args:
        session: what the request was authenticated by; None in open mode.
        keyed: the request has a key, which no browser sends by itself.

    Raises:
        Problem: it does not come from a page of our own.
    """
    if keyed:
        return
    if not is_own_origin(request):
        raise _foreign()
    if session is None:
        return
    sent = request.headers.get("x-csrf-token")
    if sent is None:
        sent = str((await request.form()).get("csrf", ""))
    if not hmac.compare_digest(sent.encode(errors="replace"), session.csrf.encode()):
        raise _foreign()


def is_own_origin(request: Request) -> bool:
    """Whether a request comes from a page of our own, or from no page at all."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    own = {request.headers.get("host", ""), urlsplit(context_of(request).settings.web_url).netloc}
    return bool(origin) and urlsplit(origin).netloc in own - {""}


def _foreign() -> Problem:
    return Problem(
        403, "foreign_request", "This page is too old, or another site sent the request; load it anew."
    )
