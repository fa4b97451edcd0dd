"""The store: what all processes of a fleet know in common. `open_store` opens the one that is configured."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..errors import NoStorageMethod
from ..settings import Settings
from .base import Store
from .memory import MemoryStore
from .values import Change, DoorEntry

__all__ = ["REDIS_SCHEMES", "Change", "DoorEntry", "MemoryStore", "Store", "open_store"]

#: Of the URLs that name a Redis.
REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "unix")


def open_store(settings: Settings) -> Store:
    """Opens the store that `settings.store_url` names; nothing is sent before its first use.

    `memory://` makes a new, empty store with each call, known to nobody but the caller.

    Raises:
        NoStorageMethod: the URL's scheme is unknown, or the library for it is not installed.
        ConfigurationError: the URL can't be used.
    """
    scheme = urlsplit(settings.store_url).scheme
    if scheme == "memory":
        return MemoryStore(settings.shards)
    if scheme in REDIS_SCHEMES:
        return _open_redis(settings)
    raise NoStorageMethod(
        f"BOTFLEET_STORE_URL begins with {scheme}://, and there is no store of that kind; "
        "there are redis://, rediss://, redis+socket://, unix:// and memory://"
    )


def _open_redis(settings: Settings) -> Store:
    try:
        from .redis import RedisStore
    except ImportError as exc:
        raise NoStorageMethod(
            f"the store needs the library {exc.name}, which is not installed: pip install 'redis[hiredis]'"
        ) from exc
    return RedisStore.from_url(
        settings.store_url,
        settings.shards,
        key_prefix=settings.key_prefix,
        teams_key=settings.teams_key,
        tokens_key=settings.tokens_key,
    )
