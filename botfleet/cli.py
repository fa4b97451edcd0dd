"""The command line, as `botfleet …` and as `celery -A botfleet fleet …`.

Exit codes: 0 done, 1 failed (one clear line on stderr), 2 wrong usage.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .cli_common import FleetGroup, as_json, open_fleet, print_json
from .cli_holders import NO_HOLDER, drain, holders, rebalance
from .cli_keys import keys
from .cli_project import handlers, init
from .cli_sandbox import sandbox
from .cli_watch import events, replay
from .cli_web import web

if TYPE_CHECKING:
    from .fleet import Fleet, Result


namespace_option = click.option("--namespace", help="The bots' namespace.")


@click.group(cls=FleetGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="botfleet")
def fleet() -> None:
    """Run Slack bots for thousands of teams."""


# The whole on one machine


@fleet.command()
@click.option(
    "--token",
    "tokens",
    multiple=True,
    envvar="TOKEN",
    metavar="TOKEN",
    help="A bot's token (xoxb-…): run on the real Slack. Also from the environment, as TOKEN.",
)
@click.option("--no-flower", is_flag=True, help="Leave out Flower.")
@click.option("--no-web", is_flag=True, help="Leave out the web role, which has the dashboard.")
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    help="The sandbox's port; Flower and the web role get the next ones. By default free ones near 8765, 5555"
    " and 8080.",
)
@click.option("--reload", is_flag=True, help="Start the handlers again when a file of the project changes.")
def up(tokens: Sequence[str], no_flower: bool, no_web: bool, port: int | None, reload: bool) -> None:
    """Run everything on this machine, until Ctrl-C.

    Starts a server for Celery (unless BOTFLEET_BROKER_URL names one), a holder, a handler, beat, Flower and
    the web role. Without a token also a sandbox, a Slack of its own with a page to chat on, and a short
    conversation with the bot in it.
    """
    from .up import Up

    sys.exit(Up(tokens, flower=not no_flower, web=not no_web, port=port, reload=reload).run())


@fleet.command()
@click.argument("team_ids", nargs=-1, metavar="[TEAM]...")
@click.option("--state", "wanted", metavar="STATE", help="Only bots in this state.")
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C.")
@as_json
def status(team_ids: Sequence[str], wanted: str | None, watch: bool, as_json: bool) -> None:
    """Show the bots and the holders."""
    from .model import STATES

    if wanted is not None and wanted not in STATES:
        raise click.BadParameter(f"takes one of {', '.join(STATES)}", param_hint="--state")
    fleet = open_fleet()
    show = _show_status_json if as_json else _show_status
    while True:
        if watch and not as_json:
            click.clear()
        show(fleet, set(team_ids), wanted)
        if not watch:
            return
        try:
            time.sleep(2.0)
        except KeyboardInterrupt:
            return


def _chosen(fleet: Fleet, team_ids: set[str], wanted: str | None) -> list[Any]:
    chosen = [
        bot
        for bot in fleet.report()
        if (not team_ids or bot.team_id in team_ids) and (wanted is None or bot.status == wanted)
    ]
    missing = team_ids - {bot.team_id for bot in chosen}
    if missing and wanted is None:
        raise click.ClickException(f"no bot of {', '.join(sorted(missing))} is known")
    return sorted(chosen, key=lambda bot: (bot.team_id, bot.namespace))


def _count(bots: Sequence[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for bot in bots:
        counts[bot.status] = counts.get(bot.status, 0) + 1
    return counts


def _show_status(fleet: Fleet, team_ids: set[str], wanted: str | None) -> None:
    from . import tables

    bots, holders, now = _chosen(fleet, team_ids, wanted), fleet.store.holders(), time.time()
    click.echo(
        tables.counts_line(_count(bots)) + f"; {len(holders)} holder{'' if len(holders) == 1 else 's'}"
    )
    if bots:
        click.echo("\n" + tables.bots_table(bots, now))
    elif not team_ids and wanted is None:
        click.echo("Add some with `botfleet teams add -`, which reads tokens from standard input.")
    if not holders:
        click.echo(f"\n{NO_HOLDER}")


def _show_status_json(fleet: Fleet, team_ids: set[str], wanted: str | None) -> None:
    from .model import fields_of

    bots = _chosen(fleet, team_ids, wanted)
    print_json(
        {
            "total": len(bots),
            "statuses": _count(bots),
            "bots": [fields_of(bot) for bot in bots],
            "holders": [fields_of(holder) for holder in fleet.store.holders()],
        }
    )


# Teams


@fleet.group(cls=FleetGroup)
def teams() -> None:
    """Add, remove and look after teams' bots."""


