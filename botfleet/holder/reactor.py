"""The reactor: one thread, one selector, all of a holder's sockets.

It reads frames, hands them to their session, and does what the session says. Other threads reach it only by
`call`. Nothing here blocks: connecting is the connector's work, pushing the publisher's, storing the
reporter's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import itertools
import logging
import math
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..clock import Chance, MonotonicClock, chance, monotonic_clock
from ..errors import SlackError
from ..model import Bot
from ..slack import session as rtm
from ..slack.envelope import Origin
from ..slack.frames import Frame, decode, peek_type
from ..slack.reconnects import REASONS, Reason, reason_of
from .link import Link, LinkClosed

logger = logging.getLogger(__name__)

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
#: Turns that a link gets before another takes its place: 8 MiB at the least, more than a kernel keeps.
_FORMER_READS = 64
#: Seconds between two turns at the most.
_LONGEST_WAIT = 5.0


class Surroundings(Protocol):
    """What a reactor tells the rest of the holder. Called on its thread: must not block."""

    def connect(self, connection: Connection, number: int) -> None:
        """Open a link for this connection; answer with `Reactor.opened` or `Reactor.failed`."""

    def passes_over(self, kind: bytes) -> bool:
        """Whether nobody wants events of this type (and one was counted): it is not even decoded."""

    def publish(self, origin: Origin, frame: Frame, raw: bytes) -> None:
        """Slack sent an event."""

    def emit(self, connection: Connection, emitted: rtm.Emit) -> None:
        """Something of our own happened to this bot."""

    def report(self, connection: Connection, report: rtm.Report, age: float = 0.0) -> None:
        """The bot's status changed, so many seconds ago."""

    def answer(self, answered: rtm.Answered) -> None:
        """Somebody waits to hear this of a message."""


class Connection:
    """One bot in the reactor: its session, and the links that are open for it."""

    __slots__ = ("bot", "failing", "links", "origin", "reported", "session", "wake_at")

    def __init__(self, bot: Bot, timing: rtm.Timing, random: Chance) -> None:
        self.session = rtm.Session(timing, random)
        self.links: dict[int, Link] = {}
        #: The time for which the reactor has planned a `tick`; None where none is planned.
        self.wake_at: float | None = None
        #: What was last reported, and when.
        self.reported: tuple[rtm.Report, float] | None = None
        #: Its trouble was told to the handlers, and is not over yet.
        self.failing = False
        self.rename(bot)

    def rename(self, bot: Bot) -> None:
        """Takes over what the registry says of the bot now."""
        self.bot = bot
        self.origin = Origin.of(bot)

    def __repr__(self) -> str:
        return f"<Connection {self.bot.key} {self.session.phase.value}>"


