"""How many requests of Slack's the gateway takes a second, beside an idle server, and slack_bolt."""

from __future__ import annotations

import secrets
import socket

import msgspec

from ..measure import cpu_seconds
from ..peers.rounds import Round
from ..processes import BenchError, Child, bench_environment, bench_module, free_port, wait_until
from ..report import Report
from ..subject import CELERY, QUEUE, Subject
from . import Options

TITLE = "signed message events of 500 teams by HTTP into the queue of one handler, over 64 kept connections"
BOTS = 500
CONNECTIONS = 64
RATE, CPU_RATE = "requests/s", "requests per CPU second"
EMPTY, BARE = "Starlette on the same server, an empty 200", "the same server alone, an empty 200"
BOLT = "slack_bolt + .delay()"
_PATH = "/slack/events"
_BOLT_QUEUE = "bench.bolt"
#: Seconds for a server to listen.
_START = 30.0


class Servers:
    """The servers, all at once, and the load that goes to one of them at a time.

    Args:
        subject: whose fleet the gateway serves.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._secret = secrets.token_hex(16)
        self._ports: dict[str, int] = {}
        self._load = subject.start(
            Child(
                "http_load",
                bench_module("http_load", "--secret", self._secret),
                subject.folder,
                bench_environment(),
                talks=True,
            )
        )
        self._load.hear(_START)
        self.load_cpu = 0.0

    def gateway(self) -> Child:
        """Starts `botfleet web`."""
        environment = self._subject.environment | {"SLACK_SIGNING_SECRET": self._secret}
        port = free_port()
        command = [CELERY, "-A", "botfleet", "fleet", "web", "--port", str(port)]
        return self._started(Child("web", command, self._subject.folder, environment), port)

    def empty(self) -> Child:
        """Starts the server with an endpoint that does nothing."""
        return self._peer("web_empty", "web_empty")

    def bare(self) -> Child:
        """Starts the server with nothing at all behind it."""
        return self._peer("web_bare", "web_empty", "--bare")

    def bolt(self) -> Child:
        """Starts slack_bolt."""
        options = ("--broker", self._subject.server.url, "--queue", _BOLT_QUEUE, "--secret", self._secret)
        return self._peer("bolt_web", "bolt_web", *options)

    def round(self, server: Child, requests: int, queue: str = "") -> Round:
        """Sends so many requests to a server, and waits until as many tasks are in its queue."""
        if queue:
            self._subject.forget(queue)
        cpu = cpu_seconds(server.pid)
        self._load.tell(
            port=self._ports[server.name], path=_PATH, requests=requests, connections=CONNECTIONS, bots=BOTS
        )
        sent = self._load.hear(180.0)
        if sent["failed"]:
            raise BenchError(f"{server.name} refused {sent['failed']} requests:\n{server.tail()}")
        if queue:
            # Each was answered when its task was there.
            self._subject.wait_for_tasks(requests, server, queue)
        used = cpu_seconds(server.pid) - cpu
        self.load_cpu = sent["cpu"] / (sent["ended"] - sent["began"])
        return Round(requests / (sent["ended"] - sent["began"]), requests / max(used, 0.01))

    def _peer(self, name: str, module: str, *options: str) -> Child:
        port = free_port()
        command = bench_module(f"peers.{module}", "--port", str(port), *options)
        return self._started(Child(name, command, self._subject.folder, bench_environment()), port)

    def _started(self, child: Child, port: int) -> Child:
        self._subject.start(child)
        self._ports[child.name] = port
        wait_until(f"{child.name} listens", lambda: _listens(port), _START, child=child)
        return child


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def run(options: Options) -> Report:
    """Measures in alternating rounds."""
    report = Report("gateway", TITLE)
    with Subject() as subject:
        for number in range(BOTS):
            subject.put_bot(msgspec.structs.replace(subject.make_bot(number), transport="http"))
        subject.subscribe()
        servers = Servers(subject)
        gateway, empty, bare, bolt = servers.gateway(), servers.empty(), servers.bare(), servers.bolt()
        servers.round(gateway, 2_000)  # Bots are found, templates and scripts made once.
        servers.round(bolt, 500)
        for number in options.times(5):
            options.say(f"round {number + 1}")
            _add(report, EMPTY, servers.round(empty, options.size(20_000, 8_000)))
            _add(report, BARE, servers.round(bare, options.size(20_000, 8_000)))
            report.add("CPU of the load, at the server alone", "of a core", servers.load_cpu)
            took = servers.round(gateway, options.size(20_000, 8_000), QUEUE)
            report.add(RATE, "1/s", took.rate)
            report.add(CPU_RATE, "1/s", took.rate_of_cpu)
            _add(report, BOLT, servers.round(bolt, options.size(3_000, 1_000), _BOLT_QUEUE))
    report.ratio_at_least(RATE, EMPTY, 0.6)
    report.ratio_at_least(RATE, BOLT, 3.0)
    report.ratio(RATE, BARE)
    report.ratio(CPU_RATE, EMPTY)
    report.ratio(CPU_RATE, BARE)
    report.ratio(CPU_RATE, BOLT)
    return report


def _add(report: Report, peer: str, found: Round) -> None:
    report.add_peer(peer, RATE, "1/s", found.rate)
    report.add_peer(peer, CPU_RATE, "1/s", found.rate_of_cpu)
