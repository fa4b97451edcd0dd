"""What tells, over all holders, which messages were published, for a broker that can't tell it by itself.

A sink claims a message's mark, publishes the message, and settles the mark. While one has a claim, the
others leave the message to it; they come back, for a claimant may die. Its claims then expire, and whoever
asks next publishes the messages: at least once, and twice only what it had published and not settled.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import Any

import redis

from ..clock import MonotonicClock, monotonic_clock
from ..errors import StoreUnavailable
from .scripts import read_script

#: Defaults of the settings of these names, and seconds for which a claim holds.
DEDUPE_TTL = 600.0
DEDUPE_MARKS = 3_000_000
CLAIM_TTL = 10.0


class Claim(Enum):
    """What came of a claim."""

    #: The claimant's, for `claim_ttl` seconds from now on: it is to publish the message.
    OURS = 0
    #: Another publishes the message just now, or died before it could say so.
    ANOTHERS = 1
    #: The message was published.
    DONE = 2


class Marks(ABC):
    """Marks of messages. All methods may raise `StoreUnavailable`, and may then be called again.

    Args:
        claim_ttl: seconds for which a claim holds.
    """

    def __init__(self, claim_ttl: float) -> None:
        self.claim_ttl = claim_ttl

    @abstractmethod
    def claim(self, claimant: str, marks: Sequence[str]) -> list[Claim]:
        """Claims marks, each by itself; what the claimant has already it has anew."""

    @abstractmethod
    def settle(self, claimant: str, done: Sequence[str], given_back: Sequence[str]) -> None:
        """Says that messages were published, and gives claims back; each mark is named once."""

    def close(self) -> None:  # noqa: B027 (those in memory hold nothing)
        """Lets go of connections."""


class RedisMarks(Marks):
    """Keeps marks in Redis; see `lua/claim.lua` and `lua/settle.lua`.

    Args:
        client: a connection pool to the store.
        prefix: put before each key.
        dedupe_ttl: seconds for which a message is known to be published; half as long again at the most.
        dedupe_marks: messages that are known at the most; beyond that the oldest are forgotten sooner.
        claim_ttl: seconds for which a claim holds.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str = "",
        dedupe_ttl: float = DEDUPE_TTL,
        dedupe_marks: int = DEDUPE_MARKS,
        claim_ttl: float = CLAIM_TTL,
    ) -> None:
        super().__init__(claim_ttl)
        self._client = client
        self._head = (prefix, int(dedupe_ttl * 1000), dedupe_marks)
        self._claim = client.register_script(read_script("generations", "claim"))
        self._settle = client.register_script(read_script("generations", "settle"))

    def claim(self, claimant: str, marks: Sequence[str]) -> list[Claim]:
        answers = self._run(self._claim, claimant, int(self.claim_ttl * 1000), *marks)
        return [Claim(answer) for answer in answers]

    def settle(self, claimant: str, done: Sequence[str], given_back: Sequence[str]) -> None:
        self._run(self._settle, claimant, len(done), *done, *given_back)

    def close(self) -> None:
        self._client.close()

    def _run(self, script: Any, *args: str | int) -> Any:
        try:
            return script(args=[*self._head, *args])
        except redis.RedisError as exc:
            raise StoreUnavailable(f"the store of marks: {type(exc).__name__}: {exc}") from exc


class MemoryMarks(Marks):
    """Keeps marks in this process. Safe for several threads.

    Args:
        dedupe_ttl, dedupe_marks, claim_ttl: as `RedisMarks` takes them.
        clock: the time that marks and claims expire by.
    """

    def __init__(
        self,
        dedupe_ttl: float = DEDUPE_TTL,
        dedupe_marks: int = DEDUPE_MARKS,
        claim_ttl: float = CLAIM_TTL,
        clock: MonotonicClock = monotonic_clock,
    ) -> None:
        super().__init__(claim_ttl)
        self._ttl = dedupe_ttl
        self._bound = dedupe_marks
        self._clock = clock
        # By mark: until when it counts, the oldest first; who has it, and until when.
        self._done: dict[str, float] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def claim(self, claimant: str, marks: Sequence[str]) -> list[Claim]:
        with self._lock:
            now = self._clock()
            return [self._claim_one(claimant, mark, now) for mark in marks]

    def settle(self, claimant: str, done: Sequence[str], given_back: Sequence[str]) -> None:
        with self._lock:
            now = self._clock()
            for mark in (*done, *given_back):
                if self._claims.get(mark, ("", 0.0))[0] == claimant:
                    del self._claims[mark]
            self._done |= {mark: now + self._ttl for mark in done if mark not in self._done}
            self._forget(now)

    def _claim_one(self, claimant: str, mark: str, now: float) -> Claim:
        if self._done.get(mark, now) > now:
            return Claim.DONE
        holder, until = self._claims.get(mark, (claimant, 0.0))
        if holder != claimant and until > now:
            return Claim.ANOTHERS
        self._claims[mark] = claimant, now + self.claim_ttl
        return Claim.OURS

    def _forget(self, now: float) -> None:
        while self._done:
            oldest = next(iter(self._done))
            if len(self._done) <= self._bound and self._done[oldest] > now:
                return
            del self._done[oldest]
