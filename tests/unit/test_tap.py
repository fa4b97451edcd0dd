"""Those who watch see what comes in: what they ask for, bounded, and no text unless they ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from botfleet.holder.tap import AT_A_TIME, Tap
from botfleet.model import Bot, Envelope, Shown, Sighting, Subscription, Watch
from botfleet.publishing.publisher import Publisher
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import MemorySink
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode
from botfleet.store.interfaces.watches import Viewer
from botfleet.store.memory import MemoryStore
from botfleet.watching import follow

from ..waiting import eventually
from .bots import NOW

ONE, OTHER = (Origin.of(Bot(team_id=team, sealed_token="plain:x", fingerprint="f")) for team in ("T1", "T2"))
Say = Callable[..., None]


class Holder:
    """A publisher with a tap, and no socket."""

    def __init__(self, name: str, store: MemoryStore) -> None:
        self.store = store
        self.deaths: list[BaseException] = []
        self.publisher = Publisher(MemorySink(), 2**20, clock=lambda: NOW)
        self.publisher.router = Router([Subscription(task="t", types=("message",))])
        self.tap = Tap(name, store, self.publisher, lambda: NOW, lambda name, exc: self.deaths.append(exc))

    def look(self) -> None:
        """As the keeper does with each heartbeat."""
        self.tap.look(self.store.watches())

    def hear(self, number: int = 1, origin: Origin = ONE, type: str = "message", text: str = "hi") -> None:
        fields = {"type": type, "channel": "C1", "user": "U1", "text": text, "ts": f"{number}.0"}
        raw = json.dumps(fields).encode()
        frame = decode(raw)
        assert frame is not None
        if not self.publisher.passes_over(type.encode()):
            self.publisher.publish(origin, frame, raw)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(4)


@pytest.fixture
def make_holder(store: MemoryStore) -> Iterator[Callable[[str], Holder]]:
    made: list[Holder] = []

    def make(name: str) -> Holder:
        made.append(Holder(name, store))
        return made[-1]

    yield make
    for holder in made:
        holder.tap.close()
        assert holder.deaths == []


@pytest.fixture
def holder(make_holder: Callable[[str], Holder]) -> Holder:
    return make_holder("h1")


def watch(store: MemoryStore, holder: Holder, **fields: Any) -> Viewer:
    """Begins to watch; the holder knows."""
    asked = Watch(id=f"w{len(store.watches())}", **fields)
    viewer = store.viewer(asked.id)
    store.watch(asked, 30.0)
    holder.look()
    assert viewer.next(5.0) == Shown(holder="h1"), "it tells that it has begun"
    return viewer


def seen(viewer: Viewer, count: int) -> list[Sighting]:
    """The next sightings."""
    found: list[Sighting] = []
    while len(found) < count:
        shown = viewer.next(5.0)
        assert shown is not None, found
        found += shown.sightings
    return found


def test_what_comes_in_is_shown_without_its_text(store: MemoryStore, holder: Holder) -> None:
    viewer = watch(store, holder)
    holder.hear(1, text="secret")
    holder.hear(2, type="user_typing")
    first, second = seen(viewer, 2)
    assert first == Sighting(
        id="T1:C1:message:1.0", received_at=NOW, bot="T1", type="message", channel="C1", user="U1", handlers=1
    )
    assert (second.type, second.handlers) == ("user_typing", 0)


def test_with_text_the_whole_envelope_is_shown(store: MemoryStore, holder: Holder) -> None:
    viewer = watch(store, holder, text=True)
    holder.hear(text="häl\nlo")
    (sighting,) = seen(viewer, 1)
    envelope = json.loads(sighting.envelope)
    assert list(envelope) == list(Envelope.__struct_fields__)
    assert (envelope["id"], envelope["payload"]["text"]) == (sighting.id, "häl\nlo")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"teams": ("T2",)}, ["T2:C1:message:2.0"]),
        ({"types": ("pong", "team_join")}, ["T1:C1:team_join:3.0:U1"]),
        ({"wanted": True}, ["T1:C1:message:1.0", "T2:C1:message:2.0", "T1:C1:message:4.0"]),
        ({"teams": ("T1",), "types": ("message",)}, ["T1:C1:message:1.0", "T1:C1:message:4.0"]),
    ],
)
def test_only_what_was_asked_for(
    store: MemoryStore, holder: Holder, fields: dict[str, Any], expected: list[str]
) -> None:
    viewer = watch(store, holder, **fields)
    holder.hear(1)
    holder.hear(2, OTHER)
    holder.hear(3, type="team_join")
    holder.hear(4)
    assert [sighting.id for sighting in seen(viewer, len(expected))] == expected


def test_what_comes_too_fast_is_counted(store: MemoryStore, holder: Holder) -> None:
    viewer = watch(store, holder)
    count = 10 * AT_A_TIME
    for number in range(count):
        holder.hear(number)
    shown, skipped = 0, 0
    while shown + skipped < count:
        found = viewer.next(5.0)
        assert found is not None
        assert len(found.sightings) <= AT_A_TIME
        shown, skipped = shown + len(found.sightings), skipped + found.skipped
    assert shown + skipped == count
    assert skipped > 0


def test_nothing_is_left_when_nobody_watches(store: MemoryStore, holder: Holder) -> None:
    assert holder.publisher.tap is None
    store.watch(Watch(id="w"), 0.05)
    holder.look()
    assert holder.publisher.tap is not None
    thread = holder.tap._thread
    assert thread is not None

    def gone() -> bool:
        holder.look()
        return holder.publisher.tap is None and not thread.is_alive()

    eventually(gone)
    # And it begins again.
    viewer = watch(store, holder)
    holder.hear()
    assert len(seen(viewer, 1)) == 1


def test_a_store_that_is_away_ends_nothing(store: MemoryStore, holder: Holder) -> None:
    viewer = watch(store, holder)
    store.down = True
    holder.hear(1)
    # Until it was taken, and lost.
    eventually(lambda: not holder.tap._views[0]._sightings)
    store.down = False

    def again() -> bool:
        holder.hear(2)
        found = viewer.next(0.5)
        return found is not None and bool(found.sightings)

    eventually(again)


def test_following_renews_the_watch_and_tells_copies(
    store: MemoryStore, make_holder: Callable[[str], Holder]
) -> None:
    holders = [make_holder("h1"), make_holder("h2")]
    stream = follow(store, teams=["T1"], text=True)
    assert next(stream) is None
    for one in holders:
        one.look()
    begun = [next(stream), next(stream)]
    assert {one.holder for one in begun if one} == {"h1", "h2"}
    for one in holders:
        one.hear(1)
        one.hear(1, OTHER)
    found = [sighting for one in (next(stream), next(stream)) if one for sighting in one.sightings]
    assert [sighting.id for sighting in found] == ["T1:C1:message:1.0"]
    stream.close()
    assert len(store.watches()) == 1, "it ends by itself"


def test_a_watch_is_renewed_while_it_is_followed(store: MemoryStore) -> None:
    now = [100.0]
    renewals: list[float] = []
    store.watch = lambda watch, ttl: renewals.append(now[0])  # type: ignore[method-assign]
    stream = follow(store, monotonic=lambda: now[0])
    store.viewer = lambda watch_id: Idle()  # type: ignore[method-assign]
    for _ in range(10):
        assert next(stream) is None
        now[0] += 0.5
    assert renewals == [100.0, 101.0, 102.0, 103.0, 104.0]


class Idle(Viewer):
    def next(self, timeout: float) -> None:
        return None

    def close(self) -> None: ...
