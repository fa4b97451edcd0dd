"""What each stage of an event's way through the holder costs: the product's parts, in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from botfleet.celery import app
from botfleet.holder.link import Link
from botfleet.holder.process import calm_garbage_collector
from botfleet.model import Bot
from botfleet.publishing.publisher import Publisher, Sink
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import RedisSink
from botfleet.slack import session as rtm
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import Frame, decode
from botfleet.store.redis_client import client_of

from .. import frames
from ..load import encode
from ..report import Report
from ..subject import ONE_HANDLER, Subject
from . import Options

TITLE = "CPU per event of each stage: read, parse, session, match, envelope, encode, push"
#: Frames that one read finds: a busy socket's.
_PER_READ = 20
_PER_PUSH = 500
_ORIGIN = Origin.of(
    Bot(team_id="T00000001", sealed_token="plain:x", fingerprint="x", bot_user_id="UB1", bot_id="B1")
)


class Parsed(NamedTuple):
    """An event as it comes out of the parser."""

    frame: Frame
    raw: bytes


class Collecting(Sink):
    """Keeps what a publisher would push."""

    def __init__(self) -> None:
        self.units: list[Any] = []

    def push(self, batch: Sequence[Any]) -> int:
        self.units += batch
        return len(batch)


def run(options: Options) -> Report:
    """Measures every stage in each round."""
    report = Report("stages", TITLE)
    calm_garbage_collector()
    events = options.size(20_000, 5_000)
    with Subject() as subject:
        for number in options.times(5):
            options.say(f"round {number + 1}")
            _round(report, subject, events)
    whole = sum(series.value for name, series in report.figures.items() if not name.startswith("  "))
    report.add("sum in the holder", "µs", whole)
    report.note(f"{_PER_READ} frames a read, {_PER_PUSH} events a push")
    return report


def _round(report: Report, subject: Subject, events: int) -> None:
    stamps = frames.Stamps()
    raws = [frames.message(1, number, stamps.next()) for number in range(events)]
    _read(report, raws)
    # Frames are dropped at once, as in the holder: to keep them costs as much again.
    _time(report, "2 parse", events, lambda: _parse(raws))
    parsed = [Parsed(frame, raw) for raw in raws if (frame := decode(raw)) is not None]
    _time(report, "3 session", events, lambda: _session(parsed))
    collecting = Collecting()
    publisher = Publisher(collecting, 2**30)
    publisher.router = Router(ONE_HANDLER)
    _time(report, "4 match, identify, envelope, queue", events, lambda: _publish(publisher, parsed))
    _time(report, "  of it match", events, lambda: _match(publisher.router, parsed))
    units = _collect(publisher, collecting, events)
    _push(report, subject, units)


def _time(report: Report, stage: str, events: int, run: Callable[[], object]) -> None:
    """CPU of this process; what the kernel does for it counts too."""
    began = time.process_time()
    run()
    report.add(stage, "µs", 1e6 * (time.process_time() - began) / events)


def _chunks(raws: list[bytes]) -> list[bytes]:
    """What reads find."""
    encoded = [encode(raw) for raw in raws]
    return [b"".join(encoded[start : start + _PER_READ]) for start in range(0, len(raws), _PER_READ)]


def _read(report: Report, raws: list[bytes]) -> None:
    """Times reads over a pair of sockets, without the sending between them."""
    chunks, events = _chunks(raws), len(raws)
    near, far = socket.socketpair()
    link = Link(near, 1)
    report.add("1 read and cut", "µs", 1e6 * _time_reads(far, chunks, link.read) / events)
    bare = _time_reads(far, chunks, lambda: near.recv(65536))
    report.add("  of it recv", "µs", 1e6 * bare / events)
    link.close()
    far.close()


def _time_reads(far: socket.socket, chunks: list[bytes], read: Callable[[], object]) -> float:
    took = 0.0
    for chunk in chunks:
        far.send(chunk)
        began = time.perf_counter()
        read()
        took += time.perf_counter() - began
    return took


def _parse(raws: list[bytes]) -> None:
    for raw in raws:
        decode(raw)


def _session(parsed: list[Parsed]) -> None:
    session = rtm.Session(rtm.Timing())
    session.start(0.0)
    session.opened(1, 0.0)
    session.received(1, Frame(type="hello"), b"{}", 0.0)
    for frame, raw in parsed:
        session.received(1, frame, raw, 1.0)


def _match(router: Router, parsed: list[Parsed]) -> None:
    for frame, _ in parsed:
        router.match(_ORIGIN, frame)


def _publish(publisher: Publisher, parsed: list[Parsed]) -> None:
    for frame, raw in parsed:
        publisher.publish(_ORIGIN, frame, raw)


def _collect(publisher: Publisher, collecting: Collecting, events: int) -> list[Any]:
    """What the publisher hands to a broker."""
    thread = threading.Thread(target=publisher.run, daemon=True)
    thread.start()
    publisher.flush(10.0)
    publisher.close()
    thread.join(10.0)
    assert len(collecting.units) == events
    return collecting.units


def _push(report: Report, subject: Subject, units: list[Any]) -> None:
    sink = RedisSink(app, client_of(subject.server.url))
    sink.push(units[:1])
    rest, server = units[1:], subject.server_cpu()

    def push_all() -> None:
        for start in range(0, len(rest), _PER_PUSH):
            sink.push(rest[start : start + _PER_PUSH])

    _time(report, "5 encode and push", len(rest), push_all)
    report.add("  the server's", "µs", 1e6 * (subject.server_cpu() - server) / len(rest))
    sink.close()
    subject.forget()
