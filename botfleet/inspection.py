"""`celery -A botfleet inspect connections`: what a holder's sockets are doing.

Loaded by Celery's commands only: the programs that just send tasks don't need it.
"""

from __future__ import annotations

from typing import Any

import click
from celery.worker.control import inspect_command

#: Bots in one answer where no other number is asked for.
LIMIT = 1000


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number of bots") from None


@inspect_command(args=[("limit", _number)], signature="[LIMIT=1000]")  # type: ignore[untyped-decorator]
def connections(state: Any, limit: int = LIMIT, **_: Any) -> dict[str, Any]:
    """The bots that a holder has connections for: how each is, and which shard it is in."""
    holder = getattr(state.consumer.controller, "botfleet_holder", None)
    if holder is None:
        return {"error": "this worker holds no connections"}
    found: dict[str, Any] = holder.describe(limit)
    return found
