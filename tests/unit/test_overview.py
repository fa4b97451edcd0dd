"""What people see of a fleet: bots by pages, handlers with their rates, holders with their shards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet.errors import StoreUnavailable, UsageError
from botfleet.model import Bot, HolderInfo, Member, Status, Subscription
from botfleet.overview import Census, HandlerBook, Query, Snapshot, Team, holders_of
from botfleet.overview.census import team_of
from botfleet.store.memory import MemoryStore
from botfleet.store.values import Seat
from tests.integration.store_values import add, bot, connected, remove
from tests.waiting import eventually


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(4)


def team(key: str, **fields: object) -> Team:
    shown = team_of(bot(key), connected(generation=1))
    return msgspec.structs.replace(shown, **fields)


def snapshot(*teams: Team) -> Snapshot:
    return Snapshot({one.key: one for one in teams}, at=1.0)


def keys(found: Snapshot, **query: object) -> list[str]:
    return [one.key for one in found.page(Query(**query)).teams]  # type: ignore[arg-type]


# Pages


NAMED = snapshot(
    team("T1", name="beta", since=3.0, added_at=1.0, holder="h1"),
    team("T2", name="Alpha", since=1.0, added_at=2.0, status="stopped", holder="h2"),
    team("app-T3", name="alpha", since=2.0, added_at=3.0, namespace="app", bot_name="Ruby"),
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["T1", "T2", "app-T3"]),
        ({"sort": "-key"}, ["app-T3", "T2", "T1"]),
        ({"sort": "name"}, ["T2", "app-T3", "T1"]),
        ({"sort": "-name"}, ["T1", "app-T3", "T2"]),
        ({"sort": "since"}, ["T2", "app-T3", "T1"]),
        ({"sort": "-added"}, ["app-T3", "T2", "T1"]),
        ({"sort": "status"}, ["T1", "app-T3", "T2"]),
        ({"search": "ALPHA"}, ["T2", "app-T3"]),
        ({"search": "t1"}, ["T1"]),
        ({"search": "ruby"}, ["app-T3"]),
        ({"statuses": ("stopped", "token_revoked")}, ["T2"]),
        ({"namespace": "app"}, ["app-T3"]),
        ({"namespace": ""}, ["T1", "T2"]),
        ({"transport": "http"}, []),
        ({"holder": "h2"}, ["T2"]),
        ({"search": "alpha", "statuses": ("connected",)}, ["app-T3"]),
    ],
)
def test_bots_are_filtered_and_sorted(query: Mapping[str, object], expected: list[str]) -> None:
    assert keys(NAMED, **query) == expected


def test_a_page_knows_its_place_and_its_neighbours() -> None:
    first = NAMED.page(Query(limit=1))
    assert (first.total, first.first, first.previous) == (3, 0, "")
    second = NAMED.page(Query(limit=1, cursor=first.next))
    assert ([one.key for one in second.teams], second.first) == (["T2"], 1)
    last = NAMED.page(Query(limit=1, cursor=second.next))
    assert (last.next, last.first) == ("", 2)
    assert keys(NAMED, limit=1, cursor=last.previous) == ["T2"]


def test_a_cursor_stands_where_its_bot_stood_when_others_come_and_go() -> None:
    next_page = NAMED.page(Query(limit=2)).next
    changed = NAMED.changed("T1", None).changed("T2", None).changed("T0", team("T0"))
    assert keys(changed.changed("T25", team("T25")), limit=2, cursor=next_page) == ["T25", "app-T3"]


@pytest.mark.parametrize(
    "cursor",
    [
        "!",
        "e30",
        "x" * 5000,
        NAMED.page(Query(limit=1, sort="-key")).next,
        "WyJrZXkiLDEsIlQxIl0",
        "WyJrZXki",
        "é",
    ],
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(UsageError, match="cursor"):
        NAMED.page(Query(cursor=cursor))


def test_an_order_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="sort takes one of key, name"):
        NAMED.page(Query(sort="--key"))


_TEAMS = st.lists(
    st.builds(
        lambda n, name, since: team(f"T{n}", name=name, since=since, added_at=since),
        st.integers(0, 99),
        st.sampled_from(["", "a", "B", "b"]),
        st.sampled_from([0.0, 1.0, 2.5]),
    ),
    max_size=30,
)


@given(_TEAMS, st.sampled_from(["key", "-key", "name", "-name", "-since", "added"]), st.integers(1, 7))
def test_pages_there_and_back_show_every_bot_once(teams: list[Team], sort: str, limit: int) -> None:
    found = snapshot(*teams)
    whole = keys(found, sort=sort, limit=200)
    forth, page = [], found.page(Query(sort=sort, limit=limit))
    forth += page.teams
    while page.next:
        page = found.page(Query(sort=sort, limit=limit, cursor=page.next))
        assert page.first == len(forth)
        forth += page.teams
    back = list(page.teams)
    while page.previous:
        page = found.page(Query(sort=sort, limit=limit, cursor=page.previous))
        back = [*page.teams, *back]
    assert [one.key for one in forth] == [one.key for one in back] == whole


# The census


def test_bots_are_counted_by_state_and_never_show_their_token(store: MemoryStore) -> None:
    add(store, bot("T1", token="secret"), bot("T2", token="2", desired="stopped"))
    store.put_statuses({"T1": connected(generation=1)})
    found = Census(store).now()
    assert (found.total, found.counts["connected"], found.counts["stopped"]) == (2, 1, 1)
    assert found.counts["token_revoked"] == 0
    assert "secret" not in msgspec.json.encode(list(found.teams.values())).decode()
    assert found.teams["T1"].holder == "h1"


def test_bots_are_read_again_when_the_reading_is_old(store: MemoryStore, clock: Clock) -> None:
    census = Census(store, monotonic=clock)
    assert census.now().total == 0
    add(store, bot("T1"))
    assert census.now().total == 0
    clock.now += 2.0
    assert census.now().total == 1
    store.put_statuses({"T1": connected(generation=1)})
    remove(store, "T9")
    clock.now += 2.0
    assert census.now().counts["connected"] == 1
    remove(store, "T1")
    clock.now += 2.0
    assert census.now().total == 0


def test_what_this_process_changed_shows_at_once(store: MemoryStore, clock: Clock) -> None:
    census = Census(store, monotonic=clock)
    census.now()
    add(store, bot("T1"))
    renewed = census.renew("T1")
    assert renewed is not None
    assert census.now().teams == {"T1": renewed}
    remove(store, "T1")
    assert census.renew("T1") is None
    assert census.now().total == 0


def test_a_store_that_was_emptied_is_read_as_a_whole(clock: Clock) -> None:
    store = MemoryStore(4)
    add(store, bot("T1"), bot("T2", token="2"))
    census = Census(store, monotonic=clock)
    census.now()
    census._store = emptied = MemoryStore(4)
    add(emptied, bot("T3", token="3"))
    clock.now += 2.0
    assert list(census.now().teams) == ["T3"]


class SlowStore(MemoryStore):
    """Each reading of statuses takes as long as it is told, by the test's clock, and may be held up."""

    def __init__(self, clock: Clock, takes: float) -> None:
        super().__init__(1)
        self.tests_clock = clock
        self.takes = takes
        self.go_on = threading.Event()
        self.go_on.set()
        self.meanwhile: Callable[[], object] = lambda: None

    def statuses(self, shard: int) -> dict[str, Status]:
        found = super().statuses(shard)
        self.go_on.wait(10.0)
        self.meanwhile()
        self.tests_clock.now += self.takes
        return found