def _tokens(arguments: Sequence[str]) -> list[str]:
    """Arguments, with `-` standing for lines of standard input: tokens show in the list of processes."""
    found: list[str] = []
    for one in arguments:
        found += [line.strip() for line in sys.stdin if line.strip()] if one == "-" else [one]
    if not found:
        raise click.UsageError("standard input has no tokens; expected one a line")
    return found


def _report(results: Sequence[Result], as_json: bool) -> None:
    """Prints results, what failed to stderr; ends with 1 where one is not ok.

    A failure says which argument it was by its number: an argument may be a token.
    """
    from . import tables

    if as_json:
        print_json([one.as_json() for one in results])
    else:
        for number, one in enumerate(results, 1):
            state = tables.state(one.status) if one.status else "done" if one.ok else ""
            failure = "" if one.ok else f"{click.style('failed', fg='red')}: {one.error}"
            name = one.team_id or (f"argument {number}" if len(results) > 1 else "")
            click.echo("  ".join(filter(None, (name, state, failure))), err=not one.ok)
    if not all(one.ok for one in results):
        sys.exit(1)


@teams.command("add")
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@namespace_option
@click.option(
    "--transport",
    type=click.Choice(["rtm", "http"]),
    help="How Slack sends their events: rtm, a socket each (the default for new bots), or http.",
)
@as_json
def add(tokens: Sequence[str], namespace: str | None, transport: str | None, as_json: bool) -> None:
    """Add bots by their tokens; `-` reads tokens from standard input, one a line."""
    fleet = open_fleet()
    _report([fleet.add_token(one, namespace, transport) for one in _tokens(tokens)], as_json)


def _teams_command(name: str, help_text: str, do: Callable[[Fleet, str, str | None], Result]) -> None:
    @teams.command(name, help=help_text)
    @click.argument("tokens_or_teams", nargs=-1, required=True, metavar="TEAM|TOKEN...")
    @namespace_option
    @as_json
    def command(tokens_or_teams: Sequence[str], namespace: str | None, as_json: bool) -> None:
        fleet = open_fleet()
        _report([do(fleet, one, namespace) for one in _tokens(tokens_or_teams)], as_json)


_teams_command(
    "remove", "Forget bots and close their sockets.", lambda fleet, one, space: fleet.remove_token(one, space)
)
_teams_command(
    "update",
    "Connect bots anew; a token replaces its team's.",
    lambda fleet, one, space: fleet.update_token(one, space),
)
_teams_command(
    "check", "Ask Slack whether tokens are good.", lambda fleet, one, space: fleet.check_token(one, space)
)


def _wish_command(name: str, help_text: str) -> None:
    @teams.command(name, help=help_text)
    @click.argument("team_ids", nargs=-1, metavar="[TEAM]...")
    @click.option("--all", "everything", is_flag=True, help="All bots.")
    @namespace_option
    @as_json
    def command(team_ids: Sequence[str], everything: bool, namespace: str | None, as_json: bool) -> None:
        if bool(team_ids) == everything:
            raise click.UsageError("name teams, or say --all")
        _report(getattr(open_fleet(), name)(*team_ids, namespace=namespace), as_json)


_wish_command("start", "Connect bots that were stopped.")
_wish_command("stop", "Disconnect bots, until they are started again.")
_wish_command("restart", "Connect bots anew.")


@teams.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the bots that are known."""
    from . import tables
    from .model import fields_of

    bots = sorted(open_fleet().report(), key=lambda bot: (bot.team_id, bot.namespace))
    if as_json:
        print_json([fields_of(bot) for bot in bots])
    else:
        click.echo(tables.bots_table(bots, time.time()) if bots else "No bots are known.")


@fleet.command()
@click.argument("team")
@click.argument("channel")
@click.argument("text")
@namespace_option
def message(team: str, channel: str, text: str, namespace: str | None) -> None:
    """Say something in a team's channel, as its bot."""
    from .control import message as send

    result = send(team, channel, text, namespace=namespace)
    if not result["ok"]:
        raise click.ClickException(result["error"])


# Settings


@fleet.command()
@as_json
def settings(as_json: bool) -> None:
    """Show the settings in force; secrets only as set or not."""
    from . import tables
    from .celery import app

    found = app.settings
    shown = {
        spec.name: getattr(found, spec.name)
        if spec.repr
        else ("set" if getattr(found, spec.name) else "not set")
        for spec in dataclasses.fields(found)
    }
    if as_json:
        print_json(shown)
    else:
        click.echo(tables.table(["SETTING", "VALUE"], ([name, str(value)] for name, value in shown.items())))


for command in (web, keys, init, handlers, events, replay, holders, drain, rebalance, sandbox):
    fleet.add_command(command)


def main() -> None:
    """The entry point `botfleet`."""
    fleet(prog_name="botfleet")
