"""Faults on demand: ``POST /sandbox/faults/KIND``. `FAULTS` is the table of kinds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from . import farewells
from .faults import Refusal
from .fields import Fields, Refused
from .hub import Connection, encode
from .model import Team, Token
from .outgoing import rate_limited
from .service import Sandbox

Fault = Callable[[Sandbox, list[Team], Fields], None]

MANY = 1_000_000_000


def revoke(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Kill tokens and cut their sockets without a word; apps with HTTP are told, unless `tell` is false."""
    error = _error(fields, "token_revoked")
    tokens = _tokens(sandbox, teams, fields)
    first = farewells.first_of(fields)
    tell = fields.flag("tell", True)
    fields.end()
    farewells.end(sandbox, tokens, error, by_fault=True, first=first, tell=tell)


def restore(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Let dead tokens live again."""
    tokens = _tokens(sandbox, teams, fields)
    fields.end()
    for token in tokens:
        sandbox.restore(token)


def drop(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Abort the TCP connections: by RST, or by FIN."""
    reset = fields.flag("reset", True)
    for connection in _victims(sandbox, teams, fields):
        connection.sever(reset=reset)


def close(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Close the sockets with a closing frame."""
    code = fields.integer("code", 1000, 1000, 4999)
    reason = fields.text("reason", None)
    for connection in _victims(sandbox, teams, fields):
        connection.close(code, reason)


def silent(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Swallow and send nothing; for a time, or until cleared."""
    seconds = fields.seconds("seconds", None)
    new = fields.flag("new")
    victims = _victims(sandbox, teams, fields)
    for connection in victims:
        connection.mute(True)
    if new:
        for team in teams:
            sandbox.faults(team).silent_until = sandbox.monotonic() + (MANY if seconds is None else seconds)
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, _unmute, victims)


def goodbye(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Ask the bots to reconnect."""
    frame = encode({"type": "goodbye"})
    for connection in _victims(sandbox, teams, fields):
        connection.send(frame)


def ratelimit(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Answer calls with 429."""
    method = fields.text("method", None)
    count = fields.integer("count", 1, 1, MANY)
    retry_after = fields.integer("retry_after", 1, 0, 86_400)
    fields.end()
    for team in teams:
        refusal = Refusal("ratelimited", count, method, status=429, retry_after=retry_after)
        sandbox.faults(team).refusals.append(refusal)


def migrate(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Answer rtm.connect with migration_in_progress, and close the sockets first where asked."""
    count = fields.integer("count", 1, 1, MANY)
    announce = fields.flag("announce")
    fields.end()
    started = encode({"type": "team_migration_started"})
    for team in teams:
        sandbox.faults(team).refusals.append(Refusal("migration_in_progress", count, "rtm.connect"))
        for connection in sandbox.hub.connections(team.id) if announce else ():
            connection.send(started)
            connection.close(1000)


def slow(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Add a delay to every Web API answer."""
    seconds = fields.seconds("seconds", 1.0, 3600)
    fields.end()
    for team in teams:
        sandbox.faults(team).slow = seconds


def fail(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Answer calls with an error string or an HTTP status."""
    method = fields.text("method", None)
    count = fields.integer("count", 1, 1, MANY)
    status = fields.integer("status", 200, 200, 599)
    as_html = status >= 500 and "error" not in fields
    error = _error(fields, "internal_error")
    fields.end()
    for team in teams:
        refusal = Refusal(error, count, method, status=status, as_html=as_html)
        sandbox.faults(team).refusals.append(refusal)


def app_rate_limited(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Tell apps with HTTP that events of a team are dropped for a minute."""
    fields.end()
    outbox = sandbox.outbox
    if outbox is None:
        return
    for team in teams:
        for app, _ in sandbox.listening(team):
            outbox.send([rate_limited(app, team, sandbox.clock())])


def refuse(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """Answer websocket upgrades with 503 for a time."""
    seconds = fields.seconds("seconds", 5.0)
    fields.end()
    for team in teams:
        sandbox.faults(team).refuse_sockets_until = sandbox.monotonic() + seconds


def clear(sandbox: Sandbox, teams: list[Team], fields: Fields) -> None:
    """End every fault, revocations by fault among them."""
    fields.end()
    for team in teams:
        sandbox.clear_faults(team)


FAULTS: dict[str, Fault] = {
    "revoke": revoke,
    "restore": restore,
    "drop": drop,
    "close": close,
    "silent": silent,
    "goodbye": goodbye,
    "ratelimit": ratelimit,
    "migrate": migrate,
    "slow": slow,
    "fail": fail,
    "refuse": refuse,
    "app_rate_limited": app_rate_limited,
    "clear": clear,
}


def _victims(sandbox: Sandbox, teams: list[Team], fields: Fields) -> list[Connection]:
    count = fields.integer("count", MANY, 1, MANY)
    fields.end()
    return [connection for team in teams for connection in sandbox.hub.connections(team.id)[:count]]


def _unmute(connections: list[Connection]) -> None:
    for connection in connections:
        connection.mute(False)


def _error(fields: Fields, default: str) -> str:
    error = fields.text("error", default)
    if not re.fullmatch(r"[a-z0-9_]+", error):
        raise Refused(400, f"error is {error!r}: expected one of Slack's error strings, such as {default}")
    return error


def _tokens(sandbox: Sandbox, teams: list[Team], fields: Fields) -> list[Token]:
    wanted = fields.text("token", None)
    tokens = [token for team in teams for token in team.good_for]
    if wanted is None:
        return tokens
    chosen = [token for token in tokens if token.value == wanted]
    if not chosen:
        raise Refused(404, "token is not one of this team's: see bot_token in /sandbox/state")
    return chosen