def test_very_many_bots_are_read_beside_those_who_ask(clock: Clock) -> None:
    store = SlowStore(clock, takes=3.0)
    add(store, bot("T1"))
    census = Census(store, monotonic=clock)
    assert census.now().total == 1
    add(store, bot("T2", token="2"))
    clock.now += 29.0
    assert census.now().total == 1, "it is shown for ten times what it took"
    clock.now += 1.0
    store.go_on.clear()
    assert census.now().total == census.now().total == 1
    store.go_on.set()
    assert eventually(lambda: census.now().total == 2)


def test_a_reading_that_was_under_way_does_not_undo_a_change(clock: Clock) -> None:
    store = SlowStore(clock, takes=0.0)
    add(store, bot("T1"))
    census = Census(store, monotonic=clock)

    def stop() -> None:
        store.meanwhile = lambda: None
        add(store, msgspec.structs.replace(bot("T1"), desired="stopped", generation=2))
        census.renew("T1")

    store.meanwhile = stop
    assert census.now().teams["T1"].desired == "stopped"


def test_a_store_that_is_away_is_said_and_asked_again(store: MemoryStore, clock: Clock) -> None:
    census = Census(store, monotonic=clock)
    store.down = True
    with pytest.raises(StoreUnavailable):
        census.now()
    store.down = False
    assert census.now().total == 0


# Handlers and holders


PING = Subscription(task="tasks.ping", types=("message",), words=("ping",), queue="quick")


def test_handlers_have_counts_and_after_a_while_rates(store: MemoryStore, clock: Clock) -> None:
    store.put_subscriptions("handler", [PING])
    store.advance("runs:tasks.ping", 100)
    book = HandlerBook(store, clock)
    (first,) = book.now()
    assert (first.handler, first.group, first.wants, first.queue) == (
        "tasks.ping", "handler", "message words=ping", "quick",
    )  # fmt: skip
    assert (first.runs, first.failed, first.rate) == (100, 0, None)
    clock.now += 10.0
    store.advance("runs:tasks.ping", 50)
    store.advance("failed:tasks.ping", 5)
    store.advance("late:tasks.ping", 2)
    store.advance("slow:tasks.ping", 1)
    (then,) = book.now()
    assert (then.rate, then.failure_rate) == (5.0, 0.5)
    assert (then.runs, then.failed, then.late, then.slow) == (150, 5, 2, 1)
    for _ in range(70):
        clock.now += 2.0
        book.now()
    assert book.now()[0].rate == 0.0


def test_all_bots_listeners_to_the_same_are_one_handler(store: MemoryStore) -> None:
    wanted = Subscription(task="tasks.Greeter.listener", types=("reaction_added",))
    for key in ("T1", "T2"):
        one = msgspec.structs.replace(wanted, bot=key)
        store.put_subscriptions(f"listeners:{key}:reaction_added:count", [one])
    store.put_subscriptions("zebra", [PING])
    found = HandlerBook(store).now()
    assert [(one.group, one.bots) for one in found] == [("zebra", 0), ("listeners", 2)]


def test_holders_are_shown_with_the_shards_that_they_lead(store: MemoryStore) -> None:
    store.announce(HolderInfo(name="a@h", pid=7, bots=3, rate=1.5, draining=True), ttl=60.0)
    store.beat(Member(name="a@h", owner="a@h/1"), ttl=60.0)
    store.take("a@h/1", [Seat(3), Seat(1), Seat(2, 1)])
    (found,) = holders_of(store)
    assert (found.name, found.pid, found.state, found.leads) == ("a@h", 7, "draining", [1, 3])


def test_a_bot_whose_new_connection_is_not_spoken_of_is_connecting() -> None:
    shown = team_of(Bot(team_id="T1", sealed_token="s", fingerprint="f", generation=2), connected())
    assert shown.status == "connecting"
