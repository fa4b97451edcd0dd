"""A web role over a store in memory, which a test fills: as many bots, in such states, as it likes."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import uvicorn

from botfleet.access_keys import new_key
from botfleet.fleet import Fleet
from botfleet.handlers.running.counters import failed_counter, late_counter, runs_counter
from botfleet.model import Bot, HolderInfo, Member, Rights, Sample, State, Status, Subscription
from botfleet.publishing.sinks import MemorySink
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.store.values import Seat
from botfleet.web.app import make_app
from botfleet.web.context import WebContext
from botfleet.web.server import listen

from ..waiting import eventually

NAMES = (
    "Northwind Traders", "Globex", "Umbrella & Sons", "Ærøskøbing Kommune", "Łódź Robotics", "Café Olé",
    "Contoso", "Initech", "Stark Industries", "Fabrikam", "Wayne Enterprises", "Corner Shop",
    "The Association of Friends of Rather Long Names that Have to be Broken Somewhere",
)  # fmt: skip
#: What goes wrong with a few bots: of a hundred, how many are in which state.
_TROUBLES: tuple[tuple[int, State, str], ...] = (
    (1, "connecting", ""),
    (1, "rate_limited", "ratelimited"),
    (1, "disconnected", "the socket was closed (1006)"),
    (1, "token_revoked", "account_inactive"),
    (1, "stopped", ""),
)
DEPTHS = {"events.message.public": 12, "events.message.private": 0, "events.team_join": 0, "events.other": 3}


class Desk(NamedTuple):
    """The web role.

    Attributes:
        url: without a slash at the end.
        store: what it shows.
    """

    url: str
    store: MemoryStore

    def key(self, rights: Rights) -> str:
        """A new access key."""
        key, kept = new_key(f"{rights} key of a test", rights, 1.0)
        self.store.put_access_key(kept)
        return key


@contextmanager
def serving(store: MemoryStore) -> Iterator[Desk]:
    """Serves the pages in a thread."""
    settings = Settings.load({}, {}, store_url="memory://", shards=store.shards)
    context = WebContext(Fleet(settings, store=store), MemorySink(), depths=lambda: DEPTHS)
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(context), log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=partial(server.run, [listener]), name="desk", daemon=True)
        thread.start()
        eventually(lambda: server.started)
        yield Desk(f"http://127.0.0.1:{listener.getsockname()[1]}", store)
        server.should_exit = server.force_exit = True
        thread.join(10.0)


def fill(store: MemoryStore, bots: int, now: float) -> None:
    """Puts a fleet into a store: bots of all kinds, two holders, handlers, and what the last hour was."""
    chance = random.Random(1)
    for number in range(bots):
        _add(store, number, now, chance)
    half = store.shards // 2
    for which in (0, 1):
        _hold(store, f"holder@host{which + 1}", range(which * half, (which + 1) * half), bots // 2, now)
    store.put_subscriptions("handler", _WANTED)
    for task, (runs, failed, late) in _COUNTS.items():
        store.advance(runs_counter(task), runs)
        store.advance(failed_counter(task), failed)
        store.advance(late_counter(task), late)
    for sample in _hour(bots, now, chance):
        store.put_sample(sample)


_COUNTS = {
    "tasks.hello.ping": (18231, 0, 0),
    "tasks.welcome.greet": (412, 7, 0),
    "tasks.polls.vote": (90211, 2, 12),
}
_CHANNELS = tuple(
    f"{kind}_{what}"
    for kind in ("channel", "group")
    for what in ("created", "joined", "left", "rename", "archive", "unarchive", "deleted")
)
_WANTED = (
    Subscription(task="tasks.hello.ping", types=("message",), addressed=True, words=("ping",)),
    Subscription(task="tasks.welcome.greet", types=("team_join",)),
    Subscription(
        task="tasks.polls.vote",
        types=("reaction_added",),
        reactions=("thumbsup", "thumbsdown"),
        queue="polls",
    ),
    Subscription(task="botfleet.directory.channels", types=_CHANNELS),
)


def _add(store: MemoryStore, number: int, now: float, chance: random.Random) -> None:
    suffix = f" {number // len(NAMES) + 1}" if number >= len(NAMES) else ""
    bot = Bot(
        team_id=f"T{number:08X}",
        namespace="beta" if number % 7 == 3 else "",
        sealed_token="plain:none",
        fingerprint=f"print-{number}",
        team_name=NAMES[number % len(NAMES)] + suffix,
        bot_name="fleetbot",
        added_at=now - chance.uniform(1e5, 1e7),
        updated_at=now - 1e5,
    )
    store.change_bot(bot.key, lambda before: bot)
    state, error = _state(number)
    held = state not in ("stopped", "token_revoked")
    status = Status(
        state=state,
        since=now - chance.uniform(10, 300_000),
        error=error,
        holder=f"holder@host{number % 2 + 1}" if held else "",
        retry_at=now + 600 if state in ("rate_limited", "disconnected") else 0.0,
        generation=1,
    )
    store.put_statuses({bot.key: status})


def _state(number: int) -> tuple[State, str]:
    place = number % 100 - 20
    for count, state, error in _TROUBLES:
        if 0 <= place < count:
            return state, error
        place -= count
    return "connected", ""


def _hold(store: MemoryStore, name: str, shards: range, bots: int, now: float) -> None:
    holder = HolderInfo(
        name=name,
        host=f"{name.partition('@')[2]}.fleet.example",
        pid=4711,
        since=now - 90_000,
        shards=len(shards),
        led=len(shards),
        bots=bots,
        connected=int(bots * 0.96),
        events=192_345,
        published=91_234,
        rate=12.5,
    )
    store.announce(holder, 3600.0)
    store.beat(Member(name=name, owner=f"{name}/1", since=holder.since), 3600.0)
    store.take(f"{name}/1", [Seat(shard) for shard in shards])


def _hour(bots: int, now: float, chance: random.Random) -> Iterator[Sample]:
    failed = 0
    for number in range(360):
        bad = 280 < number < 290
        failed += bad or chance.random() < 0.02
        yield Sample(
            at=now - 3600 + 10 * number,
            bots={"connected": int(bots * (0.6 if bad else 0.95))},
            holders=2,
            rate=18 + 9 * math.sin(number / 25) + chance.random() * 4,
            queues={"events.message.public": chance.randrange(12) + (80 if 282 < number < 292 else 0)},
            failed=failed,
        )


def now() -> float:
    """The time that a store is filled for."""
    return time.time()
