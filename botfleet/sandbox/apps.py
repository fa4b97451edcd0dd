"""Slack apps as the sandbox knows them: what they are known by, and where they want to be told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Transport = Literal["rtm", "http"]

APP_NAME = "Botfleet"
CLASSIC_SCOPES = ("identify", "bot:basic")
"""What a classic app's bot token is granted, as in the x-oauth-scopes header."""
HTTP_SCOPES = ("app_mentions:read", "channels:history", "chat:write", "commands", "reactions:read")
"""What a token of an app with HTTP is granted where nobody asked for scopes."""

VERIFICATION_TOKEN = "sandbox-verification-token"
"""What every payload has in ``token``; Slack has deprecated it for the signature."""

URLS = ("events", "commands", "interactive")


@dataclass(slots=True)
class App:
    """A Slack app.

    Attributes:
        app_id: ``A…``.
        name: as the consent page shows it.
        client_id, client_secret: for OAuth.
        signing_secret: signs what is sent to it by HTTP.
        events_url, commands_url, interactive_url: where it is told; empty: it isn't.
        redirect_urls: what a redirect_uri has to begin with; any will do where there are none.
        verified: whether `events_url` has answered the challenge; None while it has not answered.
    """

    app_id: str
    name: str = APP_NAME
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    events_url: str = ""
    commands_url: str = ""
    interactive_url: str = ""
    redirect_urls: list[str] = field(default_factory=list)
    verified: bool | None = None

    def change(self, given: dict[str, Any]) -> None:
        """Take other values; those that are None are left as they are."""
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)

    def redirects_to(self, uri: str) -> bool:
        """Whether people may be sent there after they were asked."""
        return not self.redirect_urls or any(uri.startswith(url) for url in self.redirect_urls)

    def as_json(self) -> dict[str, Any]:
        """Give all that is known of it."""
        return asdict(self)


def fake_app(number: int) -> App:
    """Make an app whose ids and secrets nobody takes for real ones; the same for the same number."""
    return App(
        app_id=f"A{number:08d}",
        name=APP_NAME if number == 1 else f"{APP_NAME} {number}",
        client_id=f"1000.{number:04d}",
        client_secret=f"sandbox-client-secret-{number}",
        signing_secret=f"sandbox-signing-secret-{number}",
    )


def app_urls(base: str) -> dict[str, str]:
    """Give the three URLs of a web role.

    >>> app_urls("http://127.0.0.1:8080/")["events_url"]
    'http://127.0.0.1:8080/slack/events'
    """
    return {f"{kind}_url": f"{base.rstrip('/')}/slack/{kind}" for kind in URLS}
