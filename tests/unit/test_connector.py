"""Which bots the connector's threads ask Slack for, and in which order; sockets are the holder's tests'."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from botfleet.errors import ConnectionRateLimited, SlackError
from botfleet.holder.connector import Connector
from botfleet.holder.pace import Pace
from botfleet.model import Bot
from botfleet.secrets import Seal, Token
from botfleet.store import MemoryStore
from botfleet.webapi import RtmSession, SlackApi
from tests.waiting import eventually


class Refusing(SlackApi):
    """Slack's Web API that refuses each rtm.connect.

    Attributes:
        asked: the tokens that were asked for, in order.
        free: cleared, calls hang.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.free = threading.Event()
        self.free.set()

    def rtm_connect(self, token: Token) -> RtmSession:
        self.asked.append(token.reveal().removeprefix("xoxb-test-"))
        assert self.free.wait(30.0)
        raise ConnectionRateLimited("ratelimited", retry_after=7.0)


class Turns(MemoryStore):
    """A store that counts the turns it gave."""

    given = 0

    def reserve(self, pace: str, rate: float) -> float:
        self.given += 1
        return super().reserve(pace, rate)


class Rig:
    """A connector, and what came of its jobs.

    Attributes:
        wanted: keys of the bots whose connection is still wanted.
        done: what was told, by key.
    """

    def __init__(self, workers: int = 1, rate: float = 0.0) -> None:
        self.api = Refusing()
        self.store = Turns(shards=1)
        self.wanted: set[str] = set()
        self.done: dict[str, socket.socket | SlackError] = {}
        self.deaths: list[str] = []
        self._seal = Seal([Seal.new_key()])
        pace = Pace(self.store, rate, self._died)
        self.connector = Connector(self.api, self._seal, workers, 5.0, self._died, pace)

    def want(self, *keys: str) -> None:
        self.wanted.update(keys)
        for key in keys:
            self.connector.connect(self._bot(key), self._is_wanted(key), self._keep(key))

    def close(self) -> None:
        self.api.free.set()
        self.connector.stop()
        eventually(lambda: not any(one.name.startswith("botfleet-connect") for one in threading.enumerate()))
        assert self.deaths == []

    def _bot(self, key: str) -> Bot:
        token = Token(f"xoxb-test-{key}")
        return Bot(team_id=key, sealed_token=self._seal.seal(token), fingerprint=token.fingerprint)

    def _is_wanted(self, key: str) -> Callable[[], bool]:
        return lambda: key in self.wanted

    def _keep(self, key: str) -> Callable[[socket.socket | SlackError], None]:
        return lambda result: self.done.update({key: result})

    def _died(self, name: str, exc: BaseException) -> None:
        self.deaths.append(name)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def slow() -> Iterator[Rig]:
    """One whose second turn comes in an hour."""
    made = Rig(rate=1 / 3600)
    yield made
    made.close()


def test_jobs_are_done_in_their_order_and_what_slack_said_is_told(rig: Rig) -> None:
    rig.want("T1", "T2", "T3")
    rig.connector.start()
    eventually(lambda: len(rig.done) == 3)
    assert rig.api.asked == ["T1", "T2", "T3"]
    assert {str(one) for one in rig.done.values()} == {"ratelimited"}


def test_what_is_not_wanted_any_more_is_left_out_without_a_turn(slow: Rig) -> None:
    slow.want(*(f"T{n}" for n in range(1000)), "last")
    slow.wanted = {"last"}
    slow.connector.start()
    eventually(lambda: slow.done)
    assert slow.api.asked == ["last"]
    assert slow.store.given == 1


def test_each_connect_waits_for_its_turn(slow: Rig) -> None:
    slow.connector.start()
    slow.want("T1", "T2")
    eventually(lambda: "T1" in slow.done)
    eventually(lambda: slow.store.given == 2)
    assert slow.api.asked == ["T1"]


def test_a_stop_ends_the_wait_and_forgets_the_rest(slow: Rig) -> None:
    slow.connector.start()
    slow.want(*(f"T{n}" for n in range(1000)))
    eventually(lambda: slow.done)
    slow.close()
    assert slow.api.asked == ["T0"]


def test_what_is_under_way_at_a_stop_is_finished(rig: Rig) -> None:
    rig.api.free.clear()
    rig.connector.start()
    rig.want("T1", "T2")
    eventually(lambda: rig.api.asked)
    rig.connector.stop()
    rig.api.free.set()
    eventually(lambda: rig.done)
    rig.close()
    assert rig.api.asked == ["T1"]
