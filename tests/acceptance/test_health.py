"""Ports on which processes say whether they are well: of holders, handlers and the web role."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from botfleet.access_keys import new_key

from ..waiting import eventually
from .fleet import Process, RunningFleet, Workspace, free_ports

HANDLER = """
from botfleet import command

@command("ping")
def ping(client):
    client.reply("pong")
"""


class Port:
    """Where a process answers."""

    def __init__(self, number: int, process: Process, key: str = "") -> None:
        self.number = number
        self.process = process
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str) -> tuple[int, str]:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.number}{path}", headers=self._headers)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode()

    def readiness(self) -> tuple[int, dict[str, str]]:
        status, body = self.get("/readyz")
        return status, json.loads(body)["checks"]

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.running, self.process.output
            assert self.readiness()[0] == 200, self.readiness()
            return True

        eventually(ready, 20.0, 0.1)

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels, as `name{label=value}`."""
        status, body = self.get("/metrics")
        assert status == 200, body
        return samples_of(body)

    @property
    def threads(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("Threads:")[2].split()[0])


def samples_of(page: str) -> dict[str, float]:
    samples = (one for family in text_string_to_metric_families(page) for one in family.samples)
    return {
        one.name + "".join(f"{{{name}={value}}}" for name, value in sorted(one.labels.items())): one.value
        for one in samples
    }


class Fleet:
    """A holder, a handler and a web role, each with a port."""

    def __init__(self, path: Path) -> None:
        self.running = running = RunningFleet(path)
        running.write("tasks/hello.py", HANDLER)
        first = free_ports(3)
        key, known = new_key("metrics", "read", time.time())
        running.fleet.store.put_access_key(known)
        running.configure(health_port=first)
        self.holder = Port(first, running.holder())
        running.configure(health_port=first + 1)
        self.handler = Port(first + 1, running.handler("--concurrency=1"))
        running.configure(health_port=0)
        self._app = Celery(broker=running.url, set_as_current=False)
        web = running.start("web", "botfleet", "web", f"--port={first + 2}")
        self.web = Port(first + 2, web, key)
        web.says("The web role listens")
        for port in self.ports:
            eventually(lambda port=port: reachable(port), 20.0, 0.1)  # type: ignore[misc]
            port.wait_until_ready()
        self.team: Workspace = running.add_workspace()

    @property
    def ports(self) -> list[Port]:
        return [self.holder, self.handler, self.web]

    def send(self, *tasks: str) -> None:
        """Sends what beat sends."""
        for task in tasks:
            self._app.send_task(f"botfleet.{task}", queue="botfleet.control", ignore_result=True)

    def say(self, text: str) -> None:
        self.running.control.say("general", text, team=self.team.id)


def reachable(port: Port) -> bool:
    assert port.process.running, port.process.output
    try:
        port.get("/healthz")
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("health"))
    with made.running:
        yield made


def test_each_process_is_well_and_ready(fleet: Fleet) -> None:
    for port in fleet.ports:
        assert port.get("/healthz") == (200, port.get("/healthz")[1])
        assert json.loads(port.get("/healthz")[1])["ok"] is True
    found = {port.process.name: port.readiness() for port in fleet.ports}
    assert found == {
        "holder": (200, {"store": "ok", "broker": "ok", "tasks": "ok", "holder": "ok"}),
        "handler": (200, {"store": "ok", "broker": "ok", "tasks": "ok"}),
        "web": (200, {"store": "ok", "broker": "ok", "gateway": "ok"}),
    }


def test_what_happens_shows_in_the_figures(fleet: Fleet) -> None:
    fleet.say(f"<@{fleet.team.bot}> ping")

    def counted() -> dict[str, float]:
        fleet.send("reconcile", "sample")
        figures = fleet.web.metrics()
        assert figures["botfleet_fleet_handler_runs_total{handler=tasks.hello.ping}"] >= 1
        assert figures.get("botfleet_fleet_sends_total{result=unasked}{via=rtm}", 0) >= 1
        assert figures.get("botfleet_fleet_bots{state=connected}") == 1
        return figures

    figures = eventually(counted, 10.0, 0.2)
    assert figures["botfleet_fleet_queue_messages{queue=events.message.public}"] == 0

    def settled() -> dict[str, float]:
        shown = fleet.holder.metrics()
        # Another test may have kept it from the store until its lease was over.
        assert (shown["botfleet_holder_connected"], shown["botfleet_holder_led"]) == (1, 256)
        return shown

    holder, handler = eventually(settled, 10.0, 0.1), fleet.handler.metrics()
    assert holder["botfleet_publish_lag_seconds_count"] >= 1
    assert 0 < holder["botfleet_publish_lag_seconds_sum"] < 5
    assert holder["botfleet_publisher_published_total"] >= 1
    assert handler["botfleet_worker_tasks_total{task=tasks.hello.ping}"] >= 1
    assert handler["botfleet_worker_concurrency"] == 1
    assert figures["botfleet_gateway_requests_total{outcome=taken}"] == 0


