"""The consent page of OAuth: who wants what, in which team; then back to the app."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

from tornado import template

from .apps import App
from .model import Enterprise, Team
from .oauth import Flow, Grant
from .webhandler import Discreet

SHOWN = 500
"""Teams that the page lets one choose from, besides the one that the app asks for."""

NEW = "new"
"""Stands for a team that is made when somebody allows the app."""

MEANINGS = {
    "app_mentions:read": "Hear when somebody mentions it",
    "bot": "Have a bot that listens and speaks in channels",
    "channels:history": "Read messages in public channels that it is in",
    "channels:read": "See which public channels there are",
    "chat:write": "Send messages as itself",
    "commands": "Add slash commands that people use",
    "files:write": "Upload files",
    "groups:history": "Read messages in private channels that it is in",
    "groups:read": "See which private channels it is in",
    "im:history": "Read direct messages with it",
    "im:read": "See its direct messages",
    "im:write": "Begin direct messages with people",
    "mpim:history": "Read group messages that it is in",
    "reactions:read": "See emoji under messages",
    "reactions:write": "Put emoji under messages",
    "team:read": "See the workspace's name and domain",
    "users:read": "See who is in the workspace",
}

_PAGES = template.Loader(str(Path(__file__).parent / "pages"))


class BadRequest(Exception):
    """The page can't be shown; the text is Slack's error, and never leads back to the app."""

    def __init__(self, error: str, why: str) -> None:
        self.error = error
        self.why = why
        super().__init__(error)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the app asks for.

    Attributes:
        flow: which pages were called.
        app: who asks.
        scopes, user_scopes: what for.
        given_uri: the redirect_uri as it came; empty where none did.
        redirect_uri: where people go afterwards.
        state: goes back as it came.
        team: the id of the team that the app would like.
    """

    flow: Flow
    app: App
    scopes: tuple[str, ...]
    user_scopes: tuple[str, ...]
    given_uri: str
    redirect_uri: str
    state: str
    team: str

    def back(self, **answer: str) -> str:
        """Give the URL by which the app gets an answer."""
        parts = urlsplit(self.redirect_uri)
        query = "&".join(filter(None, [parts.query, urlencode(answer | {"state": self.state})]))
        return urlunsplit(parts._replace(query=query, fragment=""))


class AuthorizeHandler(Discreet):
    """``/oauth/v2/authorize`` and, for classic apps, ``/oauth/authorize``."""

    def get(self, version: str | None) -> None:
        """Ask."""
        try:
            asked = self._asked(version)
        except BadRequest as bad:
            self._refuse(bad)
            return
        everywhere = [] if asked.flow == "classic" else self._organisations()
        shown = {
            "asked": asked,
            "new": NEW,
            "teams": self._teams(asked),
            "organisations": everywhere,
        }
        self._page("authorize.html", meanings=MEANINGS, **shown)

    def post(self, version: str | None) -> None:
        """Go back to the app with the answer."""
        try:
            asked = self._asked(version)
            target = asked.back(error="access_denied")
            if self.get_body_argument("decision", "") == "allow":
                target = asked.back(code=self._grant(asked))
        except BadRequest as bad:
            self._refuse(bad)
            return
        self.redirect(target, status=302)

    def _grant(self, asked: Asked) -> str:
        place = self._place(self.get_body_argument("place", ""), asked)
        if place is None or (isinstance(place, Enterprise) and asked.flow == "classic"):
            raise BadRequest("invalid_team", "There is no such workspace.")
        home = place if isinstance(place, Team) else place.teams[0]
        person = next(home.humans).id
        grant = Grant(asked.flow, asked.app, place, person, asked.scopes, asked.user_scopes, asked.given_uri)
        return self.sandbox.grants.issue(grant, self.sandbox.monotonic())

    def _asked(self, version: str | None) -> Asked:
        given = {name: self.get_query_argument(name, "") for name in self.request.query_arguments}
        app = self.sandbox.world.find_app(given.get("client_id", ""))
        if app is None or app.client_id != given.get("client_id"):
            raise BadRequest("invalid_client_id", "No app has this client_id.")
        uri = given.get("redirect_uri", "") or next(iter(app.redirect_urls), "")
        if not uri.startswith(("http://", "https://")) or not app.redirects_to(uri):
            raise BadRequest("bad_redirect_uri", "The redirect_uri did not match any of the app's own.")
        scopes, user_scopes = _words(given.get("scope", "")), _words(given.get("user_scope", ""))
        if not scopes and not user_scopes:
            raise BadRequest("invalid_scope", "No scopes were requested.")
        if version and "bot" in scopes:
            raise BadRequest("invalid_scope", "The scope bot is one of classic apps only.")
        return Asked(
            flow="v2" if version else "classic",
            app=app,
            scopes=scopes,
            user_scopes=user_scopes,
            given_uri=given.get("redirect_uri", ""),
            redirect_uri=uri,
            state=given.get("state", ""),
            team=given.get("team", ""),
        )

    def _teams(self, asked: Asked) -> list[Team]:
        known = list(self.sandbox.world.teams.values())
        wanted = self.sandbox.world.teams.get(asked.team)
        return [*([wanted] if wanted else []), *(team for team in known[:SHOWN] if team is not wanted)]

    def _organisations(self) -> list[Enterprise]:
        return [one for one in self.sandbox.world.enterprises.values() if one.teams]

    def _place(self, name: str, asked: Asked) -> Team | Enterprise | None:
        if name == NEW:
            return self.sandbox.add_teams([None], "rtm" if asked.flow == "classic" else "http")[0]
        enterprise = self.sandbox.world.enterprises.get(name)
        return (
            enterprise if enterprise is not None and enterprise.teams else self.sandbox.world.teams.get(name)
        )

    def _refuse(self, bad: BadRequest) -> None:
        self.set_status(400)
        self._page("refused.html", error=bad.error, why=bad.why)

    def _page(self, name: str, **values: object) -> None:
        nonce = secrets.token_urlsafe(16)
        # No form-action: browsers apply it to where the answer leads, too, which is the app's.
        own = f"style-src 'nonce-{nonce}'; img-src data:"
        policy = f"default-src 'none'; {own}; base-uri 'none'; frame-ancestors 'none'"
        self.set_header("Content-Security-Policy", policy)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")
        self.finish(_PAGES.load(name).generate(nonce=nonce, **values))


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))
