"""A team's events in the browser, as they come in."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from botfleet.errors import StoreUnavailable
from botfleet.model import Shown, Sighting
from botfleet.overview.census import team_of
from botfleet.store.memory import MemoryStore
from botfleet.web.dashboard import feeds as feeds_module
from botfleet.web.dashboard import live as live_module
from botfleet.web.dashboard.feeds import Feeds, FeedsFull
from botfleet.web.dashboard.live import message_of

from ..integration.store_values import add, bot, connected
from ..waiting import eventually
from .conftest import MakeClient, MakeKey
from .signing import sign_in

TEAM = team_of(bot("T1"), connected(generation=1))


def sighting(number: int = 1, key: str = "T1", **fields: Any) -> Sighting:
    return Sighting(id=f"Ev{number}", received_at=float(number), bot=key, type="message", **fields)


class Source:
    """What holders show of teams, as a test says it; in place of `watching.follow`."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self._shown: dict[str, queue.Queue[Shown | Exception]] = {}

    def __call__(self, team: str) -> Iterator[Shown | None]:
        self.begun.append(team)
        self._shown[team] = queue.Queue()
        return self._follow(team)

    def show(self, team: str, what: Shown | Exception) -> None:
        self._shown[team].put(what)

    def _follow(self, team: str) -> Iterator[Shown | None]:
        try:
            while True:
                try:
                    shown = self._shown[team].get(timeout=0.02)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(shown, Exception):
                    raise shown
                yield shown
        finally:
            self.ended.append(team)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def feeds(memory_store: MemoryStore, source: Source) -> Feeds:
    return Feeds(memory_store, source)


def test_all_who_watch_a_team_share_what_is_shown_of_it(feeds: Feeds, source: Source) -> None:
    shown = Shown(holder="h1", sightings=(sighting(),))

    async def watch() -> None:
        one, other = feeds.open("T1"), feeds.open("T1")
        source.show("T1", shown)
        assert await one.get() == await other.get() == shown
        late = feeds.open("T1")
        assert await late.get() == Shown(holder="h1")
        feeds.close("T1", late)
        feeds.close("T1", one)
        source.show("T1", shown)
        assert await other.get() == shown
        feeds.close("T1", other)

    asyncio.run(watch())
    assert source.begun == ["T1"]
    assert feeds.watched == []
    eventually(lambda: source.ended == ["T1"])


def test_only_so_many_watch(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds_module, "MAX_FEEDS", 2)
    monkeypatch.setattr(feeds_module, "MAX_BROWSERS", 3)

    async def watch() -> None:
        open_ = [("T1", feeds.open("T1")), ("T2", feeds.open("T2"))]
        with pytest.raises(FeedsFull):
            feeds.open("T3")
        open_.append(("T2", feeds.open("T2")))
        assert feeds.is_full("T1")
        with pytest.raises(FeedsFull):
            feeds.open("T1")
        for team, queue_ in open_:
            feeds.close(team, queue_)
        assert not feeds.is_full("T3")

    asyncio.run(watch())


def test_who_watches_is_told_of_the_end(feeds: Feeds, source: Source) -> None:
    async def watch() -> None:
        queue_ = feeds.open("T1")
        source.show("T1", StoreUnavailable("away"))
        assert await queue_.get() is None
        feeds.close("T1", queue_)
        # It may be watched again.
        again = feeds.open("T1")
        feeds.close("T1", again)

    asyncio.run(watch())
    assert source.begun == ["T1", "T1"]


def test_who_is_slow_misses_the_oldest_and_holds_nobody_up(feeds: Feeds, source: Source) -> None:
    async def watch() -> Shown | None:
        slow, quick = feeds.open("T1"), feeds.open("T1")
        for number in range(150):
            source.show("T1", Shown(holder="h1", skipped=number))
            await quick.get()
        first = slow.get_nowait()
        feeds.close("T1", slow)
        feeds.close("T1", quick)
        return first

    assert asyncio.run(watch()) == Shown(holder="h1", skipped=50)


def test_an_event_is_shown_without_what_was_written() -> None:
    shown = Shown(
        holder="h1",
        sightings=(
            sighting(1, channel="C1", user="U1", handlers=2),
            sighting(2, key="beta-T1"),
            sighting(3, subtype="<b>", envelope='{"payload": {"text": "a secret"}}'),
        ),
        skipped=7,
    )
    message = message_of(shown, TEAM)
    assert message.startswith("event: sighting\ndata: ")
    assert message.endswith("\n\n")
    assert "7 more events came too fast" in message
    assert message.count('<li class="new">') == 2
    assert message.index("1970-01-01T00:00:03") < message.index("1970-01-01T00:00:01")
    assert "2 handlers" in message
    assert "no handler" in message
    assert "C1 · U1" in message
    assert "<b>" not in message
    assert "a secret" not in message


def test_what_begins_is_no_event() -> None:
    assert message_of(Shown(holder="h1"), TEAM) == "event: begun\ndata: \n\n"
    assert message_of(Shown(holder="h2"), TEAM) == ":\n\n"
    by_http = msgspec.structs.replace(TEAM, holder="")
    assert message_of(Shown(holder="web@a"), by_http) == "event: begun\ndata: \n\n"


class Browser:
    """Asks an app for a page that does not end, until it is closed."""

    def __init__(self, client: TestClient, path: str, cookie: str = "") -> None:
        self._app, self._path, self._cookie = client.app, path, cookie
        self.status = 0
        self.text = ""

    async def open(self, until: Callable[[], bool]) -> None:
        async def receive() -> dict[str, Any]:
            while not until():
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.status = message.get("status", self.status)
            self.text += message.get("body", b"").decode()

        headers = [(b"host", b"localhost"), (b"cookie", self._cookie.encode())]
        scope = {"type": "http", "method": "GET", "path": self._path, "query_string": b"", "headers": headers}
        await asyncio.wait_for(self._app({**scope, "http_version": "1.1"}, receive, send), 10.0)  # type: ignore[operator]


def test_the_stream_ends_with_its_browser(make_client: MakeClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"))
    client = make_client(open=True)
    browser = Browser(client, "/dashboard/teams/T1/live")
    begun: list[str] = []

    def seen() -> bool:
        for watch in memory_store.watches():
            assert (watch.teams, watch.text) == (("T1",), False)
            if not begun:
                begun.append(watch.id)
                memory_store.show(watch.id, Shown(holder="h1", sightings=(sighting(),)))
        return "message" in browser.text

    asyncio.run(browser.open(seen))
    assert browser.status == 200
    assert browser.text.startswith("retry: 2000\n\n")
    assert client.app.state.board.feeds.watched == []  # type: ignore[attr-defined]


def test_the_stream_ends_with_the_session_of_who_watches(
    make_client: MakeClient,
    make_key: MakeKey,
    memory_store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "_PATIENCE", 0.01)
    add(memory_store, bot("T1"))
    client, key = make_client(), make_key("read")
    sign_in(client, key)
    browser = Browser(
        client, "/dashboard/teams/T1/live", f"botfleet_session={client.cookies['botfleet_session']}"
    )

    def never() -> bool:
        if ":\n\n" in browser.text:
            memory_store.remove_access_key(key[4:12])
        return False

    asyncio.run(browser.open(never))
    assert browser.status == 200
    assert memory_store.access_keys() == []


def test_nobody_watches_without_a_right_to(make_client: MakeClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"))
    led = make_client().get("/dashboard/teams/T1/live")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=/dashboard/teams/T1/live")
    assert memory_store.watches() == []
