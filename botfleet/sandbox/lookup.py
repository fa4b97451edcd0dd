"""Finding what a control request names: a team, a person, a channel, a message; or a refusal that helps."""

from __future__ import annotations

from itertools import islice

from .fields import Fields, Refused
from .model import Channel, Message, Team, User
from .service import Sandbox


def team_named(sandbox: Sandbox, name: str | None) -> Team:
    """Find a team by id, name or domain; without a name the first."""
    team = next(iter(sandbox.world.teams.values()), None) if name is None else sandbox.world.find_team(name)
    if team is None:
        raise Refused(404, f"team {name!r} is unknown: expected an id, name or domain in /sandbox/state")
    return team


def team_given(sandbox: Sandbox, fields: Fields) -> Team | None:
    """Find the team that a request asks for; None where it names none."""
    name = fields.text("team", None)
    return None if name is None else team_named(sandbox, name)


def human_named(team: Team, name: str) -> User:
    """Find a person by name, @name or id."""
    user = team.user_named(name.removeprefix("@"))
    if user is None or user.is_bot:
        people = ", ".join(user.name for user in islice(team.humans, 10))
        raise Refused(404, f"user {name!r} is unknown in {team.id}: expected one of {people}")
    return user


def channel_named(team: Team, name: str) -> Channel:
    """Find a channel by id, name or #name; direct messages are none."""
    channel = team.channel_named(name)
    if channel is None or channel.kind == "im":
        raise Refused(404, _unknown(team, name))
    return channel


def place(sandbox: Sandbox, team: Team, where: str, user: User | None) -> tuple[Channel, User]:
    """Find where somebody speaks, and who: a channel, or @NAME for that person's direct messages."""
    if where.startswith("@"):
        partner = human_named(team, where)
        channel = sandbox.direct(team, partner)
    else:
        found = team.channel_named(where) or _unopened(sandbox, team, where)
        if found is None:
            raise Refused(404, f"{_unknown(team, where)}, or @user")
        channel = found
        partner = team.users[channel.user] if channel.kind == "im" else next(team.humans)
    if channel.kind == "im" and user not in (None, partner):
        raise Refused(400, f"user is {user.name if user else ''!r}: only {partner.name} writes in {where}")
    return channel, user or partner


def _unknown(team: Team, where: str) -> str:
    names = ", ".join(c.name for c in islice(team.channels.values(), 10) if c.kind != "im")
    return f"channel {where!r} is unknown in {team.id}: expected one of {names}"


def message_given(sandbox: Sandbox, fields: Fields) -> tuple[Team, Channel, Message]:
    """Find the message that a request names by team, channel and ts."""
    team = team_named(sandbox, fields.text("team", None))
    where, ts = fields.needed("channel"), fields.needed("ts")
    channel = team.channel_named(where)
    message = channel.messages.get(ts) if channel is not None else None
    if channel is None or message is None:
        raise Refused(404, f"ts is {ts!r}: expected that of a message in {where}")
    return team, channel, message


def _unopened(sandbox: Sandbox, team: Team, where: str) -> Channel | None:
    user = next((user for user in team.humans if team.direct_id(user) == where), None)
    return None if user is None else sandbox.direct(team, user)
