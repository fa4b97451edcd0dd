"""Bots and statuses for the stores' tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from botfleet.model import Bot, Status, shard_of
from botfleet.store import Store

SHARDS = 4


def bot(team_id: str = "T1", token: str = "1", **fields: object) -> Bot:
    made = Bot(team_id=team_id, sealed_token=f"plain:xoxb-test-{token}", fingerprint=f"print-{token}")
    return msgspec.structs.replace(made, **fields)


def add(store: Store, *bots: Bot) -> None:
    for one in bots:
        store.change_bot(one.key, lambda before, one=one: one)


def remove(store: Store, key: str) -> None:
    store.change_bot(key, lambda before: None)


def key_in(shard: int, number: int = 0) -> str:
    """A key that lies in a shard."""
    keys = (key for key in map("T{}".format, range(10_000)) if shard_of(key, SHARDS) == shard)
    return next(itertools.islice(keys, number, None))


def connected(since: float = 1.0, **fields: object) -> Status:
    return msgspec.structs.replace(Status(state="connected", since=since, holder="h1"), **fields)


def run_threads(call: Callable[[int], object], number: int) -> list[object]:
    with ThreadPoolExecutor(number) as pool:
        return [future.result() for future in [pool.submit(call, n) for n in range(number)]]
