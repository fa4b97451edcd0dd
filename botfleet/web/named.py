"""What addresses name, for programs and for people alike: bots, by their keys, and holders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..sharing import drain
from ..store.base import Store
from .problems import Problem

#: What a bot's key is made of; `model.bot_key` makes them.
KEY = r"^[A-Za-z0-9_-]{1,200}$"
_KEY_FORM = re.compile(KEY)


def key_in(path: Mapping[str, Any]) -> str:
    """The bot's key among a path's parameters.

    Raises:
        Problem: it can't be one.
    """
    key = str(path["key"])
    if not _KEY_FORM.fullmatch(key):
        raise unknown_team()
    return key


def unknown_team() -> Problem:
    """There is no such bot."""
    return Problem(404, "unknown_team", "No bot of this key is known here. It may have been removed.")


def ask_to_drain(store: Store, name: str, wanted: bool) -> str:
    """Asks a holder to give its shards away, or takes that back; returns its whole name. Blocks.

    Raises:
        Problem: there is no such holder.
        StoreError: the store is away.
    """
    try:
        return drain(store, name, wanted)
    except UsageError:
        raise unknown_holder() from None


def unknown_holder() -> Problem:
    """There is no such holder."""
    return Problem(404, "unknown_holder", "No living holder has this name, or several have.")
