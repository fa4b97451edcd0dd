"""`botfleet holders`, `drain` and `rebalance`: how holders share the bots."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from .cli_common import as_json, open_fleet, print_json

if TYPE_CHECKING:
    from .sharing import Move

#: Seconds between two looks while a command waits.
_LOOK = 0.5
NO_HOLDER = "No holder is running: `celery -A botfleet worker --role holder` starts one."
IN_PLACE = "Every shard is where it should be."


@click.command()
@as_json
def holders(as_json: bool) -> None:
    """Show the holders that are alive."""
    from . import tables
    from .model import fields_of

    found = open_fleet().store.holders()
    if as_json:
        print_json([fields_of(holder) for holder in found])
    elif found:
        click.echo(tables.holders_table(found, time.time()))
    else:
        click.echo(NO_HOLDER)


@click.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let it take shards again.")
@click.option("--wait", is_flag=True, help="Wait until it has nothing left.")
def drain(name: str, undo: bool, wait: bool) -> None:
    """Have the holder NAME give its bots to the others, and take none.

    It goes on running. A holder that is started again takes bots again.
    """
    from .sharing import drain as ask

    store = open_fleet().store
    asked = ask(store, name, not undo)
    if undo:
        click.echo(f"{asked} takes bots again.")
        return
    if all(one.draining for one in store.members() if one.name != asked):
        raise click.ClickException(f"there is no other holder: {asked} keeps its bots until there is one")
    click.echo(f"{asked} gives its bots to the others.")
    while wait:
        left = [one for one in store.holders() if one.name == asked and not (one.draining and one.standby)]
        if not left:
            click.echo(f"{asked} has no bots left.")
            return
        time.sleep(_LOOK)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what has to move.")
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds to wait at the most.")
@as_json
def rebalance(dry_run: bool, timeout: float, as_json: bool) -> None:
    """Show which shards have to move to another holder, and wait until they have.

    Holders share the shards out by themselves, whenever one comes or goes: this command moves nothing.
    """
    from .sharing import moves

    fleet = open_fleet()
    if not fleet.store.members():
        raise click.ClickException(NO_HOLDER)
    end = time.monotonic() + timeout
    found = list(moves(fleet.store, fleet.settings.replicas))
    if as_json:
        print_json([_as_json(move) for move in found])
    else:
        click.echo(_summary(found))
    if dry_run:
        return
    while any(move.to for move in found):
        if time.monotonic() > end:
            raise click.ClickException(f"{len(found)} shards have not moved within {timeout:g} s")
        time.sleep(_LOOK)
        found = list(moves(fleet.store, fleet.settings.replicas))
        if not found and not as_json:
            click.echo(IN_PLACE)


def _summary(found: list[Move]) -> str:
    from . import tables

    if not found:
        return IN_PLACE
    ways = Counter((move.holder or "-", move.to or "-") for move in found)
    bots = Counter[tuple[str, str]]()
    for move in found:
        bots[move.holder or "-", move.to or "-"] += move.bots
    rows = [[*way, str(count), str(bots[way])] for way, count in sorted(ways.items())]
    return tables.table(["FROM", "TO", "SHARDS", "BOTS"], rows)


def _as_json(move: Move) -> dict[str, Any]:
    return {
        "shard": move.seat.shard,
        "slot": move.seat.slot,
        "bots": move.bots,
        "from": move.holder or None,
        "to": move.to or None,
    }
