"""Servers and stores that tests of all kinds use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from botfleet.embedded import EmbeddedServer
from botfleet.store.memory import MemoryStore
from botfleet.store.redis import RedisStore
from botfleet.store.redis_client import client_of

from .servers import require
from .unit.answering import CannedSlack, canned_slack

# How fast examples are made says nothing of botfleet, on machines that others use as well.
hypothesis.settings.register_profile(
    "botfleet", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("botfleet")

#: Makes a store over the test's own, empty server: `make_store(shards=4, key_prefix="x:")`.
MakeStore = Callable[..., RedisStore]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the files that take longest, so that the processes end at about the same time."""
    kinds = ("browser", "acceptance", "integration", "web", "unit")
    items.sort(key=lambda item: next((n for n, kind in enumerate(kinds) if kind in item.path.parts), 0))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undoes what a test does to logging: a Celery worker sets it up for the whole process."""
    root, kept = logging.getLogger(), _logging_state()
    level, handlers, disabled = root.level, root.handlers[:], root.manager.disable
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.disable(disabled)
    for name, logger in _loggers():
        logger.setLevel(kept.get(name, (logging.NOTSET, False, True))[0])
        logger.disabled, logger.propagate = kept.get(name, (logging.NOTSET, False, True))[1:]


def _loggers() -> list[tuple[str, logging.Logger]]:
    found = logging.getLogger().manager.loggerDict.items()
    return [(name, one) for name, one in found if isinstance(one, logging.Logger)]


def _logging_state() -> dict[str, tuple[int, bool, bool]]:
    return {name: (one.level, one.disabled, one.propagate) for name, one in _loggers()}


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One Valkey for the whole session; use `redis_url` to find it empty."""
    with EmbeddedServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def debian_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One redis-server of the system for the whole session."""
    program = require("redis-server")
    with EmbeddedServer(tmp_path_factory.mktemp("redis"), find_binary=lambda: program) as server:
        yield server


@pytest.fixture
def redis_url(valkey: EmbeddedServer) -> str:
    """The URL of a Valkey that is empty when the test begins."""
    flush(valkey.url)
    return valkey.url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of that server; answers are text."""
    with redis.Redis.from_url(redis_url.replace("redis+socket", "unix"), decode_responses=True) as client:
        yield client


@pytest.fixture
def make_store(redis_url: str) -> Iterator[MakeStore]:
    """Makes stores over the test's server, and closes them."""
    made: list[RedisStore] = []

    def make(shards: int = 16, **names: str) -> RedisStore:
        made.append(RedisStore.from_url(redis_url, shards, **names))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def redis_store(make_store: MakeStore) -> RedisStore:
    """A store of 16 shards in Valkey."""
    return make_store()


@pytest.fixture
def memory_store() -> MemoryStore:
    """A store of 16 shards in memory."""
    return MemoryStore(16)


@pytest.fixture
def free_folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "state"


def flush(url: str) -> None:
    """Empties a test's server."""
    client = client_of(url)
    client.flushall()
    client.close()


@pytest.fixture(scope="module")
def canned() -> Iterator[CannedSlack]:
    """A Slack that answers what a test says; `slack` is the same, empty for each test."""
    with canned_slack() as slack:
        yield slack


@pytest.fixture
def slack(canned: CannedSlack) -> CannedSlack:
    """A Slack that knows no method yet; a file's own `slack` gives it what most of its tests want."""
    canned.answers.clear()
    canned.calls.clear()
    return canned
