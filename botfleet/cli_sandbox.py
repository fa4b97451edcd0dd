"""`botfleet sandbox …`: run a sandbox, speak in it, and make things go wrong."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from .sandbox.client import SandboxControl

#: Where a sandbox is that no `up` started and no option names.
_DEFAULT_PORT = 8765
FAULTS = (
    "revoke",
    "restore",
    "drop",
    "close",
    "silent",
    "goodbye",
    "ratelimit",
    "migrate",
    "slow",
    "fail",
    "refuse",
    "app_rate_limited",
    "clear",
)

url_option = click.option("--url", metavar="URL", help="The sandbox; by default the one that `up` started.")
team_option = click.option("--team", metavar="TEAM", help="A team's id or name; the first by default.")


def _control(url: str | None) -> SandboxControl:
    return SandboxControl(url or _running() or _default_url())


def _running() -> str | None:
    from .celery import app
    from .settings import running_fleet

    return running_fleet(app.settings.state_path).get("sandbox_url")


def _default_url() -> str:
    return f"http://127.0.0.1:{_DEFAULT_PORT}/"


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option("--port", type=click.IntRange(0, 65535), default=_DEFAULT_PORT, show_default=True)
@click.option(
    "--teams", type=click.IntRange(1, 100_000), default=2, show_default=True, help="Teams at first."
)
@click.option("--state", type=click.Path(dir_okay=False), metavar="FILE", help="Keep added teams here.")
@click.option("--limits", is_flag=True, help="Apply Slack's rate limits.")
@click.option(
    "--cert", type=click.Path(dir_okay=False), metavar="FILE", help="A PEM certificate, for https and wss."
)
@click.option("--key", type=click.Path(dir_okay=False), metavar="FILE", help="The certificate's key.")
@click.option("--app-url", metavar="URL", help="The app's web role, which is told of events by HTTP.")
@click.option("--events-url", metavar="URL", help="By default URL/slack/events of --app-url.")
@click.option("--commands-url", metavar="URL", help="By default URL/slack/commands.")
@click.option("--interactive-url", metavar="URL", help="By default URL/slack/interactive.")
@click.option("--enterprise", metavar="NAME", help="An organisation with two teams of its own.")
@click.pass_context
def sandbox(
    context: click.Context,
    /,
    host: str,
    port: int,
    teams: int,
    state: str | None,
    limits: bool,
    cert: str | None,
    key: str | None,
    **about_app: str | None,
) -> None:
    """Run a sandbox: a local Slack, for trying and testing. Or act in one that runs."""
    if context.invoked_subcommand is not None:
        return
    if key and not cert:
        raise click.UsageError("--key needs --cert")
    arguments = ["--host", host, "--port", str(port), "--teams", str(teams)]
    named = {"state": state, "cert": cert, "key": key, **about_app}
    for name, value in named.items():
        arguments += [f"--{name.replace('_', '-')}", value] if value else []
    arguments += ["--limits"] if limits else []
    # In this very process, for it imports nothing of the rest.
    from .sandbox.__main__ import main

    sys.exit(main(arguments))


@sandbox.command()
@click.argument("channel")
@click.argument("text")
@team_option
@click.option("--user", metavar="NAME", help="Who says it; the team's first member by default.")
@click.option("--wait", type=float, default=5.0, show_default=True, help="Seconds to wait for an answer.")
@url_option
def say(channel: str, text: str, team: str | None, user: str | None, wait: float, url: str | None) -> None:
    """Say something as a person, and show what the bot answers.

    CHANNEL is a channel's name, or @NAME for that person's direct messages with the bot.
    """
    control = _control(url)
    said = control.say(channel, text, team=team, user=user)
    click.echo(f"{said['user']} in {channel}: {said['text']}")
    if wait <= 0:
        return
    answer = control.wait_for_message(by="bot", team=said["team"], timeout=wait)
    click.echo(f"{answer['user_name']}: {answer['text']}")


@sandbox.command()
@click.argument("name", metavar="/COMMAND")
@click.argument("text", default="")
@team_option
@click.option("--channel", default="general", show_default=True, help="Where it is used.")
@click.option("--user", metavar="NAME", help="Who uses it; the team's first member by default.")
@click.option("--wait", type=float, default=5.0, show_default=True, help="Seconds to wait for an answer.")
@url_option
def slash(
    name: str, text: str, team: str | None, channel: str, user: str | None, wait: float, url: str | None
) -> None:
    """Use a slash command as a person, and show what the app answers: slash /deploy web.

    The app has to be installed in the team by OAuth.
    """
    control = _control(url)
    used = control.command(name, text, channel=channel, team=team, user=user)
    if wait <= 0:
        return
    answer = control.wait_for_message(by=None, team=used["team"], timeout=wait)
    click.echo(f"{answer['user_name']}: {answer['text']}")


@sandbox.command()
@team_option
@click.option("--app", "app_id", metavar="ID", help="The app; the first by default.")
@url_option
def uninstall(team: str | None, app_id: str | None, url: str | None) -> None:
    """Remove the app from a team, with all of its tokens."""
    _control(url).uninstall(team, app_id=app_id)
    click.echo("uninstalled")


@sandbox.command()
@click.option("--name", help="The new member's name.")
@team_option
@url_option
def join(name: str | None, team: str | None, url: str | None) -> None:
    """Have a new member join a team."""
    member = _control(url).join(name, team=team)
    click.echo(f"{member['name']} ({member['user']}) joined")


@sandbox.command()
@click.argument("kind", type=click.Choice(FAULTS))
@click.argument("fields", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--team", metavar="TEAM", help="A team's id or name; all teams by default.")
@url_option
def fault(kind: str, fields: tuple[str, ...], team: str | None, url: str | None) -> None:
    """Make something go wrong, e.g. `fault revoke error=account_inactive`; docs/sandbox.md lists all."""
    _control(url).fault(kind, team=team, **dict(_field(one) for one in fields))
    click.echo(f"{kind}: done for {team or 'all teams'}")


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{text!r}: expected NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@sandbox.command()
@click.argument("count", type=click.IntRange(1, 10_000))
@url_option
def teams(count: int, url: str | None) -> None:
    """Create teams, and print their tokens, one a line, for `botfleet teams add -`."""
    for made in _control(url).add_teams(count):
        click.echo(made["bot_token"])


@sandbox.command("state")
@url_option
def state_(url: str | None) -> None:
    """Print what there is in the sandbox, as JSON."""
    click.echo(json.dumps(_control(url).state(), indent=2))
