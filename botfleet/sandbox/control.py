"""The control endpoints under ``/sandbox/``: look at the sandbox, act in it, make things go wrong."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any

from . import changes, control_apps, flood
from .apps import Transport
from .control_faults import FAULTS
from .fields import Fields, Refused
from .hub import encode
from .lookup import channel_named, human_named, message_given, place, team_given, team_named
from .model import Json, Team, microseconds
from .records import Record
from .service import Sandbox
from .webhandler import Discreet

PAGE = 1000
WAIT_LIMIT = 60.0

Endpoint = Callable[[Sandbox, Fields], Json]


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


def add_teams(sandbox: Sandbox, fields: Fields) -> Json:
    """Create teams: a number of them, or one by its name."""
    name = fields.text("name", None)
    count = fields.integer("count", 1, 1, 100_000)
    transport = _transport(fields)
    fields.end()
    if name is not None and count != 1:
        raise Refused(400, "count is of no use beside name: expected one of them")
    teams = sandbox.add_teams([name] * count, transport)
    return {"teams": [team.summary() for team in teams]}


def install(sandbox: Sandbox, fields: Fields) -> Json:
    """Install the bot once more in a team."""
    team = team_named(sandbox, fields.text("team", None))
    revoke_old = fields.flag("revoke_old")
    transport = _transport(fields)
    fields.end()
    token = sandbox.install(team, revoke_old, transport)
    return {"team_id": team.id, "name": team.name, "bot_token": token.value}


def say(sandbox: Sandbox, fields: Fields) -> Json:
    """Let a human say something."""
    team = team_named(sandbox, fields.text("team", None))
    where = fields.text("channel", "general")
    who = fields.text("user", None)
    text = fields.needed("text")
    thread_ts = _timestamp(fields, "thread_ts")
    fields.end()
    user = None if who is None else human_named(team, who)
    channel, user = place(sandbox, team, where, user)
    message = sandbox.post(team, channel, user, team.mentions(text), "control", thread_ts=thread_ts)
    return {
        "team": team.id,
        "channel": channel.id,
        "user": user.id,
        "ts": message.ts,
        "text": message.text,
        "seq": sandbox.messages.seq,
        "connections": sandbox.hub.count(team.id),
    }


def join(sandbox: Sandbox, fields: Fields) -> Json:
    """Let a new member join."""
    team = team_named(sandbox, fields.text("team", None))
    name = fields.text("name", f"member{len(team.users)}")
    again = fields.flag("again")
    fields.end()
    known = team.user_named(name)
    if known is not None and (known.is_bot or not again):
        raise Refused(400, f"name is {name!r}: expected one that no member has")
    if known is not None:
        sandbox.welcome(team, known)
    user = known or sandbox.join(team, name)
    return {"team": team.id, "user": user.id, "name": user.name}


def change_user(sandbox: Sandbox, fields: Fields) -> Json:
    """Give a member other names."""
    team = team_named(sandbox, fields.text("team", None))
    user = human_named(team, fields.needed("user"))
    name = fields.text("name", None)
    real_name, display_name = fields.text("real_name", None), fields.text("display_name", None)
    fields.end()
    if name is not None and team.user_named(name) not in (None, user):
        raise Refused(400, f"name is {name!r}: expected one that no other member has")
    sandbox.change_user(team, user, name, real_name, display_name)
    return {"team": team.id, "user": user.id, "name": user.name}


def create_channel(sandbox: Sandbox, fields: Fields) -> Json:
    """Create a channel."""
    team = team_named(sandbox, fields.text("team", None))
    name = _free_name(team, fields.needed("name"))
    private = fields.flag("private")
    fields.end()
    channel = sandbox.create_channel(team, name, private)
    return {"team": team.id, "channel": channel.id, "name": channel.name}


def rename_channel(sandbox: Sandbox, fields: Fields) -> Json:
    """Give a channel another name."""
    team = team_named(sandbox, fields.text("team", None))
    channel = channel_named(team, fields.needed("channel"))
    name = _free_name(team, fields.needed("name"))
    fields.end()
    sandbox.rename_channel(team, channel, name)
    return {"team": team.id, "channel": channel.id, "name": channel.name}


def archive_channel(sandbox: Sandbox, fields: Fields) -> Json:
    """Archive a channel, or bring it back."""
    team = team_named(sandbox, fields.text("team", None))
    channel = channel_named(team, fields.needed("channel"))
    archived = fields.flag("archived", True)
    fields.end()
    sandbox.archive_channel(team, channel, archived)
    return {"team": team.id, "channel": channel.id, "archived": channel.archived}


def enter(sandbox: Sandbox, fields: Fields) -> Json:
    """Let a member join a channel."""
    team = team_named(sandbox, fields.text("team", None))
    where, who = fields.needed("channel"), fields.needed("user")
    fields.end()
    user = human_named(team, who)
    channel = channel_named(team, where)
    changes.enter(sandbox, team, channel, user)
    return {"team": team.id, "channel": channel.id, "user": user.id}


def edit(sandbox: Sandbox, fields: Fields) -> Json:
    """Let the author of a message change it."""
    team, channel, message = message_given(sandbox, fields)
    text = fields.needed("text")
    fields.end()
    changes.edit(sandbox, team, channel, message, team.mentions(text), {})
    sandbox.record(team, channel, team.users[message.user], message, "control", edited=True)
    return {"text": message.text}


def delete(sandbox: Sandbox, fields: Fields) -> Json:
    """Let the author of a message delete it."""
    team, channel, message = message_given(sandbox, fields)
    fields.end()
    changes.delete(sandbox, team, channel, message)
    return {}


def react(sandbox: Sandbox, fields: Fields) -> Json:
    """Let a human put an emoji under a message, or take it away."""
    team, channel, message = message_given(sandbox, fields)
    name = fields.needed("name").strip(":")
    who = fields.text("user", None)
    remove = fields.flag("remove")
    fields.end()
    user = next(team.humans) if who is None else human_named(team, who)
    act = changes.unreact if remove else changes.react
    if not act(sandbox, team, channel, message, user, name):
        raise Refused(400, f"name is {name!r}: {user.name} has {'not ' if remove else ''}reacted so")
    return {"user": user.id}


def event(sandbox: Sandbox, fields: Fields) -> Json:
    """Send an event as it is to every connection of a team."""
    team = team_named(sandbox, fields.text("team", None))
    given = fields.anything("event")
    fields.end()
    if not isinstance(given, dict):
        raise Refused(400, f"event is {given!r}: expected an object")
    sandbox.send_event(team, given)
    return {"connections": sandbox.hub.count(team.id)}


def frame(sandbox: Sandbox, fields: Fields) -> Json:
    """Send a frame's text, malformed or not, to every connection of a team."""
    team = team_named(sandbox, fields.text("team", None))
    given = fields.anything("frame")
    fields.end()
    if not isinstance(given, str):
        raise Refused(400, f"frame is {given!r}: expected a text")
    sandbox.hub.publish(team.id, [encode(given)])
    return {"connections": sandbox.hub.count(team.id)}


