"""A worker's port for its health."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import click
import pytest
from prometheus_client.parser import text_string_to_metric_families

from botfleet.errors import ConfigurationError
from botfleet.monitoring.families import CONTENT_TYPE, counters, gauge, histogram
from botfleet.monitoring.readiness import Readiness
from botfleet.monitoring.server import HealthServer
from botfleet.roles import HANDLER
from botfleet.settings import Settings
from botfleet.worker_health import HealthStep
from botfleet.worker_state import not_consuming
from tests.waiting import eventually


class Process:
    """What a server tells of."""

    trouble = ""
    unready = ""

    def collect(self) -> Iterator[Any]:
        yield gauge("botfleet_one", "One.", 1)
        yield counters("botfleet_two_total", "Two.", ("kind",), [(("a",), 2), (('"b"\n',), 3)])
        yield histogram("botfleet_lag_seconds", "Lag.", (0.1, 1.0), [2, 1, 1], 7.5)


@pytest.fixture(scope="module")
def told() -> Process:
    return Process()


@pytest.fixture
def process(told: Process) -> Iterator[Process]:
    yield told
    told.trouble = told.unready = ""


@pytest.fixture(scope="module")
def server(told: Process) -> Iterator[HealthServer]:
    process = told
    readiness = Readiness({"holder": lambda: process.unready})
    made = HealthServer("127.0.0.1", 0, lambda: process.trouble, readiness, lambda: [process])
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.close()
    thread.join()


def get(server: HealthServer, path: str, method: str = "GET") -> tuple[int, str, str]:
    asked = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.headers["Content-Type"], exc.read().decode()


def test_health_is_ok_until_something_is_wrong(server: HealthServer, process: Process) -> None:
    assert get(server, "/healthz") == (200, "application/json", '{"ok":true}')
    process.trouble = "the reactor's thread is not alive"
    status, _, body = get(server, "/healthz")
    assert (status, json.loads(body)) == (500, {"ok": False, "error": "the reactor's thread is not alive"})


def test_readiness_says_what_is_missing(server: HealthServer, process: Process) -> None:
    process.unready = "draining"
    status, _, body = get(server, "/readyz?verbose=1")
    assert (status, json.loads(body)) == (503, {"ready": False, "checks": {"holder": "draining"}})


def test_metrics_are_what_prometheus_reads(server: HealthServer) -> None:
    status, kind, page = get(server, "/metrics")
    assert (status, kind) == (200, CONTENT_TYPE)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert {name: family.type for name, family in families.items()} == {
        "botfleet_one": "gauge",
        "botfleet_two": "counter",
        "botfleet_lag_seconds": "histogram",
    }
    assert [one.labels for one in families["botfleet_two"].samples] == [{"kind": "a"}, {"kind": '"b"\n'}]
    lag = {one.name + one.labels.get("le", ""): one.value for one in families["botfleet_lag_seconds"].samples}
    assert lag == {
        "botfleet_lag_seconds_bucket0.1": 2,
        "botfleet_lag_seconds_bucket1.0": 3,
        "botfleet_lag_seconds_bucket+Inf": 4,
        "botfleet_lag_seconds_count": 4,
        "botfleet_lag_seconds_sum": 7.5,
    }


def test_nothing_else_is_there(server: HealthServer) -> None:
    assert get(server, "/")[0] == 404
    assert get(server, "/../etc/passwd")[0] == 404
    assert get(server, "/healthz", "POST")[0] == 501
    assert get(server, "/healthz", "HEAD") == (200, "application/json", "")


def test_those_who_say_nothing_keep_nobody_out_for_ever(server: HealthServer) -> None:
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(16)]

    def is_refused() -> bool:
        try:
            get(server, "/healthz")
        except OSError:
            return True
        return False

    eventually(is_refused)
    threads = threading.active_count()
    assert all(is_refused() for _ in range(5))
    assert threading.active_count() <= threads
    for one in silent:
        one.close()
    eventually(lambda: not is_refused())


def test_a_port_that_another_has_is_one_clear_error(server: HealthServer) -> None:
    class App:
        role = HANDLER
        settings = Settings(store_url="memory://", broker_url="memory://", health_port=server.port)
        fleet = depths = None

    class Worker:
        app: Any = App()

    App.fleet = App.depths = PingOnly()  # type: ignore[assignment]
    assert HealthStep.include_if(HealthStep.__new__(HealthStep), Worker())
    with pytest.raises(click.ClickException) as caught:
        HealthStep.create(HealthStep.__new__(HealthStep), Worker())
    assert str(caught.value.message).startswith(
        f"BOTFLEET_HEALTH_PORT is {server.port}: can't be listened on"
    )
    assert isinstance(caught.value.__cause__, ConfigurationError)


class PingOnly:
    @property
    def store(self) -> PingOnly:
        return self

    def ping(self) -> None: ...


def test_a_worker_without_a_consumer_takes_no_tasks() -> None:
    class Consumer:
        task_consumer: Any = None
        connection: Any = None

    class Worker:
        consumer: Any = None

    class Connection:
        connected = True

    worker = Worker()
    assert not_consuming(worker) == "not consuming"
    worker.consumer = Consumer()
    assert not_consuming(worker) == "not consuming"
    worker.consumer.task_consumer = object()
    assert not_consuming(worker) == "not connected to the broker"
    worker.consumer.connection = Connection()
    assert not_consuming(worker) == ""
