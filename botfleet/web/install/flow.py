"""The steps of an installation, without HTTP.

`begin` notes a state that names the app and the browser, and leads to Slack; `finish` takes what Slack sends
the browser back with. A state works once, for ten minutes, in the browser that it was made for. Only when all
of Slack's answers are good is anything registered.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin

import msgspec
from slack_sdk.oauth import AuthorizeUrlGenerator

from ...apps import SlackApp
from ...errors import SlackError, StoreError
from ...fleet import Fleet, Outcome
from ...model import Transport, bot_key
from ...secrets import Token
from ...webapi import Identity
from ..tries import Tries
from .exchange import Grant, exchange
from .refusals import InstallRefused, Why, why_exchange_failed, why_token_failed

logger = logging.getLogger(__name__)

#: Seconds that a state lives; Slack's code lives as long.
STATE_TTL = 600.0
#: Installations that one address may begin: what is noted of them takes room in the store.
BEGUN = Tries("install", 60)
#: What a state or a browser's cookie is at the longest; ours have 43 characters.
_LONGEST = 200


class _Pending(msgspec.Struct, frozen=True):
    """What is noted under a state."""

    namespace: str
    #: SHA-256 of the browser's cookie.
    browser: str
    redirect_uri: str


@dataclass(frozen=True, kw_only=True)
class Callback:
    """What Slack sends a browser back with; empty where it is missing."""

    state: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A bot that was added.

    Attributes:
        outcome: what that did to the bot.
        home: the team's id, or the organisation's for one that is org-wide.
        name: of the team or the organisation; empty where Slack does not say.
        namespace, transport: of the bot.
        bot_name: what people write after an @; empty where Slack does not say.
        app_id: of the Slack app; empty where Slack does not say.
        org_wide: a whole organisation has it now.
    """

    outcome: Outcome
    home: str
    name: str
    namespace: str
    transport: Transport
    bot_name: str
    app_id: str
    org_wide: bool


def new_browser() -> str:
    """What a browser without a cookie is given."""
    return secrets.token_urlsafe(32)


