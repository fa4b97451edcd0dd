"""Answering a call of the Web API: tokens, faults and limits around the methods. No I/O."""

from __future__ import annotations

import json
from typing import NamedTuple

from .call import Call, SlackError
from .faults import Refusal, TeamFaults
from .methods import METHODS, api_test
from .model import Json, Team, Token
from .oauth import EXCHANGES, Denied, concerned
from .service import Sandbox

ERROR_PAGE = "<html><body>Server Error</body></html>"

AS_JSON = {"Content-Type": "application/json; charset=utf-8"}
AS_HTML = {"Content-Type": "text/html; charset=utf-8"}


class Answer(NamedTuple):
    """What goes back to the caller.

    Attributes:
        status: HTTP's.
        headers: by name.
        body: JSON, or a proxy's error page.
    """

    status: int
    headers: dict[str, str]
    body: str


def delay(sandbox: Sandbox, token: str) -> float:
    """Give the seconds by which a fault puts off the answers to a token."""
    known = sandbox.world.tokens.get(token)
    return sandbox.faults(sandbox.world.teams[known.team_id]).slow if known is not None else 0.0


def answer(sandbox: Sandbox, method: str, args: Json, token: str, socket_base: str) -> Answer:
    """Answer a call.

    Args:
        sandbox: what it acts on.
        method: its name, e.g. ``chat.postMessage``.
        args: the arguments: text from a form or query, any JSON value from a JSON body.
        token: the caller's, as it came; empty where none did.
        socket_base: see `Call.socket_base`.
    """
    known = sandbox.world.tokens.get(token)
    team = sandbox.world.teams[known.team_id] if known is not None else None
    if method in EXCHANGES:
        team = concerned(sandbox, args)
    refusal = None if team is None else _refusal(sandbox, method, team, args)
    if refusal is not None:
        return _refused(sandbox, method, team, refusal)
    shown, headers = _call(sandbox, method, args, token, known, socket_base)
    return finished(sandbox, method, team, shown, headers=headers)


def finished(
    sandbox: Sandbox,
    method: str,
    team: Team | None,
    shown: Json,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Count a call, and write its answer."""
    sandbox.count_call(method, team, None if shown["ok"] else shown["error"])
    return Answer(status, AS_JSON | (headers or {}), json.dumps(shown))


def _call(
    sandbox: Sandbox, method: str, args: Json, given: str, token: Token | None, socket_base: str
) -> tuple[Json, dict[str, str]]:
    if method == "api.test":
        return api_test(args), {}
    if method in EXCHANGES:
        return _exchange(sandbox, method, args), {}
    function = METHODS.get(method)
    if function is None:
        return {"ok": False, "error": "unknown_method", "req_method": method}, {}
    if token is None:
        return {"ok": False, "error": "invalid_auth" if given else "not_authed"}, {}
    if token.error is not None:
        return {"ok": False, "error": token.error}, {}
    headers = {"X-OAuth-Scopes": ",".join(token.scopes)}
    try:
        call = Call(sandbox, _team(sandbox, token, args), token, args, socket_base)
        return {"ok": True} | function(call), headers
    except SlackError as error:
        return {"ok": False, "error": error.error} | error.more, headers


def _exchange(sandbox: Sandbox, method: str, args: Json) -> Json:
    try:
        return {"ok": True} | EXCHANGES[method](sandbox, args)
    except Denied as denied:
        return {"ok": False, "error": str(denied)}


def _team(sandbox: Sandbox, token: Token, args: Json) -> Team:
    """Find the team that a call is about: with an organisation's token by what its arguments name."""
    home = sandbox.world.teams[token.team_id]
    if token.enterprise_id is None or home.enterprise is None:
        return home
    teams = home.enterprise.teams
    if wanted := args.get("team_id"):
        found = next((team for team in teams if team.id == wanted), None)
        if found is None:
            raise SlackError("team_access_not_granted")
        return found
    names = [str(args.get(name)) for name in ("channel", "channel_id", "user", "users")]
    known = (team for team in teams if any(name in team.channels or name in team.users for name in names))
    return next(known, home)


def _refusal(sandbox: Sandbox, method: str, team: Team, args: Json) -> Refusal | None:
    faults: TeamFaults = sandbox.faults(team)
    refusal = faults.take_refusal(method)
    if refusal is not None or sandbox.limits is None:
        return refusal
    channel = str(args.get("channel", ""))
    seconds = sandbox.limits.retry_after(method, team.id, channel, sandbox.monotonic())
    return Refusal("ratelimited", 1, status=429, retry_after=seconds) if seconds else None


def _refused(sandbox: Sandbox, method: str, team: Team | None, refusal: Refusal) -> Answer:
    pause = refusal.retry_after
    headers = {} if pause is None else {"Retry-After": str(pause)}
    if refusal.as_html:
        sandbox.count_call(method, team, refusal.error)
        return Answer(refusal.status, headers | AS_HTML, ERROR_PAGE)
    return finished(sandbox, method, team, {"ok": False, "error": refusal.error}, refusal.status, headers)
