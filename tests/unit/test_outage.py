"""A fleet's bots after an outage, with a clock and chance of their own: no herd, and nothing asked twice."""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable

import pytest

from botfleet.slack.errors import to_exception
from botfleet.slack.frames import decode
from botfleet.slack.session import STABLE, Action, Connect, Phase, Report, Session, Timing
from botfleet.store import MemoryStore

BOTS = 1000
RATE = 200.0
TIMING = Timing(ping_interval=1e6)
#: Seconds from rtm.connect to its answer.
LATENCY = 0.05
HELLO = b'{"type": "hello"}'


class World:
    """Sessions whose sockets were all open, the jobs of their holder, and a Slack that can be away.

    Attributes:
        now: the time.
        attempts: when rtm.connect was called.
        delays: what the sessions waited after each failure, by how many there were before it.
        error: what Slack says to each attempt; empty: it lets them in.
        after: its Retry-After.
    """

    def __init__(self, seed: int) -> None:
        self.now = 1000.0
        self.attempts: list[float] = []
        self.delays: dict[int, list[float]] = {}
        self.error = ""
        self.after: float | None = None
        chance = random.Random(seed).random
        self.sessions = [Session(TIMING, chance) for _ in range(BOTS)]
        self._failures: Counter[int] = Counter()
        self._store = MemoryStore(1, clock=lambda: self.now)
        self._jobs: deque[tuple[int, int]] = deque()
        self._busy = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        for bot, session in enumerate(self.sessions):
            session.start(self.now)
            self._say_hello(bot, session.link)
        self.now += 2 * STABLE

    # What happens

    def reset(self) -> None:
        """All sockets break at once."""
        for bot, session in enumerate(self.sessions):
            self._do(bot, session.closed(session.link, "ConnectionResetError", self.now))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = end

    @property
    def connected(self) -> int:
        return sum(session.phase is Phase.CONNECTED for session in self.sessions)

    # What follows

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _do(self, bot: int, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Connect(link):
                    assert bot not in {waiting for waiting, _ in self._jobs}, "it waits already"
                    self._jobs.append((bot, link))
                case Report(_, _, retry_in) if retry_in is not None:
                    self.delays.setdefault(self._failures[bot], []).append(retry_in)
                    self._failures[bot] += 1
        session = self.sessions[bot]
        if session.deadline is not None:
            self._at(session.deadline, lambda: self._do(bot, session.tick(self.now)))
        self._begin_next()

    def _begin_next(self) -> None:
        if self._jobs and not self._busy:
            self._busy = True
            bot, link = self._jobs.popleft()
            self._at(self.now + self._store.reserve("connect", RATE), lambda: self._connect(bot, link))

    def _connect(self, bot: int, link: int) -> None:
        self._busy = False
        self.attempts.append(self.now)
        self._at(self.now + LATENCY, lambda: self._answer(bot, link))
        self._begin_next()

    def _answer(self, bot: int, link: int) -> None:
        if self.error:
            error = to_exception(self.error, self.after)
            self._do(bot, self.sessions[bot].failed(link, error, self.now))
        else:
            self._say_hello(bot, link)

    def _say_hello(self, bot: int, link: int) -> None:
        frame, session = decode(HELLO), self.sessions[bot]
        assert frame is not None
        session.opened(link, self.now)
        session.received(link, frame, HELLO, self.now)


@pytest.fixture(params=[1, 2, 3])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def peak(times: list[float]) -> int:
    """The most in any window of a second."""
    ends = (bisect.bisect_left(times, time + 1.0 - 1e-6) for time in times)
    return max(end - begin for begin, end in enumerate(ends))


def is_full_jitter(delays: list[float], bound: float) -> bool:
    """Whether they lie anywhere between 0 and the bound, as many in each fifth of it."""
    fifths = Counter(int(delay / bound * 5) for delay in delays)
    share = len(delays) / 5
    return set(fifths) == set(range(5)) and all(abs(n - share) < 5 * share**0.5 for n in fifths.values())


def test_after_a_reset_of_all_sockets_each_is_back_once_and_at_the_pace(world: World) -> None:
    world.reset()
    assert is_full_jitter(world.delays[0], TIMING.retry_base)
    world.run(TIMING.retry_base + BOTS / RATE + 1.0)
    assert world.connected == BOTS
    assert len(world.attempts) == BOTS
    assert peak(world.attempts) <= RATE


def test_while_slack_is_away_retries_spread_out_and_do_not_pile_up(world: World) -> None:
    world.error = "unreachable"
    world.reset()
    world.run(60.0)
    assert peak(world.attempts) <= RATE
    for failures, delays in world.delays.items():
        assert is_full_jitter(delays, min(TIMING.retry_cap, 2.0**failures)) or len(delays) < BOTS / 10
    before = len(world.attempts)
    world.error = ""
    world.run(TIMING.retry_cap + BOTS / RATE + 1.0)
    assert world.connected == BOTS
    assert len(world.attempts) <= before + BOTS + LATENCY * RATE
    assert peak(world.attempts) <= RATE


def test_when_slack_limits_all_of_them_they_come_back_apart(world: World) -> None:
    world.error, world.after = "ratelimited", 20.0
    world.reset()
    world.run(TIMING.retry_base + BOTS / RATE + 1.0)
    assert len(world.attempts) == BOTS
    assert is_full_jitter([delay - 20.0 for delay in world.delays[1]], 2.0)
    world.error = ""
    world.run(30.0)
    assert world.connected == BOTS
    assert len(world.attempts) == 2 * BOTS
