"""Bots: listed, added, removed, and looked after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import UnsetType

from ...errors import UsageError
from ...fleet import Result
from ...model import Bot, bot_key, split_key
from ...overview import Query, Team
from ..named import key_in, unknown_team
from ..problems import Problem
from .operations import Call, Reply, operation
from .refusals import problem_of
from .values import (
    MAX_FAILURES,
    AddTeam,
    Checked,
    Done,
    Failure,
    History,
    NamedTeams,
    TeamsPage,
    TeamsQuery,
    UpdateTeam,
    change_of,
)

T = TypeVar("T")

#: What Slack failing, or refusing a token, is.
_SLACKS = (409, 502)
_OF_ONE = (404,)


@operation("List bots", {200: TeamsPage}, (404,), query=TeamsQuery)
def list_teams(call: Call[TeamsQuery, None]) -> Reply:
    """A page of the bots that are asked for, as they were a few seconds ago.

    Pages are joined by cursors: the next one begins after the last bot of this one, whatever came or went
    meanwhile.
    """
    asked = call.query
    query = Query(
        search=asked.q,
        statuses=asked.status,
        namespace=_or_none(asked.namespace),
        transport=_or_none(asked.transport),
        holder=_or_none(asked.holder),
        sort=asked.sort,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    try:
        page = call.context.census.now().page(query)
    except UsageError as exc:
        raise Problem(404, "unknown_cursor", f"{exc}.") from exc
    return Reply(
        TeamsPage(
            teams=list(page.teams), total=page.total, next=page.next or None, previous=page.previous or None
        )
    )


@operation("Add a bot", {200: Team, 201: Team}, _SLACKS, body=AddTeam)
def add_team(call: Call[None, AddTeam]) -> Reply:
    """Asks Slack whose token it is, and adds the team's bot; one that is known gets this token.

    The answer has status 201 for a new bot and 200 for a known one. A bot that was stopped stays so; one
    whose token had died begins anew.
    """
    fleet, asked = call.context.fleet, call.body
    namespace = _or_none(asked.namespace)
    result = _well(fleet.add_token(asked.token, namespace, _or_none(asked.transport)))
    key = bot_key(result.team_id or "", fleet.settings.namespace if namespace is None else namespace)
    call.log(key)
    team = _shown(call.context.census.renew(key))
    if result.outcome == "created":
        return Reply(team, 201, {"Location": f"/api/teams/{key}"})
    return Reply(team)


@operation("Show a bot", {200: Team}, _OF_ONE)
def show_team(call: Call[None, None]) -> Reply:
    """One bot as it is now."""
    return Reply(_shown(call.context.census.team(key_in(call.path))))


@operation("Remove a bot", {204: None}, _OF_ONE)
def remove_team(call: Call[None, None]) -> Reply:
    """Forgets a bot with its token, and closes its socket. Its history stays for a time."""
    bot = _bot_of(call)
    _well(call.context.fleet.remove_token(bot.team_id, bot.namespace))
    call.log(bot.key)
    call.context.census.renew(bot.key)
    return Reply(None, 204)


@operation("Connect a bot anew", {200: Team}, (*_OF_ONE, *_SLACKS), body=UpdateTeam, body_needed=False)
def update_team(call: Call[None, UpdateTeam]) -> Reply:
    """Connects a bot anew, with a new token of its team or (without a body) with the one it has."""
    bot, fleet = _bot_of(call), call.context.fleet
    token = _or_none(call.body.token)
    if token is None:
        return _after(call, bot, fleet.update_token(bot.team_id, bot.namespace))
    return _after(call, bot, fleet.update_token(token, bot.namespace, only_of=bot.team_id))


@operation("Ask Slack about a bot's token", {200: Checked}, (*_OF_ONE, *_SLACKS))
def check_team(call: Call[None, None]) -> Reply:
    """Asks Slack whether it takes the bot's token (auth.test). That it does not is an answer, no error."""
    bot = _bot_of(call)
    result = call.context.fleet.check_token(bot.team_id, bot.namespace)
    refusal = problem_of(result.cause) if result.cause else None
    if refusal is not None and refusal.code not in ("token_refused", "slack_refused"):
        raise refusal
    team = _shown(call.context.census.renew(bot.key))
    error = refusal.detail["error"] if refusal and isinstance(refusal.detail, dict) else None
    return Reply(Checked(ok=result.ok, error=error, team=team))


