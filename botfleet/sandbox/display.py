"""What the chat page is shown of a team: all of it at once, and how the bot is doing."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from .model import Channel, Json, Team, User, World

if TYPE_CHECKING:
    from .service import Sandbox

SHOWN = 200
"""Messages of a channel that a page gets at first."""
TEAMS = 200
"""Teams that a page can switch between without naming one."""


def snapshot(sandbox: Sandbox, team: Team) -> Json:
    """Give everything that a page shows of a team. It has no token in it."""
    return {
        "team": {"id": team.id, "name": team.name, "domain": team.domain},
        "bot": {"id": team.bot.id, "name": team.bot.name},
        "users": [_user(team, user) for user in team.users.values()],
        "channels": [_channel(channel) for channel in team.channels.values()],
        "messages": {channel.id: _messages(channel) for channel in team.channels.values()},
        "ephemeral": _whispers(sandbox, team),
        "state": bot_state(sandbox, team),
        "views": open_views(sandbox, team),
        **teams(sandbox.world),
        "type": "sandbox_snapshot",
    }


def teams(world: World) -> Json:
    """Name the first teams, and count all, as an event."""
    named = [{"id": team.id, "name": team.name} for team in islice(world.teams.values(), TEAMS)]
    return {"type": "sandbox_teams", "teams": named, "team_count": len(world.teams)}


def bot_state(sandbox: Sandbox, team: Team) -> Json:
    """Say how the bot is doing, as far as Slack can see.

    Returns:
        ``connections`` (open sockets), ``silent`` (how many of them swallow everything), ``error`` (what the
        newest token gets, or None), ``app`` (what some app takes by HTTP: ``events``, ``commands``,
        ``interactive``) and ``faults``.
    """
    connections = sandbox.hub.connections(team.id)
    faults = sandbox.faults(team).summary(sandbox.monotonic())
    return {
        "type": "sandbox_bot",
        "connections": len(connections),
        "silent": sum(connection.is_muted for connection in connections),
        "error": sandbox.world.tokens[team.bot_token].error,
        "app": _by_http(sandbox, team),
        # Without the seconds left, which would change all the time.
        "faults": {name: value if name in ("slow", "refusals") else True for name, value in faults.items()},
    }


def open_views(sandbox: Sandbox, team: Team | None) -> list[Json]:
    """Give the modals that are open in a team, or in all, each with the errors of the app's last answer."""
    return [
        view.as_slack() | {"user": view.user.id, "errors": view.errors}
        for view in sandbox.interactions.views.values()
        if view.is_open and team in (None, view.team)
    ]


def _by_http(sandbox: Sandbox, team: Team) -> Json:
    apps = sandbox.installed(team)
    return {
        "events": any(app.events_url for app, _ in sandbox.listening(team)),
        "commands": any(app.commands_url for app in apps),
        "interactive": any(app.interactive_url for app in apps),
    }


def _user(team: Team, user: User) -> Json:
    shown = user.as_slack()
    return {
        "id": user.id,
        "name": user.name,
        "real_name": user.real_name,
        "display_name": shown["profile"]["display_name"],
        "is_bot": user.is_bot,
        "direct": None if user.is_bot else team.direct_id(user),
    }


def _channel(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "kind": channel.kind,
        "archived": channel.archived,
        "members": channel.members,
    }


def _messages(channel: Channel) -> list[Json]:
    newest = list(islice(reversed(channel.messages.values()), SHOWN))
    return [message.as_slack() for message in reversed(newest)]


def _whispers(sandbox: Sandbox, team: Team) -> list[Json]:
    """Give the ephemeral messages of a team as events, each as it was last, at most `SHOWN` a channel."""
    there = sandbox.interactions.whispers
    kept: defaultdict[str, dict[str, Json]] = defaultdict(dict)
    for record in sandbox.messages.after(0):
        place = record["channel"], record["ts"]
        if record["ephemeral"] and record["team"] == team.id and place in there:
            kept[record["channel"]][record["ts"]] = {"type": "sandbox_ephemeral", **record}
    return [record for group in kept.values() for record in list(group.values())[-SHOWN:]]
