"""The reactor over socket pairs: time, turns, links of no use, peers that don't read, other threads."""

from __future__ import annotations

import itertools
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from botfleet.errors import ConnectionRateLimited, SlackError
from botfleet.holder.link import READ_SIZE, READS_IN_A_ROW, WRITE_BOUND
from botfleet.holder.reactor import Connection, Reactor
from botfleet.holder.threads import WatchedThread
from botfleet.model import Answer, Bot, Command
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import Frame
from botfleet.slack.session import STABLE, Answered, Emit, Phase, Report, Timing
from tests.waiting import eventually

from .wire import CLOSE, Peer, frame

#: Nothing is paced, and jitter always asks for the whole time.
TIMING = Timing(ping_interval=10.0, retry_base=1.0, send_buffer=100_000, send_rate=1e9, send_burst=10**9)


class Rig:
    """A reactor with a thread, a clock that is moved by hand, and everything that it says.

    Attributes:
        connects: the links that are to be opened, with their time.
        published: keys and payloads, in order.
        reports: keys and states, in order.
        answers: tickets and what became of their messages.
        deaths: what killed the thread.
    """

    def __init__(self, timing: Timing = TIMING, asleep_after: float = math.inf) -> None:
        self.now = 1000.0
        self.connects: list[tuple[str, int, float]] = []
        self.published: list[tuple[str, dict[str, object]]] = []
        self.reports: list[tuple[str, str, str]] = []
        self.answers: list[tuple[str, Answer]] = []
        self.deaths: list[BaseException] = []
        self.unwanted: set[bytes] = set()
        self.passed_over: list[bytes] = []
        self.peers: list[Peer] = []
        self.reactor = Reactor(
            self, timing, asleep_after=asleep_after, clock=lambda: self.now, random=lambda: 1.0
        )
        self.thread = WatchedThread("reactor", self.reactor.run, lambda name, exc: self.deaths.append(exc))

    # Surroundings

    def connect(self, connection: Connection, number: int) -> None:
        self.connects.append((connection.bot.key, number, self.now))

    def passes_over(self, kind: bytes) -> bool:
        self.passed_over += [kind] if kind in self.unwanted else []
        return kind in self.unwanted

    def publish(self, origin: Origin, frame: Frame, raw: bytes) -> None:
        self.published.append((origin.key, json.loads(raw)))

    def emit(self, connection: Connection, emitted: Emit) -> None:
        raise AssertionError("nothing of the kind happens here")

    def report(self, connection: Connection, report: Report, age: float = 0.0) -> None:
        self.reports.append((connection.bot.key, report.state, report.error))

    def answer(self, answered: Answered) -> None:
        self.answers.append((answered.ticket, answered.answer))

    # Hands

    def at(self, seconds: float) -> None:
        """Moves the clock, and has the reactor look at it."""
        self.now = seconds
        self.settle()

    def settle(self, rounds: int = 3) -> None:
        """Some rounds pass."""
        for _ in range(rounds):
            assert self.reactor.wait(lambda: None, 5.0), self.deaths

    def do(self, function: Callable[[], object]) -> None:
        """Has something done on the reactor's thread, and waits for it."""
        assert self.reactor.wait(lambda: (function(), None)[1], 5.0), self.deaths

    def begin(self, key: str = "T1") -> Connection:
        """Adds a bot that wants a connection; before the thread runs, or on it."""
        connection = self.reactor.add(Bot(team_id=key, sealed_token="plain:x", fingerprint="f"))
        self.reactor.drive(connection, lambda session, now: session.start(now))
        return connection

    def open(self, connection: Connection, number: int | None = None, size: int = 0) -> Peer:
        """Gives a connection its link; the peer has not said anything yet."""
        near, far = socket.socketpair()
        for sock in (near, far) if size else ():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        self.peers.append(Peer(far))
        self.reactor.opened(connection, connection.session.link if number is None else number, near)
        return self.peers[-1]

    def connected(self, key: str = "T1", size: int = 0) -> tuple[Connection, Peer]:
        """A bot whose connection has said hello; the thread runs already."""
        made: list[Connection] = []
        self.do(lambda: made.append(self.begin(key)))
        peer = self.open(made[0], size=size)
        peer.say(type="hello")
        eventually(lambda: made[0].session.phase is Phase.CONNECTED)
        return made[0], peer

    def messages(self, key: str = "T1") -> list[object]:
        return [event["n"] for name, event in list(self.published) if name == key and "n" in event]

    def close(self) -> None:
        if self.thread.is_alive():
            self.reactor.stop()
            self.thread.join(5.0)
        assert not self.thread.is_alive()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()
    assert made.deaths == []


