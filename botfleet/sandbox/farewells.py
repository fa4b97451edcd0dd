"""The end of installations: tokens die, and their apps hear of it, in either order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .apps import App
from .fields import Fields
from .model import Team, Token
from .outgoing import farewell
from .service import Sandbox

First = Literal["tokens_revoked", "app_uninstalled"]


def first_of(fields: Fields) -> First:
    """Read what a request wants apps to hear of first."""
    given = fields.choice("first", "tokens_revoked", ("tokens_revoked", "app_uninstalled"))
    return "app_uninstalled" if given == "app_uninstalled" else "tokens_revoked"


def end(
    sandbox: Sandbox,
    tokens: Iterable[Token],
    error: str,
    *,
    by_fault: bool = False,
    first: First = "tokens_revoked",
    tell: bool = True,
) -> None:
    """Kill tokens. An app without a token that works has been removed.

    Args:
        sandbox: what it happens in.
        tokens: those that die; what is dead already gets another error.
        error: what they get from now on.
        by_fault: see `Token.by_fault`.
        first: what apps with HTTP hear of first.
        tell: whether they hear of it at all.
    """
    for token in tokens:
        was_alive = token.error is None
        sandbox.revoke(token, error, by_fault)
        if tell and was_alive and token.transport == "http":
            _tell(sandbox, token, first)


def uninstall(sandbox: Sandbox, team: Team, app: App, first: First = "tokens_revoked") -> int:
    """Remove an app from a team, or from its organisation; give how many tokens died."""
    alive = [token for token in team.good_for if token.app is app and token.error is None]
    end(sandbox, alive, "account_inactive", first=first)
    return len(alive)


def _tell(sandbox: Sandbox, token: Token, first: First) -> None:
    if sandbox.outbox is None:
        return
    team = sandbox.world.teams[token.team_id]
    revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [team.bot.id]}}
    events = [revoked]
    if not any(app is token.app for app, _ in sandbox.listening(team)):
        events.append({"type": "app_uninstalled"})
    if first == "app_uninstalled":
        events.reverse()
    now = sandbox.clock()
    sandbox.outbox.send(
        [farewell(token.app, team, token, event, sandbox.event_id(), now) for event in events]
    )
