"""What becomes of messages and members after they were first there: edits, ends, reactions, joining.

People and the bot do the same here: the Web API's methods and the control endpoints are two doors to it.
"""

from __future__ import annotations

from .model import Channel, Json, Message, Team, User
from .service import Sandbox


def edit(sandbox: Sandbox, team: Team, channel: Channel, message: Message, text: str, extras: Json) -> None:
    """Change a message as its author, and tell the sockets."""
    previous = message.as_slack()
    message.text = text
    message.extras = extras or message.extras
    now = sandbox.world.next_ts(channel)
    message.edited = {"user": message.user, "ts": now}
    shown = {"message": message.as_slack(), "previous_message": previous}
    sandbox.send_event(team, _about_message("message_changed", channel, now) | shown)


def delete(sandbox: Sandbox, team: Team, channel: Channel, message: Message) -> None:
    """Take a message out of its channel, and tell the sockets."""
    sandbox.world.delete(channel, message)
    now = sandbox.world.next_ts(channel)
    shown = {"deleted_ts": message.ts, "previous_message": message.as_slack()}
    sandbox.send_event(team, _about_message("message_deleted", channel, now) | shown)


def react(sandbox: Sandbox, team: Team, channel: Channel, message: Message, user: User, name: str) -> bool:
    """Put somebody's emoji under a message, and tell the sockets. False where it is there already."""
    message.reactions = message.reactions or {}
    users = message.reactions.setdefault(name, [])
    if user.id in users:
        return False
    users.append(user.id)
    sandbox.send_event(team, _about_reaction("reaction_added", sandbox, channel, message, user, name))
    by = "bot" if user.is_bot else "human"
    place = {"channel": channel.id, "channel_name": channel.name, "ts": message.ts}
    sandbox.reactions.add({"team": team.id, **place, "user": user.id, "by": by, "name": name})
    return True


def unreact(sandbox: Sandbox, team: Team, channel: Channel, message: Message, user: User, name: str) -> bool:
    """Take somebody's emoji away again, and tell the sockets. False where there is none."""
    users = (message.reactions or {}).get(name, [])
    if user.id not in users:
        return False
    users.remove(user.id)
    message.reactions = {one: kept for one, kept in (message.reactions or {}).items() if kept} or None
    sandbox.send_event(team, _about_reaction("reaction_removed", sandbox, channel, message, user, name))
    return True


def enter(sandbox: Sandbox, team: Team, channel: Channel, user: User) -> None:
    """Let a member join a channel, and tell the sockets; who is in it already joins anew."""
    if user.id not in channel.members:
        channel.members.append(user.id)
    now = sandbox.world.next_ts(channel)
    place = {"channel": channel.id, "channel_type": "C" if channel.kind == "channel" else "G"}
    event = {"type": "member_joined_channel", "user": user.id, "team": team.id, "event_ts": now}
    sandbox.send_event(team, event | place)


def _about_message(subtype: str, channel: Channel, now: str) -> Json:
    place = {"channel": channel.id, "channel_type": channel.kind}
    return {"type": "message", "subtype": subtype, "hidden": True, **place, "ts": now, "event_ts": now}


def _about_reaction(
    kind: str, sandbox: Sandbox, channel: Channel, message: Message, user: User, name: str
) -> Json:
    return {
        "type": kind,
        "user": user.id,
        "reaction": name,
        "item_user": message.user,
        "item": {"type": "message", "channel": channel.id, "ts": message.ts},
        "event_ts": sandbox.world.next_ts(channel),
    }
