"""The state file: the apps, teams and installations, so that a sandbox that starts again knows them.

Messages are not kept: Slack's tokens outlive a restart of the sandbox, a test's chatter need not.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .apps import CLASSIC_SCOPES, App
from .model import PEOPLE, Enterprise, Team, Token, World

VERSION = 1


class StateFileError(Exception):
    """The state file can't be used; the text names it and says why."""


def save(world: World, path: Path) -> None:
    """Write the state file in one step, so that a reader never sees half of it."""
    content = {
        "version": VERSION,
        "apps": [_app(app) for app in world.apps],
        "enterprises": [_enterprise(world, one) for one in world.enterprises.values()],
        "teams": [_team(world, team) for team in world.teams.values()],
    }
    write_atomically(path, content)


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
        for number, entry in enumerate(content.get("apps", ())):
            (world.app if number == 0 else world.add_app()).change(entry)
        organisations = content.get("enterprises", ())
        enterprises = [world.add_enterprise(entry["name"]) for entry in organisations]
        for entry in content["teams"]:
            _restore_team(world, entry)
        for enterprise, entry in zip(enterprises, organisations, strict=True):
            for _ in range(entry["tokens"]):
                world.install_everywhere(enterprise)
            _restore_tokens(world, enterprise.tokens, entry)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise StateFileError(f"the state file {path} is damaged: {error!r}") from error


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON beside the file and move it into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content) + "\n", encoding="utf-8")
    beside.replace(path)


def _app(app: App) -> dict[str, Any]:
    return {name: value for name, value in app.as_json().items() if name != "verified"}


def _enterprise(world: World, enterprise: Enterprise) -> dict[str, Any]:
    return {"name": enterprise.name, **_tokens(world, enterprise.tokens)}


def _team(world: World, team: Team) -> dict[str, Any]:
    joined = [{"name": user.name, "real_name": user.real_name} for user in team.humans][len(PEOPLE) :]
    organisation = {} if team.enterprise is None else {"enterprise": team.enterprise.id}
    return {"name": team.name, **organisation, **_tokens(world, team.tokens), "joined": joined}


def _tokens(world: World, tokens: list[Token]) -> dict[str, Any]:
    dead = {str(n): token.error for n, token in enumerate(tokens) if token.error and not token.by_fault}
    usual = (world.app, "rtm", CLASSIC_SCOPES)
    installed = {
        str(n): {"app": world.apps.index(token.app), "transport": token.transport, "scopes": token.scopes}
        for n, token in enumerate(tokens)
        if (token.app, token.transport, token.scopes) != usual
    }
    return {"tokens": len(tokens), "revoked": dead, "installed": installed}


def _restore_team(world: World, entry: dict[str, Any]) -> None:
    enterprise = world.enterprises[entry["enterprise"]] if "enterprise" in entry else None
    team = world.add_team(entry["name"], enterprise=enterprise)
    for _ in range(entry["tokens"] - 1):
        world.install(team)
    _restore_tokens(world, team.tokens, entry)
    for user in entry["joined"]:
        world.add_user(team, user["name"], user["real_name"])


def _restore_tokens(world: World, tokens: list[Token], entry: dict[str, Any]) -> None:
    for index, how in entry.get("installed", {}).items():
        token = tokens[int(index)]
        token.app, token.transport = world.apps[how["app"]], how["transport"]
        token.scopes = tuple(how["scopes"])
    for index, error in entry["revoked"].items():
        tokens[int(index)].error = error