class Installer:
    """Installs Slack apps into a fleet. Every method blocks: the store, Slack."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._settings = fleet.settings

    def begin(self, namespace: str, redirect_uri: str, browser: str, address: str = "") -> str:
        """Begins an installation.

        Args:
            namespace: of the app.
            redirect_uri: where Slack is to send the browser back to.
            browser: the secret that this browser keeps in a cookie.
            address: where the request comes from; nobody counts them where it is empty.

        Returns:
            The address of Slack's authorise page.

        Raises:
            InstallRefused: there is no such app, too many were begun, or the store is away.
        """
        app = self._app(namespace)
        state = secrets.token_urlsafe(32)
        pending = _Pending(namespace, _digest(browser), redirect_uri)
        try:
            if address and BEGUN.are_over(self._fleet.store, address):
                raise InstallRefused(Why.TOO_MANY, namespace, retry_after=BEGUN.window)
            self._fleet.store.put_note(_note(state), msgspec.json.encode(pending), STATE_TTL)
        except StoreError as exc:
            raise self._store_away(namespace, exc) from exc
        return authorize_url(app, self._settings.slack_api_url, redirect_uri, state)

    def finish(self, callback: Callback, browser: str) -> Installed:
        """Finishes an installation.

        Args:
            callback: what Slack sent the browser back with.
            browser: the secret in its cookie; empty where it has none.

        Raises:
            InstallRefused: it was not done, and nothing was registered.
        """
        try:
            pending = self._take(callback.state, browser)
        except StoreError as exc:
            raise self._store_away(None, exc) from exc
        app = self._app(pending.namespace)
        if callback.error:
            denied = callback.error == "access_denied"
            raise InstallRefused(Why.DENIED if denied else Why.SLACK_REFUSED, app.namespace)
        if not callback.code:
            raise InstallRefused(Why.INCOMPLETE, app.namespace)
        grant = self._exchange(app, callback.code, pending.redirect_uri)
        return self._register(app, grant, self._token_of(app, grant))

    # Steps

    def _app(self, namespace: str) -> SlackApp:
        app = self._settings.slack_apps.get(namespace)
        if app is None or not app.installable:
            raise InstallRefused(Why.UNKNOWN_APP)
        return app

    def _take(self, state: str, browser: str) -> _Pending:
        """Spends a state; one that belongs to another browser is left to that."""
        if not state:
            raise InstallRefused(Why.INCOMPLETE)
        name = _note(state)
        noted = self._fleet.store.read_note(name) if len(state) <= _LONGEST else None
        if noted is None:
            raise InstallRefused(Why.STALE)
        pending = msgspec.json.decode(noted, type=_Pending)
        if not hmac.compare_digest(pending.browser, _digest(browser)):
            raise InstallRefused(Why.OTHER_BROWSER, pending.namespace)
        if self._fleet.store.take_note(name) is None:
            raise InstallRefused(Why.STALE, pending.namespace)
        return pending

    def _exchange(self, app: SlackApp, code: str, redirect_uri: str) -> Grant:
        try:
            return exchange(self._fleet.api, app, code, redirect_uri)
        except SlackError as exc:
            raise _refused(why_exchange_failed(exc), app, exc) from exc

    @staticmethod
    def _token_of(app: SlackApp, grant: Grant) -> Token:
        if grant.expires:
            raise _refused(Why.ROTATION, app)
        if grant.token is None:
            raise _refused(Why.NO_BOT, app)
        return grant.token

    def _register(self, app: SlackApp, grant: Grant, token: Token) -> Installed:
        identity = self._identify(app, grant, token)
        transport: Transport = "rtm" if app.classic else "http"
        result = self._fleet.install(token.reveal(), app.namespace, transport, identity)
        if not result.ok or result.outcome is None:
            logger.error("A bot was not added: %s", result.error, extra={"action": "install.failed"})
            raise InstallRefused(Why.STORE_AWAY if result.passing else Why.FAILED, app.namespace)
        home = result.team_id or identity.team_id
        logger.info(
            "%s was installed: %s",
            bot_key(home, app.namespace),
            result.outcome,
            extra={"action": "install.done", "bot": bot_key(home, app.namespace)},
        )
        return Installed(
            outcome=result.outcome,
            home=home,
            name=identity.team_name,
            namespace=app.namespace,
            transport=transport,
            bot_name=identity.bot_name,
            app_id=grant.app_id,
            org_wide=identity.is_enterprise_install,
        )

    def _identify(self, app: SlackApp, grant: Grant, token: Token) -> Identity:
        try:
            identity = self._fleet.api.auth_test(token)
        except SlackError as exc:
            raise _refused(why_token_failed(exc), app, exc) from exc
        if not grant.org_wide:
            return identity
        return msgspec.structs.replace(
            identity,
            enterprise_id=grant.enterprise_id,
            team_name=grant.enterprise_name or identity.team_name,
            is_enterprise_install=True,
        )

    @staticmethod
    def _store_away(namespace: str | None, exc: StoreError) -> InstallRefused:
        logger.error("The store is away: %s", exc, extra={"action": "store.away"})
        return InstallRefused(Why.STORE_AWAY, namespace)


def authorize_url(app: SlackApp, slack_api_url: str, redirect_uri: str, state: str) -> str:
    """The address of Slack's authorise page.

    >>> app = SlackApp(client_id="1.2", scopes=("chat:write", "im:read"))
    >>> authorize_url(app, "https://slack.com/api/", "https://b.example/cb?x=1", "s")
    'https://slack.com/oauth/v2/authorize?state=s&client_id=1.2&scope=chat%3Awrite,im%3Aread&user_scope=\
&redirect_uri=https%3A%2F%2Fb.example%2Fcb%3Fx%3D1'
    """
    page = "../oauth/authorize" if app.classic else "../oauth/v2/authorize"
    # slack_sdk puts what it is given into the address as it is.
    generator = AuthorizeUrlGenerator(
        client_id=quote(app.client_id, safe=""),
        redirect_uri=quote(redirect_uri, safe=""),
        scopes=[quote(scope, safe="") for scope in app.asked_scopes],
        authorization_url=urljoin(slack_api_url, page),
    )
    return generator.generate(quote(state, safe=""))


def _refused(why: Why, app: SlackApp, exc: SlackError | None = None) -> InstallRefused:
    error = exc.error if exc else ""
    refused = InstallRefused(why, app.namespace, error, exc.retry_after if exc else None)
    level = logging.ERROR if why.value.status >= 500 else logging.WARNING
    name = app.namespace or "the default namespace"
    logger.log(level, "An installation for %s failed: %s", name, refused, extra={"action": "install.failed"})
    return refused


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _note(state: str) -> str:
    return f"install:{_digest(state)}"
