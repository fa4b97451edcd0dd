"""Keys for the web role: `bfk_ID_SECRET`; the store knows their digests only."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

from .errors import UsageError
from .model import AccessKey, Rights
from .store.base import Store

_KEY = re.compile(r"bfk_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
#: What a key may be called: names stand in logs and tables.
_NAME = re.compile(r"(?=.{1,64}$)[^\W_](?:[\w .@+-]*\w)?", re.ASCII)


def new_key(name: str, rights: Rights, now: float) -> tuple[str, AccessKey]:
    """Makes a key: the key itself, which nobody keeps, and what the store knows of it."""
    key_id = secrets.token_hex(4)
    key = f"bfk_{key_id}_{secrets.token_urlsafe(32)}"
    return key, AccessKey(id=key_id, name=name, rights=rights, digest=digest_of(key), created_at=now)


def digest_of(key: str) -> str:
    """What the store knows of a key. Keys are random, so that one round of hashing is enough."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def find_key(store: Store, key: str) -> AccessKey | None:
    """The key as the store knows it; None for one that is wrong or was removed."""
    matched = _KEY.fullmatch(key)
    found = store.access_key(matched[1]) if matched else None
    if found is None or not hmac.compare_digest(found.digest, digest_of(key)):
        return None
    return found


def add_key(store: Store, name: str, rights: Rights, now: float) -> str:
    """Makes a key that the store knows, and returns it: nobody can show it again.

    Raises:
        UsageError: the name is taken, or can't be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError("a key's name takes up to 64 letters, digits, spaces and . @ + - _")
    if any(one.name == name for one in store.access_keys()):
        raise UsageError(f"there is a key called {name!r} already; remove it first, or take another name")
    key, kept = new_key(name, rights, now)
    store.put_access_key(kept)
    return key


def remove_key(store: Store, name_or_id: str) -> AccessKey:
    """Forgets a key by its name or its id; who has it is refused from now on.

    Raises:
        UsageError: there is none.
    """
    for one in _by_name_first(store.access_keys(), name_or_id):
        if store.remove_access_key(one.id):
            return one
    raise UsageError("there is no key of this name or id; `botfleet keys list` shows them")


def _by_name_first(keys: list[AccessKey], name_or_id: str) -> list[AccessKey]:
    fields: list[Callable[[AccessKey], str]] = [lambda one: one.name, lambda one: one.id]
    return [one for field in fields for one in keys if field(one) == name_or_id]
