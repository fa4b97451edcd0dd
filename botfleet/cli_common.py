"""What the commands share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .errors import BotfleetError, StoreUnavailable

if TYPE_CHECKING:
    from .fleet import Fleet

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class FleetGroup(click.Group):
    """A group of commands whose foreseen errors are one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from .sandbox.client import SandboxError

        try:
            return super().invoke(ctx)
        except StoreUnavailable as exc:
            hint = "`botfleet up` starts a fleet here, BOTFLEET_BROKER_URL names another"
            raise click.ClickException(f"{exc} ({hint})") from exc
        except (BotfleetError, SandboxError) as exc:
            raise click.ClickException(str(exc)) from exc


def open_fleet() -> Fleet:
    """The fleet that the settings name."""
    # Here and in the commands, what one needs is loaded by that one: `celery` loads them all for each of its
    # own commands.
    from .celery import app

    return app.fleet


def print_json(value: object) -> None:
    """Prints JSON for people and programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