class Reactor:
    """See the top of this module.

    Args:
        surroundings: what it tells others.
        timing: of all sessions.
        asleep_after: seconds without a turn (the process was stopped) after which what waits in the sockets
            is not read any more: others have published it, so long ago that nothing tells the copies.
        clock, random: injected.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        timing: rtm.Timing,
        asleep_after: float = math.inf,
        clock: MonotonicClock = monotonic_clock,
        random: Chance = chance,
    ) -> None:
        self.connections: dict[str, Connection] = {}
        #: Frames that were no JSON objects.
        self.malformed = 0
        #: Connections that were opened anew, or are to be, by reason.
        self.reconnects: dict[Reason, int] = dict.fromkeys(REASONS, 0)
        self._surroundings = surroundings
        self._timing = timing
        self._clock = clock
        self._random = random
        self._asleep_after = asleep_after
        self._turned_at = clock()
        self._selector = selectors.DefaultSelector()
        self._owners: dict[Link, Connection] = {}
        # Links that may have more to read without the selector saying so.
        self._ready: dict[Link, None] = {}
        self._timers: list[tuple[float, int, Connection]] = []
        self._order = itertools.count()
        self._calls: deque[Callable[[], None]] = deque()
        # No further call is taken. Guarded by the lock, so that each is either run or refused.
        self._ended = False
        self._calls_lock = threading.Lock()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, _READ, None)
        self._running = True

    # For any thread

    def call(self, function: Callable[[], None]) -> bool:
        """Has a function called on the reactor's thread, soon; False where the reactor has ended."""
        with self._calls_lock:
            if self._ended:
                logger.debug("Called a reactor that has ended", extra={"action": "reactor.ended"})
                return False
            self._calls.append(function)
        # Refused where so many wake-ups wait that one more changes nothing, or where the end is near.
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")
        return True

    def wait(self, function: Callable[[], None], timeout: float) -> bool:
        """Has a function called, and waits for that; False when it took longer than `timeout` seconds."""
        done = threading.Event()

        def both() -> None:
            try:
                function()
            finally:
                done.set()

        return self.call(both) and done.wait(timeout)

    def opened(self, connection: Connection, number: int, sock: socket.socket) -> None:
        """A connector's thread opened a link."""
        if not self.call(lambda: self._opened(connection, number, sock)):
            sock.close()

    def failed(self, connection: Connection, number: int, error: SlackError) -> None:
        """A connector's thread could not open a link."""
        self.call(lambda: self._do(connection, connection.session.failed(number, error, self._clock())))

    @property
    def stuck_for(self) -> float:
        """Seconds since its last turn; at most some five where all is well."""
        return self._clock() - self._turned_at

    def run(self) -> None:
        """Runs until `stop`; the body of the reactor's thread."""
        try:
            while self._running:
                self._turn()
        finally:
            self._close()

    def stop(self) -> None:
        """Closes every link and ends `run`."""

        def end() -> None:
            self._running = False

        self.call(end)

    # For the reactor's thread

    def add(self, bot: Bot) -> Connection:
        """Takes a bot in, without connecting it."""
        connection = Connection(bot, self._timing, self._random)
        self.connections[bot.key] = connection
        return connection

    def remove(self, key: str) -> None:
        """Closes a bot's links and forgets it.

        Says nothing of its status: the bot is gone from the registry, or belongs to another holder now.
        """
        connection = self.connections.pop(key)
        stopped = connection.session.stop()
        self._do(connection, [one for one in stopped if isinstance(one, rtm.Close | rtm.Answered)])

    def drive(self, connection: Connection, step: Callable[[rtm.Session, float], list[rtm.Action]]) -> None:
        """Has a session do something, and does what follows."""
        self._do(connection, step(connection.session, self._clock()))

    def report_again(self, connection: Connection) -> None:
        """Reports once more what was last reported, for others say something else."""
        if connection.reported is not None:
            report, at = connection.reported
            age = self._clock() - at
            left = None if report.retry_in is None else max(0.0, report.retry_in - age)
            self._surroundings.report(connection, dataclasses.replace(report, retry_in=left), age)

    # Sockets

    def _opened(self, connection: Connection, number: int, sock: socket.socket) -> None:
        link = Link(sock, number)
        connection.links[number] = link
        self._owners[link] = connection
        self._selector.register(link, _READ, link)
        self._do(connection, connection.session.opened(number, self._clock()))
        # TLS may have read the first frames together with the end of the handshake.
        self._ready[link] = None

    def _on_ready(self, link: Link, events: int) -> None:
        # What was done for another link of the same select may have closed this one.
        if events & _WRITE and link in self._owners:
            self._write(link, link.flush)
        if events & _READ and link in self._owners:
            self._read(link)

    def _read_ready(self) -> None:
        ready, self._ready = self._ready, {}
        for link in ready:
            if link in self._owners:
                self._read(link)

    def _read(self, link: Link) -> None:
        connection = self._owners[link]
        if len(connection.links) > 1:
            self._read_former(connection, link)
        if link in self._owners:
            self._read_once(connection, link)

    def _read_former(self, connection: Connection, link: Link) -> None:
        """Reads what waits on earlier links, for hello on this one closes them.

        They may hold what was said before rtm.connect, which comes on no other link.
        """
        for former in [one for one in connection.links.values() if one.number < link.number]:
            for _ in range(_FORMER_READS):
                self._ready.pop(former, None)
                self._read_once(connection, former)
                if former not in self._ready:
                    break

    def _read_once(self, connection: Connection, link: Link) -> None:
        try:
            messages, more = link.read()
        except LinkClosed as exc:
            reason, messages = exc.args[0], exc.args[1] if len(exc.args) > 1 else []
            self._received(connection, link, messages)
            self._gone(connection, link, reason)
            return
        if more:
            self._ready[link] = None
        self._watch(link)  # Pings were answered.
        self._received(connection, link, messages)

    def _received(self, connection: Connection, link: Link, messages: list[bytes]) -> None:
        now, session = self._clock(), connection.session
        session.heard(link.number, now)
        for raw in messages:
            kind = peek_type(raw)
            if kind and kind not in rtm.SPECIAL_TYPES and self._surroundings.passes_over(kind):
                continue
            frame = decode(raw)
            if frame is None:
                self._count_malformed(connection)
            elif actions := session.received(link.number, frame, raw, now):
                self._do(connection, actions)

    def _count_malformed(self, connection: Connection) -> None:
        self.malformed += 1
        logger.warning(
            "%s: Slack sent a frame that is no JSON object (%s so far)",
            connection.bot.key,
            self.malformed,
            extra={"action": "frame.malformed", "bot": connection.bot.key},
        )

    def _gone(self, connection: Connection, link: Link, reason: str) -> None:
        if link in self._owners:
            self._release(connection, link)
            self._do(connection, connection.session.closed(link.number, reason, self._clock()))

    def _release(self, connection: Connection, link: Link) -> None:
        self._selector.unregister(link)
        del self._owners[link]
        del connection.links[link.number]
        link.close()

    def _write(self, link: Link, write: Callable[[], None]) -> None:
        try:
            write()
        except LinkClosed as exc:
            self._gone(self._owners[link], link, exc.args[0])
            return
        self._watch(link)

    def _watch(self, link: Link) -> None:
        if link.wants_write is not link.write_watched:
            link.write_watched = link.wants_write
            self._selector.modify(link, _READ | _WRITE if link.wants_write else _READ, link)

    # What sessions say

    def _do(self, connection: Connection, actions: list[rtm.Action]) -> None:
        for action in actions:
            if type(action) is rtm.Publish:
                self._surroundings.publish(connection.origin, action.frame, action.raw)
            else:
                self._do_rarely(connection, action)
        deadline = connection.session.deadline
        if deadline is not None and (connection.wake_at is None or deadline < connection.wake_at):
            self._wake(connection, deadline)

    def _do_rarely(self, connection: Connection, action: rtm.Action) -> None:
        match action:
            case rtm.Send(number, text):
                link = connection.links.get(number)
                if link is not None:
                    self._write(link, lambda: link.send_text(text))
            case rtm.Close(number):
                if number in connection.links:
                    self._release(connection, connection.links[number])
            case rtm.Connect(number, instead):
                if instead:
                    self.reconnects[instead] += 1
                self._surroundings.connect(connection, number)
            case rtm.Report():
                connection.reported = action, self._clock()
                if action.retry_in is not None:
                    self.reconnects[reason_of(action.error)] += 1
                self._surroundings.report(connection, action)
            case rtm.Emit():
                self._surroundings.emit(connection, action)
            case rtm.Answered():
                self._surroundings.answer(action)
            case rtm.Refused(reason):
                key = connection.bot.key
                logger.warning("%s: not sent: %s", key, reason, extra={"action": "send.refused", "bot": key})

    # Time

    def _wake(self, connection: Connection, at: float) -> None:
        connection.wake_at = at
        heapq.heappush(self._timers, (at, next(self._order), connection))

    def _timeout(self) -> float:
        if self._ready or self._calls:
            return 0.0
        if not self._timers:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, max(0.0, self._timers[0][0] - self._clock()))

    def _run_timers(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            at, _, connection = heapq.heappop(self._timers)
            if connection.wake_at != at:
                continue  # An earlier one was planned after it.
            connection.wake_at = None
            self._do(connection, connection.session.tick(now))

    # The loop's own

    def _turn(self) -> None:
        ready = self._selector.select(self._timeout())
        now = self._clock()
        if now - self._turned_at > self._asleep_after:
            self._wake_up(now - self._turned_at)
        self._turned_at = now
        for key, events in ready:
            if key.data is None:
                self._drain_wakeups()
            else:
                self._on_ready(key.data, events)
        self._read_ready()
        self._run_calls()
        self._run_timers()

    def _wake_up(self, slept: float) -> None:
        logger.error(
            "Slept for %.0f s: all sockets are opened anew, and what waits in the old ones is not read",
            slept,
            extra={"action": "reactor.slept"},
        )
        for link, connection in list(self._owners.items()):
            self._gone(connection, link, "asleep")

    def _drain_wakeups(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _run_calls(self) -> None:
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def _close(self) -> None:
        with self._calls_lock:
            self._ended = True
        try:
            # What came before may bring an open socket.
            self._run_calls()
        finally:
            for link, connection in list(self._owners.items()):
                self._release(connection, link)
            self._selector.close()
            self._waker.close()
            self._woken.close()
