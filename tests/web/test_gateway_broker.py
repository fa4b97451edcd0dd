"""The gateway over Valkey: what Slack was told is there is there, whatever becomes of whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from botfleet.embedded import EmbeddedServer
from botfleet.publishing.sinks import RedisSink
from botfleet.store.redis import RedisStore
from botfleet.store.redis_client import client_of, redis_py_url
from tests.integration.sink_worker import app_for
from tests.waiting import eventually

from .gateways import EVERYTHING, Web, message, refusal

pytestmark = pytest.mark.network


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A Valkey that may be stopped and started again."""
    with EmbeddedServer(tmp_path / "state") as running:
        yield running


def waiting(server: EmbeddedServer) -> list[str]:
    """The ids of the tasks in the queue, oldest first."""
    with redis.Redis.from_url(redis_py_url(server.url)) as client:
        found: list[bytes] = client.lrange("q", 0, -1)  # type: ignore[assignment]
        return [json.loads(one)["headers"]["id"].partition(":")[0] for one in reversed(found)]


def test_an_event_is_in_the_queue_when_slack_is_told_and_comes_again_after_an_outage(
    tmp_path: Path, server: EmbeddedServer
) -> None:
    store = RedisStore.from_url(server.url, 16)
    store.put_subscriptions("handler", [EVERYTHING])
    sink = RedisSink(app_for(server.url), client_of(server.url))
    with Web(store, sink) as web:
        web.add()
        for number in range(5):
            assert web.event(message(), f"Ev{number}").status_code == 200
            assert waiting(server)[-1] == f"Ev{number}"
        server.stop()
        assert refusal(web.event(message(), "Ev5")) == (503, "unavailable", True)
        with EmbeddedServer(tmp_path / "state") as again:
            # A connection that was made before the outage is tried twice at once.
            assert web.event(message(), "Ev5").status_code == 200
            assert web.event(message(), "Ev4").status_code == 200
            assert waiting(again) == [f"Ev{number}" for number in range(6)]
            eventually(lambda: not web.gateway._store_away)
    store.close()
    sink.close()