def test_no_metric_tells_of_a_team(fleet: Fleet) -> None:
    for port in fleet.ports:
        page = port.get("/metrics")[1]
        assert fleet.team.id not in page
        assert fleet.team.token not in page


def test_the_figures_of_the_web_role_need_a_key(fleet: Fleet) -> None:
    stranger = Port(fleet.web.number, fleet.web.process)
    assert [stranger.get(path)[0] for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 401]


def test_a_port_answers_under_load(fleet: Fleet) -> None:
    wrong: list[Any] = []

    def ask() -> None:
        for path in ("/healthz", "/readyz", "/metrics") * 5:
            status, _ = fleet.holder.get(path)
            if status != 200:
                wrong.append((path, status))

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    # Sockets that ask nothing take the places of others for some seconds at the most.
    silent = [socket.create_connection(("127.0.0.1", fleet.holder.number)) for _ in range(4)]
    for asker in askers:
        asker.join()
    for one in silent:
        one.close()
    assert wrong == []
    assert fleet.holder.get("/nothing")[0] == 404


def test_a_server_that_is_stopped_is_named_and_no_threads_pile_up(fleet: Fleet) -> None:
    before = {port.number: port.threads for port in fleet.ports}
    os.kill(fleet.running.server.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(len(fleet.ports)) as pool:
            found = list(pool.map(lambda port: eventually(lambda: unready(port)), fleet.ports))
        for status, checks in found:
            assert (status, checks["store"], checks["broker"]) == (503, *["no answer within 2 s"] * 2)
        for port in fleet.ports:
            assert port.get("/healthz")[0] == 200
            # One for the store, one for the broker, and those that wait for the store for other reasons.
            assert port.threads <= before[port.number] + 6
    finally:
        os.kill(fleet.running.server.pid, signal.SIGCONT)
    for port in fleet.ports:
        port.wait_until_ready()


def unready(port: Port) -> tuple[int, dict[str, str]] | None:
    found = port.readiness()
    return found if found[0] != 200 else None


def test_a_web_role_that_is_to_end_finishes_what_is_under_way(fleet: Fleet) -> None:
    web = fleet.running.start("web2", "botfleet", "web", "--open", "--port=0")
    web.says("The web role listens")
    number = int(web.output.partition("listens on http://127.0.0.1:")[2].split()[0])
    port = Port(number, web)
    port.wait_until_ready()
    with (
        closing(http.client.HTTPConnection("127.0.0.1", number, timeout=10)) as idle,
        closing(http.client.HTTPConnection("127.0.0.1", number, timeout=10)) as live,
        socket.create_connection(("127.0.0.1", number), timeout=10) as busy,
    ):
        idle.request("GET", "/healthz")
        assert idle.getresponse().read() == b'{"ok":true}'
        live.request("GET", f"/dashboard/teams/{fleet.team.id}/live", headers={"Accept": "text/event-stream"})
        stream = live.getresponse()
        assert (stream.status, stream.readline()) == (200, b"retry: 2000\n")
        busy.sendall(b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nkey=")
        eventually(lambda: established(number) >= 3)
        web.send(signal.SIGTERM)
        eventually(lambda: port.readiness() == (503, {"process": "draining"}))
        assert idle.sock.recv(1) == b""
        # To its end: one that was cut off would be an error.
        stream.read()
        busy.sendall(b"none")
        assert busy.recv(65536).startswith(b"HTTP/1.1 ")
    assert web.wait() == 0


def established(port: int) -> int:
    """Connections to a port of this machine, as the server sees them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(one[1].endswith(f":{port:04X}") and one[3] == "01" for one in fields)
