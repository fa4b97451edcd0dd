"""What only the store in Redis has: keys, the server's errors, broken connections, URLs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import redis

from bench.chaos.proxy import Proxy
from botfleet.embedded import EmbeddedServer
from botfleet.errors import ConfigurationError, NoStorageMethod, StoreError, StoreUnavailable
from botfleet.model import (
    Bot,
    Command,
    HolderInfo,
    Member,
    Schedule,
    Shown,
    Subscription,
    TimerState,
    Watch,
    shard_of,
)
from botfleet.settings import Settings
from botfleet.store import DoorEntry, MemoryStore, open_store
from botfleet.store.redis import RedisStore
from botfleet.store.redis_client import client_of
from botfleet.store.values import Seat
from tests.conftest import MakeStore
from tests.integration.store_values import SHARDS, add, bot, connected, key_in, run_threads
from tests.waiting import eventually


def test_keys_have_the_configured_names(make_store: MakeStore, redis_client: redis.Redis) -> None:
    store = make_store(1, key_prefix="fleet:", teams_key="teams", tokens_key="states")
    add(store, bot())
    store.put_statuses({"T1": connected()})
    store.put_subscriptions("tasks", [Subscription(task="t", types=("*",))])
    store.send([Command(op="sync", key="T1")])
    member = Member(name="h1", owner="h1/a")
    store.beat(member, 30)
    store.take("h1/a", [Seat(0)])
    store.claim("h1/a", [Seat(0)])
    store.ask_to_drain("h1/a", True)
    store.announce(HolderInfo(name="h1"), 30)
    store.once("m", 30)
    store.advance("c", 1)
    store.reserve("p", 0.01)
    store.watch(Watch(id="w"), 30)
    store.put_timers("tasks", [Schedule(task="t", seconds=60)], 30)
    store.replace_timer("t", None, TimerState(plan="every 60 s", due_at=1.0), 30)
    store.remember("t", "seen", b"1")
    store.hold("l", "h1", 30)
    own = (
        "timers timers:groups timer:t timer:t:memory lock:l "
        "version versions fingerprints:0 subscriptions subscriptions:version shard:0 "
        "members members:rows members:version leases claims drains holder:h1 holders once:m cursor:c pace:p "
        "watches history:T1"
    )
    names = {f"fleet:botfleet:{name}" for name in own.split()}
    assert set(redis_client.keys("*")) == names | {"fleet:teams:0", "fleet:states:0"}
    expiring = {
        "holder:h1",
        "lock:l",
        "once:m",
        "pace:p",
        "timer:t",
        "timer:t:memory",
        "watches",
        "history:T1",
    }
    assert {name for name in names if redis_client.pttl(name) > 0} == {
        f"fleet:botfleet:{n}" for n in expiring
    }


def test_the_server_tells_what_it_evicts(redis_store: RedisStore, redis_client: redis.Redis) -> None:
    assert redis_store.eviction_policy() == "noeviction"
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert redis_store.eviction_policy() == "allkeys-lru"
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")


def test_scripts_are_sent_again_to_a_server_that_forgot_them(
    redis_store: RedisStore, redis_client: redis.Redis
) -> None:
    for _ in range(2):
        redis_client.script_flush()
        redis_store.beat(Member(name="h1", owner="h1/a"), 30)
        redis_client.script_flush()
        add(redis_store, bot())
        redis_client.script_flush()
        redis_store.put_statuses({"T1": connected()})
    assert redis_store.status("T1") == connected()


def test_a_door_entry_that_is_no_text_is_left_out(redis_store: RedisStore, redis_client: redis.Redis) -> None:
    redis_client.hset("tokens:teams", b"T\xff", "xoxb-test-1")
    redis_client.hset("tokens:teams", "T1", b"\xff")
    redis_client.hset("tokens:teams", "T2", "xoxb-test-2")
    assert redis_store.door(10) == [DoorEntry("T2", "token", "xoxb-test-2")]


def test_a_key_of_the_wrong_kind_is_an_error_that_shows_no_token(
    redis_store: RedisStore, redis_client: redis.Redis
) -> None:
    redis_client.set("tokens:teams", "xoxb-test-1")
    redis_client.set(f"tokens:statuses:{redis_store.shard('T1')}", "xoxb-test-1")
    add(redis_store, bot())
    for call in (
        lambda: redis_store.door(10),
        lambda: redis_store.take_from_door(DoorEntry("T1", "token", "xoxb-test-1")),
        lambda: redis_store.put_statuses({"T1": connected(error="xoxb-test-1")}),
        lambda: redis_store.status("T1"),
    ):
        with pytest.raises(StoreError, match="WRONGTYPE") as caught:
            call()
        assert not isinstance(caught.value, StoreUnavailable)
        assert "xoxb" not in f"{caught.value} {caught.value.__cause__}"


def test_nobody_answers(tmp_path: Path) -> None:
    store = RedisStore.from_url(f"redis+socket://{tmp_path}/none.sock", SHARDS)
    for call in (store.ping, store.holders, lambda: store.send([Command(op="sync", key="T1")])):
        with pytest.raises(StoreUnavailable, match=r"none\.sock"):
            call()
    assert store.receive([], 0.01) == []


def test_errors_show_no_password() -> None:
    store = RedisStore.from_url("redis://user:hunter2@127.0.0.1:1/0", SHARDS)
    with pytest.raises(StoreUnavailable) as caught:
        store.ping()
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert "127.0.0.1:1" in str(caught.value)


@pytest.fixture
def proxy(valkey: EmbeddedServer, redis_url: str, tmp_path: Path) -> Iterator[Proxy]:
    with Proxy(urlsplit(valkey.url).path, tmp_path / "p.sock") as running:
        yield running


@pytest.fixture
def shaky(proxy: Proxy) -> Iterator[RedisStore]:
    """A store whose answers the proxy can lose."""
    store = RedisStore.from_url(proxy.redis_url, SHARDS)
    yield store
    store.close()


def test_commands_are_not_doubled_when_the_answer_is_lost(
    proxy: Proxy, shaky: RedisStore, redis_client: redis.Redis
) -> None:
    shaky.ping()
    proxy.lose_answers(1)
    with pytest.raises(StoreUnavailable):
        shaky.send([Command(op="message", key=key_in(0), text="hello")])
    assert redis_client.llen("botfleet:shard:0") == 1


def test_what_may_not_run_twice_runs_once_when_the_answer_is_lost(proxy: Proxy, shaky: RedisStore) -> None:
    add(shaky, bot(generation=1))

    def change(old: Bot | None) -> Bot:
        assert old is not None
        proxy.lose_answers(1)  # Here, for the row has been read by now.
        return msgspec.structs.replace(old, generation=old.generation + 1)

    with pytest.raises(StoreUnavailable):
        shaky.change_bot("T1", change)
    for call in (lambda: shaky.once("Ev1", 30), lambda: shaky.advance("c", 1)):
        shaky.ping()
        proxy.lose_answers(1)
        with pytest.raises(StoreUnavailable):
            call()
    assert shaky.bot("T1") == bot(generation=2)
    assert not shaky.once("Ev1", 30)
    assert shaky.advance("c", 0) == 1


def test_one_who_watches_goes_on_when_the_connection_was_cut(
    proxy: Proxy, shaky: RedisStore, redis_store: RedisStore
) -> None:
    with shaky.viewer("a") as viewer:
        proxy.reset()
        with pytest.raises(StoreUnavailable):
            viewer.next(5.0)
        viewer.next(0.01)  # Connects and subscribes anew.

        def looks() -> Shown | None:
            redis_store.show("a", Shown(holder="h1"))
            return viewer.next(0.1)

        assert eventually(looks) == Shown(holder="h1")


def test_what_may_run_twice_does_not_mind_a_lost_answer(proxy: Proxy, shaky: RedisStore) -> None:
    add(shaky, bot())
    proxy.lose_answers(1)
    assert shaky.bot("T1") == bot()
    proxy.lose_answers(1)
    shaky.reserve("connect", 1.0)
    proxy.lose_answers(1)
    shaky.put_statuses({"T1": connected()})
    proxy.lose_answers(1)
    shaky.leases([Seat(0)])
    shaky.beat(Member(name="h1", owner="h1/a"), 30)
    proxy.lose_answers(1)
    assert shaky.take("h1/a", [Seat(0)]).keys() == {Seat(0)}
    proxy.lose_answers(1)
    shaky.announce(HolderInfo(name="h1"), 30)
    proxy.lose_answers(1)
    assert [holder.name for holder in shaky.holders()] == ["h1"]


def test_no_command_waits_forever_for_a_silent_server(tmp_path: Path) -> None:
    client = client_of(f"redis+socket://{tmp_path}/silent.sock")
    options = client.get_connection_kwargs()
    assert options["socket_timeout"] == 10
    assert options["socket_connect_timeout"] == 5
    assert client_of("redis://localhost").get_connection_kwargs()["socket_keepalive"] is True


def test_the_index_of_holders_does_not_grow(redis_store: RedisStore, redis_client: redis.Redis) -> None:
    for number in range(20):
        redis_store.announce(HolderInfo(name=f"h{number}"), 0.01)
    eventually(lambda: redis_store.holders() == [])
    assert redis_client.zcard("botfleet:holders") == 0


def test_a_pace_that_nobody_keeps_leaves_nothing(redis_store: RedisStore, redis_client: redis.Redis) -> None:
    redis_store.reserve("connect", 20.0)
    assert 0 < redis_client.pttl("botfleet:pace:connect") <= 50
    eventually(lambda: not redis_client.exists("botfleet:pace:connect"))


def test_threads_may_share_a_store_while_one_waits(redis_store: RedisStore) -> None:
    done = threading.Event()

    def wait() -> None:
        redis_store.receive([0], 30.0)
        done.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    run_threads(lambda n: [add(redis_store, bot(f"T{n}-{i}", f"{n}-{i}")) for i in range(10)], 4)
    assert not done.is_set()
    keys = map("T{}".format, range(999))
    redis_store.send([Command(op="sync", key=next(key for key in keys if shard_of(key, 16) == 0))])
    waiting.join(5)
    assert done.is_set()


# Opening


def settings(url: str, **names: object) -> Settings:
    return Settings(store_url=url, broker_url=url, **names)  # type: ignore[arg-type]


def test_the_scheme_chooses_the_store(redis_url: str) -> None:
    assert isinstance(open_store(settings("memory://")), MemoryStore)
    opened = open_store(settings(f"{redis_url}?virtual_host=3", shards=7))
    assert isinstance(opened, RedisStore)
    assert opened.shards == 7
    opened.ping()
    opened.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+socket", "unix"])
def test_every_form_of_a_redis_url_is_taken(scheme: str) -> None:
    opened = open_store(
        settings(f"{scheme}:///tmp/x" if "+" in scheme or scheme == "unix" else f"{scheme}://h/1")
    )
    assert isinstance(opened, RedisStore)


def test_the_database_of_a_socket_url(redis_url: str, redis_client: redis.Redis) -> None:
    store = RedisStore.from_url(f"{redis_url}?virtual_host=5", 1)
    store.once("m", 30)
    store.close()
    assert redis_client.dbsize() == 0
    redis_client.select(5)
    assert redis_client.keys() == ["botfleet:once:m"]


def test_an_unknown_scheme() -> None:
    with pytest.raises(NoStorageMethod, match=r"ftp://.*redis://"):
        open_store(settings("ftp://user:hunter2@host"))


@pytest.mark.parametrize("url", ["redis://:pa/ss@host:1", "redis://host?no_such_option=1", "redis://h:p:1/x"])
def test_a_malformed_url_is_told_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BOTFLEET_STORE_URL") as caught:
        open_store(settings(url))
    assert url not in str(caught.value)
    assert caught.value.__cause__ is None
