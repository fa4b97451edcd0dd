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
        click.echo("No holder is running: `celery -A botfleet worker --role holder` starts one.")


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
    [asked] = ask(store, name, not undo)
    click.echo(f"{asked} {'takes bots again' if undo else 'gives its bots to the others'}.")
    while wait and not undo:
        left = [one for one in store.holders() if one.name == asked and not (one.draining and one.standby)]
        if not left:
            click.echo(f"{asked} has no bots left.")
            return
        time.sleep(_LOOK)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what has to move.")
@as_json
def rebalance(dry_run: bool, as_json: bool) -> None:
    """Show which shards have to move to another holder, and wait until they have.

    Holders share the shards out by themselves, whenever one comes or goes: this command moves nothing.
    """
    from .sharing import moves

    fleet = open_fleet()
    found = list(moves(fleet.store, fleet.settings.replicas))
    if as_json:
        print_json([_as_json(move) for move in found])
    else:
        click.echo(_summary(found))
    while found and not dry_run:
        time.sleep(_LOOK)
        found = list(moves(fleet.store, fleet.settings.replicas))
        if not found and not as_json:
            click.echo("Every shard is where it should be.")


def _summary(found: list[Move]) -> str:
    from . import tables

    if not found:
        return "Every shard is where it should be."
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
