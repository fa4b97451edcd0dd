"""`botfleet keys`: the key that seals tokens, and the keys that the web role asks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from .cli_common import FleetGroup, as_json, open_fleet, print_json

if TYPE_CHECKING:
    from .model import Rights


@click.group(cls=FleetGroup)
def keys() -> None:
    """Keys for the REST API and the dashboard; and a new key that seals tokens."""


@keys.command("new")
def new_key() -> None:
    """Print a new key that seals tokens, for BOTFLEET_SECRET_KEYS; put it in front of the old ones."""
    from .secrets import Seal

    click.echo(Seal.new_key())


@keys.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="It may change things; without, it only reads.")
@as_json
def add(name: str, admin: bool, as_json: bool) -> None:
    """Make a key for the REST API and the dashboard, and print it, this once.

    NAME says whose it is; it stands in the log beside what is done with the key.
    """
    from .access_keys import add_key

    rights: Rights = "admin" if admin else "read"
    key = add_key(open_fleet().store, name, rights, time.time())
    if as_json:
        print_json({"name": name, "rights": rights, "key": key})
        return
    click.echo(key)
    click.echo("Keep it: it is not shown again.", err=True)


@keys.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the keys for the REST API and the dashboard, without their secret parts."""
    from . import tables

    found, now = open_fleet().store.access_keys(), time.time()
    if as_json:
        fields = ("id", "name", "rights", "created_at")
        print_json([{field: getattr(one, field) for field in fields} for one in found])
    elif found:
        rows = [[one.id, one.name, one.rights, tables.ago(now - one.created_at)] for one in found]
        click.echo(tables.table(["ID", "NAME", "RIGHTS", "AGE"], rows))
    else:
        click.echo("There are no keys; `botfleet keys add NAME --admin` makes one.")


@keys.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove a key for the REST API and the dashboard, by its NAME or id; its sessions end, too."""
    from .access_keys import remove_key

    removed = remove_key(open_fleet().store, name)
    click.echo(f"The key {removed.id} of {removed.name} is removed.")
