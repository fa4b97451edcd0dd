"""The control endpoints that show: the state of the sandbox, and what was noted in it."""

from __future__ import annotations

from itertools import islice
from typing import Any

from .fields import Fields
from .lookup import team_given
from .model import Json, Team
from .records import Log, Record
from .service import Sandbox

PAGE = 1000
WAIT_LIMIT = 60.0
LATEST = 1 << 60


def state(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the teams, the connections and what was counted."""
    team = team_given(sandbox, fields)
    brief = fields.flag("brief")
    fields.end()
    teams = list(sandbox.world.teams.values()) if team is None else [team]
    shown = [_brief(sandbox, one) if brief else _full(sandbox, one) for one in teams]
    return {**sandbox.ready_line(), "teams": shown, **_counts(sandbox)}


def counts(sandbox: Sandbox, fields: Fields) -> Json:
    """Show what was counted, without the teams: cheap to ask for again and again."""
    team = team_given(sandbox, fields)
    fields.end()
    own = {} if team is None else {"team": _brief(sandbox, team)}
    return {**_counts(sandbox), **own}


def frames(sandbox: Sandbox, fields: Fields) -> Json:
    """Show what bots sent over sockets."""
    return noted(sandbox, fields, "frames", sandbox.frames)


def calls(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the Web API calls, without tokens and arguments."""
    return noted(sandbox, fields, "calls", sandbox.calls, "method")


def reactions(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the reactions after a number."""
    return noted(sandbox, fields, "reactions", sandbox.reactions)


def deliveries(sandbox: Sandbox, fields: Fields) -> Json:
    """Show what apps were sent by HTTP, one record for each try; no bodies."""
    return noted(sandbox, fields, "deliveries", sandbox.deliveries, "kind", "type")


def noted(sandbox: Sandbox, fields: Fields, name: str, log: Log, *narrowing: str) -> Json:
    """Show what a log has after a number, of one team or of all.

    Args:
        sandbox: whose log it is.
        fields: what is asked for.
        name: what the records are called.
        log: has them.
        narrowing: fields of the records of which a value may be asked for.
    """
    team = team_given(sandbox, fields)
    after = fields.integer("after", 0, 0, LATEST)
    wanted = {field: fields.text(field, None) for field in narrowing}
    fields.end()
    shown = [
        record
        for record in log.after(after)
        if (team is None or record["team"] == team.id)
        and all(value in (None, record[field]) for field, value in wanted.items())
    ]
    return {name: shown, "next": log.seq}


async def messages(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the messages after a number; wait for one where there is none."""
    team = team_given(sandbox, fields)
    after = fields.integer("after", 0, 0, LATEST)
    wait = fields.seconds("wait", 0.0, WAIT_LIMIT)
    by = fields.choice("by", None, ("bot", "human"))
    fields.end()

    def wanted(record: Record) -> bool:
        return (team is None or record["team"] == team.id) and by in (None, record["by"])

    end = sandbox.monotonic() + wait
    while True:
        shown = list(islice(filter(wanted, sandbox.messages.after(after)), PAGE))
        if shown:
            return {"messages": shown, "next": shown[-1]["seq"]}
        after = sandbox.messages.seq
        left = end - sandbox.monotonic()
        if left <= 0 or not await sandbox.messages.changed(left):
            return {"messages": [], "next": after}


def _counts(sandbox: Sandbox) -> dict[str, Any]:
    teams = sandbox.world.teams.values()
    return {
        "connections": sandbox.hub.count(),
        "connections_opened": sandbox.hub.opened,
        "frames_sent": sandbox.hub.frames_sent,
        "messages": {by: sum(team.posted[by] for team in teams) for by in ("human", "bot")},
        "calls": dict(sandbox.call_counts),
        "floods": [load.summary() for load in sandbox.floods],
        "reactions": sandbox.reactions.seq,
        "seq": sandbox.messages.seq,
    }


def _brief(sandbox: Sandbox, team: Team) -> dict[str, Any]:
    return {**team.summary(), "connections": sandbox.hub.count(team.id)}


def _full(sandbox: Sandbox, team: Team) -> dict[str, Any]:
    connected = [connection.token for connection in sandbox.hub.connections(team.id)]
    return {
        **_brief(sandbox, team),
        "domain": team.domain,
        "enterprise_id": None if team.enterprise is None else team.enterprise.id,
        "http": [app.app_id for app, _ in sandbox.listening(team)],
        "bot_id": team.bot_id,
        "bot_user_id": team.bot.id,
        "bot_name": team.bot.name,
        "tokens": [
            {
                "bot_token": token.value,
                "error": token.error,
                "transport": token.transport,
                "app_id": token.app.app_id,
                "connections": sum(other is token for other in connected),
            }
            for token in team.good_for
        ],
        "channels": [
            {"id": c.id, "name": c.name, "private": c.kind != "channel"} for c in team.channels.values()
        ],
        "users": [{"id": u.id, "name": u.name, "is_bot": u.is_bot} for u in team.users.values()],
        "calls": team.calls,
        "messages": team.posted,
        "faults": sandbox.faults(team).summary(sandbox.monotonic()),
    }


GETS = {
    "state": state,
    "counts": counts,
    "frames": frames,
    "calls": calls,
    "reactions": reactions,
    "deliveries": deliveries,
}