def start_flood(sandbox: Sandbox, fields: Fields) -> Json:
    """Begin a bulk load; the state shows its progress."""
    count = fields.integer("count", None, 1, 100_000_000)
    if count is None:
        raise Refused(400, "count is missing: expected a whole number from 1 to 100000000")
    rate = fields.seconds("rate", None, 10_000_000)
    text = fields.text("text", "message {n}")
    channel = fields.text("channel", "general")
    noted = fields.flag("noted")
    teams = _flood_teams(sandbox, fields)
    fields.end()
    for team in teams:
        if team.channel_named(channel) is None:
            raise Refused(404, f"channel {channel!r} is unknown in {team.id}")
    load = flood.Flood(len(sandbox.floods) + 1, teams, count, rate or None, text, channel, noted)
    sandbox.floods.append(load)
    load.task = asyncio.get_running_loop().create_task(flood.run(sandbox, load), name=f"flood-{load.id}")
    return {"id": load.id}


def show_flood(sandbox: Sandbox, fields: Fields) -> Json:
    """Show how far a bulk load is, and what it noted."""
    load = _flood(sandbox, fields)
    fields.end()
    return load.notes()


def stop_flood(sandbox: Sandbox, fields: Fields) -> Json:
    """End a bulk load."""
    load = _flood(sandbox, fields)
    fields.end()
    load.stop()
    return load.summary()


def frames(sandbox: Sandbox, fields: Fields) -> Json:
    """Show what bots sent over sockets."""
    team = team_given(sandbox, fields)
    after = fields.integer("after", 0, 0, 1 << 60)
    fields.end()
    shown = [record for record in sandbox.frames.after(after) if team is None or record["team"] == team.id]
    return {"frames": shown, "next": sandbox.frames.seq}


