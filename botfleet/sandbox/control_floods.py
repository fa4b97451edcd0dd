"""The control endpoints of bulk loads."""

from __future__ import annotations

import asyncio

from . import flood
from .fields import Fields, Refused
from .lookup import team_named
from .model import Json, Team
from .service import Sandbox


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


GETS = {"flood": show_flood}
POSTS = {"flood": start_flood, "flood/stop": stop_flood}
