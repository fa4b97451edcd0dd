"""The control endpoints under ``/sandbox/``: look at the sandbox, act in it, make things go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable

from . import changes, control_apps, control_floods, control_shown
from .apps import Transport
from .control_faults import FAULTS
from .fields import Fields, Refused
from .hub import encode
from .lookup import channel_named, human_named, message_given, place, team_named
from .model import Json, Team, microseconds
from .service import Sandbox
from .webhandler import Discreet

Endpoint = Callable[[Sandbox, Fields], Json]


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


GETS: dict[str, Endpoint] = {**control_shown.GETS, **control_floods.GETS, **control_apps.GETS}
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
    **control_floods.POSTS,
    **control_apps.POSTS,
}


class ControlHandler(Discreet):
    """``/sandbox/…``."""

    async def get(self, path: str) -> None:
        """Answer a look at the sandbox."""
        query = {name: self.get_argument(name) for name in self.request.query_arguments}
        fields = Fields(query, textual=True)
        if path == "messages":
            await self._answer(lambda: control_shown.messages(self.sandbox, fields))
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