@pytest.fixture
def running(rig: Rig) -> Rig:
    rig.thread.start()
    return rig


def number(n: int, size: int = 0) -> bytes:
    return frame(json.dumps({"type": "x", "n": n, "text": "x" * size}))


class TestReconnects:
    def test_they_are_counted_by_reason(self, running: Rig) -> None:
        connection, peer = running.connected()
        running.at(1000.0 + STABLE)
        peer.say(type="goodbye")
        eventually(lambda: len(running.connects) == 2)
        running.open(connection).say(type="hello")
        eventually(lambda: connection.session.phase is Phase.CONNECTED)
        running.do(lambda: running.reactor.drive(connection, lambda session, now: session.restart(now)))
        limited = ConnectionRateLimited("ratelimited", retry_after=1.0)
        running.do(lambda: running.reactor.failed(connection, connection.session.link, limited))
        running.do(lambda: running.reactor.report_again(connection))
        found = {reason: times for reason, times in running.reactor.reconnects.items() if times}
        assert found == {"goodbye": 1, "restart": 1, "ratelimited": 1}

    def test_a_first_connection_and_an_end_that_people_want_are_none(self, running: Rig) -> None:
        connection, _ = running.connected()
        running.do(lambda: running.reactor.drive(connection, lambda session, now: session.stop()))
        assert not any(running.reactor.reconnects.values())


class TestTime:
    def test_a_ping_and_then_the_end_at_their_times(self, running: Rig) -> None:
        connection, peer = running.connected()
        running.at(1009.9)
        running.at(1010.0)
        assert peer.read_json() == {"id": 1, "type": "ping"}
        running.at(1019.9)
        assert connection.session.phase is Phase.CONNECTED
        running.at(1020.0)
        assert [seen.opcode for seen in peer.read_to_the_end()] == [CLOSE]
        assert running.reports[-1] == ("T1", "disconnected", "silent")
        running.at(1020.9)
        assert len(running.connects) == 1
        running.at(1021.0)
        assert running.connects[1:] == [("T1", 2, 1021.0)]

    def test_each_connection_has_its_own(self, running: Rig) -> None:
        peers = {}
        for n in range(20):
            running.now = 1000.0 + n / 10
            peers[n] = running.connected(f"T{n}")[1]
        for n in range(20):
            running.at(1010.0 + n / 10)
            assert peers[n].read_json()["type"] == "ping"
            peers[n].say(type="pong")
            session = running.reactor.connections[f"T{n}"].session
            eventually(partial(lambda session: session.deadline > running.now + 9, session))
        assert len(running.connects) == 20

    def test_an_earlier_time_counts_though_a_later_one_was_planned(self, running: Rig) -> None:
        connection, _ = running.connected()
        running.at(1001.0)
        running.do(lambda: running.reactor.drive(connection, lambda s, now: s.closed(1, "gone", now)))
        assert connection.session.deadline == 1002.0
        running.at(1002.0)
        assert len(running.connects) == 2

    def test_time_passes_by_itself(self) -> None:
        rig = Rig(TIMING._replace(ping_interval=0.1))
        begin = time.monotonic()
        rig.reactor = Reactor(rig, TIMING._replace(ping_interval=0.1), random=lambda: 1.0)
        rig.thread = WatchedThread("reactor", rig.reactor.run, lambda name, exc: rig.deaths.append(exc))
        rig.thread.start()
        _, peer = rig.connected()
        assert peer.read_json()["type"] == "ping"
        assert [seen.opcode for seen in peer.read_to_the_end()] == [CLOSE]
        assert 0.2 <= time.monotonic() - begin < 2.0
        rig.close()

    def test_plans_of_a_bot_that_was_removed_come_to_nothing(self, running: Rig) -> None:
        _, peer = running.connected()
        running.do(lambda: running.reactor.remove("T1"))
        assert [seen.opcode for seen in peer.read_to_the_end()] == [CLOSE]
        running.at(5000.0)
        assert len(running.connects) == 1

    def test_a_thousand_plans_are_kept_in_order(self, rig: Rig) -> None:
        connections = []
        for n in range(1000):
            rig.now = 1000.0 + (n * 617 % 1000) / 100
            connection = rig.begin(f"T{n}")
            rig.reactor.drive(connection, lambda session, now: session.failed(1, SlackError("timeout"), now))
            connections.append(connection)
        due = {connection.bot.key: connection.session.deadline for connection in connections}
        rig.connects.clear()
        rig.now = 1005.0
        rig.thread.start()
        rig.settle()
        assert {key for key, _, _ in rig.connects} == {key for key, at in due.items() if at and at <= 1005.0}
        rig.at(1100.0)
        order = [due[key] or 0.0 for key, _, _ in rig.connects]
        assert len(order) == 1000
        assert order == sorted(order)


