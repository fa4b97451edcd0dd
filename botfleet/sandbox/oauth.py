"""OAuth: what people allow an app on the consent page, and the exchange of the code for a token. No I/O."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .apps import App
from .model import Enterprise, Json, Team, Token

if TYPE_CHECKING:
    from .service import Sandbox

Flow = Literal["v2", "classic"]

KEPT = 1_000
"""Codes that are remembered, used and expired ones among them."""


class Denied(Exception):
    """An exchange or an authorisation is refused; the text is Slack's error string."""


@dataclass(slots=True)
class Grant:
    """What somebody has allowed, until the app comes for it.

    Attributes:
        flow: which pages were used.
        app: who may come.
        place: where it is installed: a team, or a whole organisation.
        user_id: who allowed it.
        scopes: the bot's; of a classic app all that was asked for.
        user_scopes: those of the person.
        redirect_uri: as the app gave it; empty where it gave none.
        expires: by the monotonic clock.
        used: whether the app has come.
    """

    flow: Flow
    app: App
    place: Team | Enterprise
    user_id: str
    scopes: tuple[str, ...]
    user_scopes: tuple[str, ...]
    redirect_uri: str
    expires: float = 0.0
    used: bool = False

    @property
    def team(self) -> Team:
        """The team, or an organisation's first one."""
        return self.place if isinstance(self.place, Team) else self.place.teams[0]


class Grants:
    """Grants by their codes."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._kept: dict[str, Grant] = {}

    def issue(self, grant: Grant, now: float) -> str:
        """Keep a grant, and give its code."""
        grant.expires = now + self._lifetime
        code = f"{grant.team.number}.{grant.app.client_id}.{secrets.token_hex(16)}"
        self._kept[code] = grant
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return code

    def find(self, code: str) -> Grant | None:
        """Give the grant of a code, used and expired ones among them."""
        return self._kept.get(code)


def exchange_v2(sandbox: Sandbox, args: Json) -> Json:
    """``oauth.v2.access``.

    Raises:
        Denied: with Slack's error string.
    """
    if args.get("grant_type") not in (None, "", "authorization_code"):
        raise Denied("invalid_grant_type")
    grant = _redeem(sandbox, args, "v2")
    team = grant.team
    organisation = team.enterprise
    everywhere = isinstance(grant.place, Enterprise)
    person: Json = {"id": grant.user_id}
    if grant.user_scopes:
        person |= {
            "scope": ",".join(grant.user_scopes),
            "token_type": "user",
            "access_token": _own_token(grant),
        }
    return {
        "app_id": grant.app.app_id,
        "authed_user": person,
        **(_bot(sandbox, grant) if grant.scopes else {}),
        "team": None if everywhere else {"id": team.id, "name": team.name},
        "enterprise": None if organisation is None else {"id": organisation.id, "name": organisation.name},
        "is_enterprise_install": everywhere,
    }


def exchange_classic(sandbox: Sandbox, args: Json) -> Json:
    """``oauth.access``: the access token is the person's, and of no use in the sandbox; the bot has its own.

    Raises:
        Denied: with Slack's error string.
    """
    grant = _redeem(sandbox, args, "classic")
    team = grant.team
    answer: Json = {
        "access_token": _own_token(grant),
        "scope": ",".join(("identify", *grant.scopes)),
        "user_id": grant.user_id,
        "team_id": team.id,
        "team_name": team.name,
        "enterprise_id": None if team.enterprise is None else team.enterprise.id,
    }
    if "bot" in grant.scopes:
        token = sandbox.install(team, revoke_old=False, app=grant.app)
        answer["bot"] = {"bot_user_id": team.bot.id, "bot_access_token": token.value}
    return answer


EXCHANGES: dict[str, Callable[[Sandbox, Json], Json]] = {
    "oauth.v2.access": exchange_v2,
    "oauth.access": exchange_classic,
}
"""Methods that need an app's secret instead of a token."""


def concerned(sandbox: Sandbox, args: Json) -> Team | None:
    """Give the team that an exchange is about, so far as its code says."""
    grant = sandbox.grants.find(str(args.get("code") or ""))
    return None if grant is None else grant.team


def _redeem(sandbox: Sandbox, args: Json, flow: Flow) -> Grant:
    app = _app(sandbox, args)
    grant = sandbox.grants.find(str(args.get("code") or ""))
    if grant is None or grant.app is not app or grant.expires <= sandbox.monotonic():
        raise Denied("invalid_code")
    if grant.flow != flow:
        raise Denied("oauth_authorization_url_mismatch")
    if grant.used:
        raise Denied("code_already_used")
    if grant.redirect_uri != str(args.get("redirect_uri") or ""):
        raise Denied("bad_redirect_uri")
    grant.used = True
    return grant


def _app(sandbox: Sandbox, args: Json) -> App:
    client_id = str(args.get("client_id") or "")
    app = next((app for app in sandbox.world.apps if app.client_id == client_id), None)
    if app is None:
        raise Denied("invalid_client_id")
    given = str(args.get("client_secret") or "").encode()
    if not hmac.compare_digest(given, app.client_secret.encode()):
        raise Denied("bad_client_secret")
    return app


def _own_token(grant: Grant) -> str:
    """Give the token of the person, which no method takes."""
    return f"xoxp-sandbox-{grant.team.id}-{grant.user_id}"


def _bot(sandbox: Sandbox, grant: Grant) -> Json:
    return {
        "scope": ",".join(grant.scopes),
        "token_type": "bot",
        "access_token": _install(sandbox, grant).value,
        "bot_user_id": grant.team.bot.id,
    }


def _install(sandbox: Sandbox, grant: Grant) -> Token:
    if isinstance(grant.place, Enterprise):
        token = sandbox.world.install_everywhere(grant.place, grant.app, grant.scopes)
    else:
        token = sandbox.world.install(grant.place, "http", grant.app, grant.scopes)
    sandbox.save()
    return token