def calls(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the Web API calls, without tokens and arguments."""
    team = team_given(sandbox, fields)
    after = fields.integer("after", 0, 0, 1 << 60)
    method = fields.text("method", None)
    fields.end()
    shown = [
        record
        for record in sandbox.calls.after(after)
        if (team is None or record["team"] == team.id) and method in (None, record["method"])
    ]
    return {"calls": shown, "next": sandbox.calls.seq}


def reactions(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the reactions after a number."""
    team = team_given(sandbox, fields)
    after = fields.integer("after", 0, 0, 1 << 60)
    fields.end()
    kept = sandbox.reactions.after(after)
    shown = [record for record in kept if team is None or record["team"] == team.id]
    return {"reactions": shown, "next": sandbox.reactions.seq}


async def messages(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the messages after a number; wait for one where there is none."""
    team = team_given(sandbox, fields)
    after = fields.integer("after", 0, 0, 1 << 60)
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


GETS: dict[str, Endpoint] = {
    "state": state,
    "counts": counts,
    "frames": frames,
    "calls": calls,
    "reactions": reactions,
    "flood": show_flood,
    **control_apps.GETS,
}
POSTS: dict[str, Endpoint] = {
    "teams": add_teams,
    "teams/install": install,
    "say": say,
    "join": join,
    "users/change": change_user,
    "channels": create_channel,
    "channels/rename": rename_channel,
    "channels/archive": archive_channel,
    "enter": enter,
    "edit": edit,
    "delete": delete,
    "react": react,
    "event": event,
    "frame": frame,
    "flood": start_flood,
    "flood/stop": stop_flood,
    **control_apps.POSTS,
}


class ControlHandler(Discreet):
    """``/sandbox/…``."""

    async def get(self, path: str) -> None:
        """Answer a look at the sandbox."""
        query = {name: self.get_argument(name) for name in self.request.query_arguments}
        fields = Fields(query, textual=True)
        if path == "messages":
            await self._answer(lambda: messages(self.sandbox, fields))
        else:
            await self._answer(lambda: _endpoint(GETS, path, POSTS)(self.sandbox, fields))

    async def post(self, path: str) -> None:
        """Do what is asked."""
        kind = path.removeprefix("faults/")
        if kind != path:
            await self._answer(lambda: _fault(self.sandbox, kind, self._body()))
        else:
            await self._answer(lambda: _endpoint(POSTS, path, GETS)(self.sandbox, self._body()))

    def _body(self) -> Fields:
        try:
            given = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise Refused(400, f"the body is no JSON: {error}") from None
        if not isinstance(given, dict):
            raise Refused(400, "the body is no JSON object")
        return Fields(given)

    async def _answer(self, act: Callable[[], Json | Awaitable[Json]]) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        try:
            result = act()
            answer = result if isinstance(result, dict) else await result
        except Refused as refused:
            self.set_status(refused.status)
            self.finish(json.dumps({"ok": False, "error": str(refused)}))
            return
        self.finish(json.dumps({"ok": True, **answer}))


def _endpoint(table: dict[str, Endpoint], path: str, other: dict[str, Endpoint]) -> Endpoint:
    if path in table:
        return table[path]
    if path in other or path == "messages":
        raise Refused(405, f"/sandbox/{path} takes {'GET' if table is POSTS else 'POST'}")
    known = ", ".join(sorted([*GETS, *POSTS, "messages", "stream", "faults/KIND"]))
    raise Refused(404, f"/sandbox/{path} is unknown: expected one of {known}")


def _fault(sandbox: Sandbox, kind: str, fields: Fields) -> Json:
    act = FAULTS.get(kind)
    if act is None:
        raise Refused(404, f"fault {kind!r} is unknown: expected one of {', '.join(FAULTS)}")
    name, everyone = fields.text("team", None), fields.flag("all")
    if (name is None) is not everyone:
        raise Refused(400, 'team or all is needed, not both: expected {"team": "T…"} or {"all": true}')
    teams = list(sandbox.world.teams.values()) if name is None else [team_named(sandbox, name)]
    act(sandbox, teams, fields)
    for team in teams:
        sandbox.feed.stir(team.id)
    return {"teams": len(teams)}


def _transport(fields: Fields) -> Transport:
    return "http" if fields.choice("transport", "rtm", ("rtm", "http")) == "http" else "rtm"


def _flood_teams(sandbox: Sandbox, fields: Fields) -> list[Team]:
    given = fields.anything("teams")
    everyone = list(sandbox.world.teams.values())
    if given is None:
        return everyone
    if isinstance(given, list) and given and all(isinstance(name, str) for name in given):
        return [team_named(sandbox, name) for name in given]
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given <= len(everyone):
        return everyone[:given]
    raise Refused(400, f"teams is {given!r}: expected a list of team ids, or a number up to {len(everyone)}")


def _flood(sandbox: Sandbox, fields: Fields) -> flood.Flood:
    number = fields.integer("id", None, 1, 1 << 60)
    if number is None or number > len(sandbox.floods):
        raise Refused(404, f"flood {number} is unknown: {len(sandbox.floods)} were begun")
    return sandbox.floods[number - 1]


def _free_name(team: Team, name: str) -> str:
    if team.channel_named(name) is not None or not re.fullmatch(r"[^\W_A-Z][^\sA-Z.#]{0,79}", name):
        raise Refused(400, f"name is {name!r}: expected one in small letters that no channel has")
    return name


def _timestamp(fields: Fields, name: str) -> str | None:
    given = fields.text(name, None)
    try:
        return given if given is None or microseconds(given) else None
    except ValueError:
        raise Refused(400, f"{name} is {given!r}: expected a ts such as 1700000000.000100") from None


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