class TestTurns:
    def test_a_flood_keeps_others_waiting_for_one_turn_only(self, rig: Rig) -> None:
        """All is there before the first round: what was published in which order shows the turns."""
        loud = rig.open(rig.begin("LOUD"), size=4 * 2**20)
        quiet = [rig.open(rig.begin(f"Q{n}")) for n in range(10)]
        chunk = number(1, 1000)
        loud.say(type="hello")
        loud.sock.setblocking(False)
        sent = fill(loud.sock, chunk)
        turn = READ_SIZE * READS_IN_A_ROW
        assert sent > 2 * turn, "the kernel takes more than one turn's worth"
        for peer in quiet:
            peer.send(frame('{"type":"hello"}'), number(7))
        rig.thread.start()
        eventually(lambda: len(rig.messages("LOUD")) >= sent // len(chunk) - 1)
        keys = [key for key, _ in rig.published]
        last = max(n for n, key in enumerate(keys) if key.startswith("Q"))
        # One round before they are opened, one in which the flood has its turn first.
        assert keys[:last].count("LOUD") <= 2 * turn // len(chunk) + 2
        assert all(rig.messages(f"Q{n}") == [7] for n in range(10))

    def test_calls_and_times_have_their_turn_in_a_flood(self, running: Rig) -> None:
        _, loud = running.connected("LOUD")
        connection, peer = running.connected("Q")
        end = threading.Event()
        writer = threading.Thread(target=lambda: pour(loud.sock, number(1, 1000) * 50, end))
        writer.start()
        try:
            eventually(lambda: len(running.messages("LOUD")) > 1000)
            running.at(1010.0)
            assert peer.read_json()["type"] == "ping"
            for n in range(100):
                peer.send(number(n))
                eventually(partial(lambda n: running.messages("Q")[-1:] == [n], n))
        finally:
            end.set()
            writer.join(5.0)
        assert connection.session.phase is Phase.CONNECTED

    def test_what_waits_on_the_former_link_is_read_before_hello_on_the_new_one_closes_it(
        self, rig: Rig
    ) -> None:
        """A reactor that lags finds both readable at once; what the old one holds came before rtm.connect."""
        connection = rig.begin()
        old = rig.open(connection, size=4 * 2**20)
        old.say(type="hello")
        rig.thread.start()
        eventually(lambda: connection.session.phase is Phase.CONNECTED)
        gate, held = threading.Event(), threading.Event()

        def lag() -> None:
            held.set()
            gate.wait(5.0)

        for n in range(3):
            rig.now += STABLE
            rig.do(lambda: rig.reactor.drive(connection, lambda session, now: session.restart(now)))
            held.clear()
            gate.clear()
            rig.reactor.call(lag)
            assert held.wait(5.0)
            new = rig.open(connection, number=connection.session.link, size=4 * 2**20)
            new.say(type="hello")
            old.sock.setblocking(False)
            count = fill(old.sock, number(n, 1000)) // len(number(n, 1000))
            assert count * 1000 > READ_SIZE * READS_IN_A_ROW
            gate.set()
            eventually(partial(lambda n, count: rig.messages().count(n) == count, n, count))
            eventually(lambda: len(connection.links) == 1)
            old = new

    def test_frames_that_came_with_the_end_count(self, running: Rig) -> None:
        _, peer = running.connected()
        peer.send(*(number(n) for n in range(50)), frame(b"\x03\xe9", CLOSE))
        peer.close()
        eventually(lambda: running.reports[-1] == ("T1", "disconnected", "1001"))
        assert running.messages() == list(range(50))

    def test_what_nobody_wants_is_not_decoded(self, running: Rig) -> None:
        running.unwanted = {b"user_typing", b"hello", b"goodbye"}
        connection, peer = running.connected()
        peer.send(frame(b'{"type":"user_typing", this is not even JSON'.decode()))
        peer.send(frame(b'{"type":"message","n":1}'.decode()))
        eventually(lambda: running.messages() == [1])
        assert running.passed_over == [b"user_typing"]
        assert running.reactor.malformed == 0
        peer.send(frame(b'{"type":"goodbye"}'.decode()))
        # What concerns the connection is always looked at; a goodbye so soon is followed by a pause.
        eventually(lambda: connection.session.phase is Phase.WAITING)

    @pytest.mark.parametrize(("slept", "read"), [(299.0, [1, 2]), (301.0, [1])])
    def test_after_too_long_a_sleep_what_waits_is_not_read(self, slept: float, read: list[int]) -> None:
        """Others have published it, so long ago that its marks may be gone."""
        rig = Rig(asleep_after=300.0)
        rig.thread.start()
        try:
            connection, peer = rig.connected()
            peer.say(type="message", n=1)
            eventually(lambda: rig.messages() == [1])
            stopped, go_on = threading.Event(), threading.Event()
            rig.reactor.call(lambda: (stopped.set(), go_on.wait(5.0)))  # type: ignore[arg-type, return-value]
            assert stopped.wait(5.0)
            peer.say(type="message", n=2)
            rig.now += slept
            go_on.set()
            rig.settle()
            assert rig.messages() == read
            if read == [1]:
                assert rig.reports[-1] == ("T1", "disconnected", "asleep")
                assert connection.session.phase is Phase.WAITING
        finally:
            rig.close()
        assert rig.deaths == []

    def test_malformed_frames_are_counted(self, running: Rig) -> None:
        _, peer = running.connected()
        peer.send(frame("{"), frame("[]"), frame(b"\xff\xfe"), frame(""), number(1))
        eventually(lambda: running.messages() == [1])
        assert running.reactor.malformed == 4


class TestLinksOfNoUse:
    def test_one_that_came_too_late_is_closed(self, running: Rig) -> None:
        connection, _ = running.connected()
        running.do(lambda: running.reactor.drive(connection, lambda session, now: session.stop()))
        assert [seen.opcode for seen in running.open(connection, number=1).read_to_the_end()] == [CLOSE]
        assert connection.links == {}

    def test_so_is_one_that_another_has_taken_the_place_of(self, running: Rig) -> None:
        connection, first = running.connected()
        running.do(lambda: running.reactor.drive(connection, lambda session, now: session.restart(now)))
        running.do(lambda: running.reactor.drive(connection, lambda session, now: session.restart(now)))
        assert [number for _, number, _ in running.connects] == [1, 2, 3]
        assert [seen.opcode for seen in running.open(connection, number=2).read_to_the_end()] == [CLOSE]
        running.open(connection, number=3).say(type="hello")
        assert [seen.opcode for seen in first.read_to_the_end()] == [CLOSE]

    def test_so_is_one_of_a_bot_that_was_removed(self, running: Rig) -> None:
        made: list[Connection] = []
        running.do(lambda: made.append(running.begin()))
        running.do(lambda: running.reactor.remove("T1"))
        peer = running.open(made[0], number=1)
        assert [seen.opcode for seen in peer.read_to_the_end()] == [CLOSE]

    def test_so_is_one_that_comes_after_the_end(self, running: Rig) -> None:
        connection, peer = running.connected()
        running.reactor.stop()
        running.thread.join(5.0)
        assert [seen.opcode for seen in peer.read_to_the_end()] == [CLOSE]
        assert running.open(connection, number=1).read_to_the_end() == []

    def test_so_is_one_that_comes_with_the_end(self, rig: Rig) -> None:
        connection = rig.begin()
        rig.reactor.stop()
        peer = rig.open(connection)
        rig.thread.start()
        rig.thread.join(5.0)
        assert [seen.opcode for seen in peer.read_to_the_end()] in ([], [CLOSE])

    def test_a_failure_that_nobody_waits_for_is_ignored(self, running: Rig) -> None:
        connection, _ = running.connected()
        running.reactor.failed(connection, 7, SlackError("token_revoked"))
        running.do(lambda: running.reactor.drive(connection, lambda session, now: session.restart(now)))
        running.reactor.failed(connection, 1, SlackError("token_revoked"))
        running.settle()
        assert connection.session.phase is Phase.CONNECTING


class TestPeersThatDoNotRead:
    def say(self, rig: Rig, key: str, text: str, times: int = 1) -> None:
        connection = rig.reactor.connections[key]
        command = Command(op="message", key=key, channel="C1", text=text)

        def send() -> None:
            for _ in range(times):
                rig.reactor.drive(connection, lambda session, now: session.send(command, now))

        rig.do(send)

    def test_one_that_reads_late_gets_everything_in_order(self, running: Rig) -> None:
        _, peer = running.connected(size=4096)
        for n in range(15):
            self.say(running, "T1", f"{n}:" + "x" * 10_000)
        texts = [peer.read_json()["text"].partition(":")[0] for _ in range(15)]
        assert texts == [str(n) for n in range(15)]
        peer.send(number(1))
        eventually(lambda: running.messages() == [1])

    def test_one_that_never_reads_is_given_up_at_a_bound_and_hinders_nobody(self, running: Rig) -> None:
        _, deaf = running.connected("DEAF", size=4096)
        _, peer = running.connected("T1")
        self.say(running, "DEAF", "x" * 10_000, times=WRITE_BOUND // 10_000 + 20)
        eventually(lambda: ("DEAF", "disconnected", "the peer does not read") in running.reports)
        self.say(running, "T1", "hello")
        assert peer.read_json()["text"] == "hello"
        deaf.close()
        running.at(1001.0)
        assert running.connects[-1] == ("DEAF", 2, 1001.0)

    def test_one_that_hangs_up_while_much_waits_for_it(self, running: Rig) -> None:
        connection, peer = running.connected(size=4096)
        self.say(running, "T1", "x" * 10_000, times=10)
        peer.close()
        eventually(lambda: connection.session.phase is Phase.WAITING)
        assert [state for _, state, _ in running.reports] == ["connecting", "connected", "disconnected"]


class TestOtherThreads:
    def test_their_calls_are_all_made_and_each_ones_in_order(self, running: Rig) -> None:
        made: list[tuple[int, int]] = []

        def call(thread: int) -> None:
            for n in range(2000):
                assert running.reactor.call(partial(made.append, (thread, n)))

        threads = [threading.Thread(target=call, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
        running.settle()
        assert len(made) == 16_000
        for thread_number in range(8):
            assert [n for thread_, n in made if thread_ == thread_number] == list(range(2000))

    def test_a_call_that_calls_again_starves_nobody(self, running: Rig) -> None:
        _, peer = running.connected()
        end = threading.Event()

        def again() -> None:
            if not end.is_set():
                running.reactor.call(again)

        running.reactor.call(again)
        peer.send(number(1))
        eventually(lambda: running.messages() == [1])
        end.set()

    def test_waiting_has_an_end(self, running: Rig) -> None:
        gate = threading.Event()
        running.reactor.call(lambda: (gate.wait(5.0), None)[1])
        assert not running.reactor.wait(lambda: None, 0.05)
        gate.set()
        assert running.reactor.wait(lambda: None, 5.0)

    def test_after_the_end_a_call_says_so(self, running: Rig) -> None:
        running.reactor.stop()
        running.thread.join(5.0)
        assert not running.reactor.call(lambda: None)
        assert not running.reactor.wait(lambda: None, 60.0), "at once"

    def test_around_the_end_a_call_is_made_or_refused_and_never_both(self) -> None:
        for _ in range(20):
            rig = Rig()
            made: set[tuple[int, int]] = set()
            taken: set[tuple[int, int]] = set()

            def call(thread: int, rig: Rig = rig, made: Any = made, taken: Any = taken) -> None:
                for n in itertools.count():
                    if not rig.reactor.call(partial(made.add, (thread, n))):
                        return
                    taken.add((thread, n))

            threads = [threading.Thread(target=call, args=(thread,)) for thread in range(4)]
            for thread in [rig.thread, *threads]:
                thread.start()
            rig.reactor.stop()
            for thread in [rig.thread, *threads]:
                thread.join(10.0)
            assert made == taken

    def test_stopping_twice_is_harmless(self, running: Rig) -> None:
        running.reactor.stop()
        running.reactor.stop()
        running.thread.join(5.0)
        running.reactor.stop()

    def test_a_death_closes_the_sockets(self) -> None:
        """Slack must see that nobody listens any more, though the process may live for a while."""
        rig = Rig()
        rig.thread.start()
        _, peer = rig.connected()
        rig.reactor.call(fail)
        assert [seen.opcode for seen in peer.read_to_the_end()] == [CLOSE]
        rig.close()
        assert [type(death) for death in rig.deaths] == [ZeroDivisionError]


def fail() -> None:
    raise ZeroDivisionError


def fill(sock: socket.socket, chunk: bytes) -> int:
    """Writes whole chunks until the kernel takes no more; returns the bytes."""
    sent = 0
    while True:
        try:
            written = sock.send(chunk)
        except BlockingIOError:
            sock.setblocking(True)
            return sent
        if written < len(chunk):
            sock.setblocking(True)
            threading.Thread(target=sock.sendall, args=(chunk[written:],), daemon=True).start()
            return sent + len(chunk)
        sent += written


def pour(sock: socket.socket, block: bytes, end: threading.Event) -> None:
    """Writes until told to end."""
    while not end.is_set():
        sock.sendall(block)
