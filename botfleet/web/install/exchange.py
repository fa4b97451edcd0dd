"""The exchange of a code for a bot's token: oauth.v2.access, and oauth.access for classic apps.

Shapes: https://docs.slack.dev/reference/methods/oauth.v2.access
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from ...apps import SlackApp
from ...errors import InvalidToken, SlackError
from ...secrets import Token
from ...webapi import SlackApi, check_form, translated


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What Slack gave for a code.

    Attributes:
        token: the bot's; None where the app asks for no bot.
        expires: the token would have to be renewed.
        enterprise_id: of the organisation that a team belongs to, or that installed the app as a whole.
        enterprise_name: its name.
        org_wide: the whole organisation installed it.
        app_id: of the Slack app; empty where Slack does not say.
    """

    token: Token | None = field(repr=False)
    expires: bool = False
    enterprise_id: str = ""
    enterprise_name: str = ""
    org_wide: bool = False
    app_id: str = ""


def exchange(api: SlackApi, app: SlackApp, code: str, redirect_uri: str) -> Grant:
    """Exchanges a code, which is spent with it.

    Args:
        api: of the fleet.
        app: whose code it is.
        code: as Slack gave it to the browser.
        redirect_uri: the one that the authorise page was asked with.

    Raises:
        SlackError: Slack refused, was away, or what came back is no answer.
    """
    client = api.bare_client()
    access = client.oauth_access if app.classic else client.oauth_v2_access
    with translated():
        answer = access(
            client_id=app.client_id, client_secret=app.client_secret, code=code, redirect_uri=redirect_uri
        )
        return _classic_grant(answer.data) if app.classic else _grant(answer.data)


class _Answer(msgspec.Struct, frozen=True):
    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


A = TypeVar("A", bound=_Answer)


class _Place(_Answer, frozen=True):
    id: str = ""
    name: str | None = None


class _V2(_Answer, frozen=True):
    access_token: str = ""
    token_type: str = ""
    expires_in: int | None = None
    refresh_token: str | None = None
    enterprise: _Place | None = None
    is_enterprise_install: bool = False
    app_id: str | None = None


class _ClassicBot(_Answer, frozen=True):
    bot_access_token: str = ""


class _Classic(_Answer, frozen=True):
    enterprise_id: str | None = None
    bot: _ClassicBot | None = None
    app_id: str | None = None


def _grant(answer: Any) -> Grant:
    found = _read(answer, _V2)
    of_bot = found.token_type in ("bot", "") and found.access_token
    enterprise = found.enterprise or _Place()
    return Grant(
        token=_token(found.access_token) if of_bot else None,
        expires=found.expires_in is not None or bool(found.refresh_token),
        enterprise_id=enterprise.id,
        enterprise_name=enterprise.name or "",
        org_wide=found.is_enterprise_install and bool(enterprise.id),
        app_id=found.app_id or "",
    )


def _classic_grant(answer: Any) -> Grant:
    found = _read(answer, _Classic)
    token = found.bot.bot_access_token if found.bot else ""
    return Grant(
        token=_token(token) if token else None,
        enterprise_id=found.enterprise_id or "",
        app_id=found.app_id or "",
    )


def _read(answer: Any, kind: type[A]) -> A:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as exc:
        raise SlackError("bad_answer", detail=str(exc)) from None


def _token(text: str) -> Token:
    try:
        return check_form(text)
    except InvalidToken:
        raise SlackError("bad_answer", detail="what came back has a token of an unknown form") from None