@operation("Start a bot", {200: Team}, (*_OF_ONE, *_SLACKS))
def start_team(call: Call[None, None]) -> Reply:
    """Wants a bot connected that was stopped."""
    return _wish(call, call.context.fleet.start)


@operation("Stop a bot", {200: Team}, _OF_ONE)
def stop_team(call: Call[None, None]) -> Reply:
    """Wants a bot disconnected, until it is started again."""
    return _wish(call, call.context.fleet.stop)


@operation("Restart a bot", {200: Team}, (*_OF_ONE, *_SLACKS))
def restart_team(call: Call[None, None]) -> Reply:
    """Connects a bot anew; starts it where it is stopped."""
    return _wish(call, call.context.fleet.restart)


@operation("Show what became of a bot", {200: History}, _OF_ONE)
def show_history(call: Call[None, None]) -> Reply:
    """The last changes of a bot, the newest first. They are kept for some days, also when it was removed."""
    key, store = key_in(call.path), call.context.fleet.store
    found = store.history(key)
    if not found:
        _bot_of(call)
    return Reply(History(history=[change_of(one) for one in found]))


@operation("Start several bots", {200: Done}, body=NamedTeams)
def start_teams(call: Call[None, NamedTeams]) -> Reply:
    """Starts bots by their keys, or all there are: `{"teams": "all"}`."""
    return _wish_all(call, call.context.fleet.start)


@operation("Stop several bots", {200: Done}, body=NamedTeams)
def stop_teams(call: Call[None, NamedTeams]) -> Reply:
    """Stops bots by their keys, or all there are: `{"teams": "all"}`."""
    return _wish_all(call, call.context.fleet.stop)


@operation("Restart several bots", {200: Done}, body=NamedTeams)
def restart_teams(call: Call[None, NamedTeams]) -> Reply:
    """Restarts bots by their keys, or all there are: `{"teams": "all"}`."""
    return _wish_all(call, call.context.fleet.restart)


# Steps

Wish = Callable[..., list[Result]]


def _wish(call: Call[None, None], do: Wish) -> Reply:
    bot = _bot_of(call)
    (result,) = do(bot.team_id, namespace=bot.namespace)
    return _after(call, bot, result)


def _after(call: Call[Any, Any], bot: Bot, result: Result) -> Reply:
    """The answer after a bot was changed."""
    _well(result)
    call.log(bot.key)
    return Reply(_shown(call.context.census.renew(bot.key)))


def _wish_all(call: Call[None, NamedTeams], do: Wish) -> Reply:
    named = call.body.teams
    if named == "all":
        call.log("all bots")
        results = [(result.team_id or "", result) for result in do()]
    else:
        keys = list(dict.fromkeys(named))
        call.log(f"{len(keys)} bots")
        results = [(key, _wished(key, do)) for key in keys]
    call.context.census.expire()
    failed = [Failure(team=key, error=result.error or "") for key, result in results if not result.ok]
    done = Done(done=len(results) - len(failed), failed=len(failed), failures=failed[:MAX_FAILURES])
    return Reply(done)


def _wished(key: str, do: Wish) -> Result:
    team_id, namespace = split_key(key)
    (result,) = do(team_id, namespace=namespace)
    return result


def _well(result: Result) -> Result:
    """A result that is well.

    Raises:
        Problem: why it is not.
    """
    if result.cause is not None:
        raise problem_of(result.cause) from None
    return result


def _bot_of(call: Call[Any, Any]) -> Bot:
    bot = call.context.fleet.store.bot(key_in(call.path))
    if bot is None:
        raise unknown_team()
    return bot


def _shown(team: Team | None) -> Team:
    if team is None:
        raise unknown_team()
    return team


def _or_none(value: T | UnsetType) -> T | None:
    return None if isinstance(value, UnsetType) else value
