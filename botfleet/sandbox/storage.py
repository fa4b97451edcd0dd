"""The state file: which teams there are, so that a sandbox that starts again knows their tokens.

Messages are not kept: Slack's tokens outlive a restart of the sandbox, a test's chatter need not.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .model import PEOPLE, Team, World

VERSION = 1


class StateFileError(Exception):
    """The state file can't be used; the text names it and says why."""


def save(world: World, path: Path) -> None:
    """Write the state file in one step, so that a reader never sees half of it."""
    write_atomically(path, {"version": VERSION, "teams": [_team(team) for team in world.teams.values()]})


def load(world: World, path: Path) -> None:
    """Make the teams that the state file names. A missing file is an empty one.

    Raises:
        StateFileError: the file can't be read, or was not written by `save`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise StateFileError(f"the state file {path} can't be read: {error}") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise StateFileError(f"the state file {path} is not one of this sandbox (version {VERSION})")
    try:
        for entry in content["teams"]:
            _restore(world, entry)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StateFileError(f"the state file {path} is damaged: {error!r}") from error


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON beside the file and move it into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content) + "\n", encoding="utf-8")
    beside.replace(path)


def _team(team: Team) -> dict[str, Any]:
    dead = {str(n): token.error for n, token in enumerate(team.tokens) if token.error and not token.by_fault}
    joined = [{"name": user.name, "real_name": user.real_name} for user in team.humans][len(PEOPLE) :]
    return {"name": team.name, "tokens": len(team.tokens), "revoked": dead, "joined": joined}


def _restore(world: World, entry: dict[str, Any]) -> None:
    team = world.add_team(entry["name"])
    for _ in range(entry["tokens"] - 1):
        world.install(team)
    for index, error in entry["revoked"].items():
        team.tokens[int(index)].error = error
    for user in entry["joined"]:
        world.add_user(team, user["name"], user["real_name"])
