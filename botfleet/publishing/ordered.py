"""Lanes of ordered handlers: events that are handled one after another, by whichever worker.

Not to be taken for the lanes that events wait in before they are pushed (`lanes.py`). These are in Redis,
beside the queues: each event of an ordered handler is appended to its lane in the step that pushes its task
message. That message is a wake-up: its run takes the lane, handles what stands at the head, strikes it out,
and goes on. So the order is that of the publisher, whichever order messages and workers come in.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis

from ..errors import StoreError, StoreUnavailable
from .marks import CLAIM_TTL, DEDUPE_MARKS, DEDUPE_TTL
from .scripts import read_script
from .wake_ups import Head, Pause, Struck

logger = logging.getLogger(__name__)

#: Part of its time after which a lane is renewed.
_RENEWED = 1 / 4


class IdleLane(NamedTuple):
    """A lane with events that nobody works on, as it seems.

    Attributes:
        name: the lane.
        queue: where its wake-ups go.
        event_id: of the event at its head.
        events: how many wait in it.
        found: how often it was found so, this time too, since a run had it.
    """

    name: str
    queue: str
    event_id: str
    events: int
    found: int


class OrderedLanes:
    """Lanes in Redis; see `lua/lanes.lua`. Safe for several threads.

    All methods may raise `StoreUnavailable`.

    Args:
        client: a connection pool to the broker, where that is Redis, else to the store.
        prefix: put before each key.
        ttl: seconds for which a run has a lane without a word from it; its process renews it by itself.
        dedupe_ttl, dedupe_marks: as `RedisMarks` takes them, for `append`.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str = "",
        ttl: float = CLAIM_TTL,
        dedupe_ttl: float = DEDUPE_TTL,
        dedupe_marks: int = DEDUPE_MARKS,
    ) -> None:
        self.ttl = ttl
        self._client = client
        self._prefix = prefix
        self._bounds = (int(dedupe_ttl * 1000), dedupe_marks)
        self._renewer = _Renewer(self)
        self._append = client.register_script(read_script("generations", "lanes", "append"))
        self._take, self._strike, self._put_off, self._renew, self._sweep, self._drop = (
            client.register_script(read_script("lanes", name))
            for name in ("take", "strike", "put_off", "renew", "sweep", "drop")
        )

    # The publisher's side, on a broker that runs no scripts

    def append(self, mark: str, lane: str, queue: str, envelope: bytes) -> bool:
        """Appends an event to its lane; not again, where it was appended under this mark before.

        Args:
            mark: the event's, of `outgoing.mark_of`.
            lane: of `wake_ups.lane_of`.
            queue: for the lane's wake-ups.
            envelope: the event as JSON.
        """
        # Not the mark of its message, which is settled only when the broker has that.
        return bool(self._run(self._append, *self._bounds, f"{mark}:lane", lane, queue, envelope))

    # A run's side

    def take(self, lane: str, run: str) -> Head | Pause | None:
        """Takes a lane for a run; None where there is nothing in it, or another run has it."""
        word, *answer = self._run(self._take, lane, run, self._ttl_ms)
        if word == b"waits":
            milliseconds, failures = answer
            return Pause(milliseconds / 1000, failures)
        return Head(*answer) if word == b"head" else None

    def strike(self, lane: str, run: str, go_on: bool) -> Struck:
        """Strikes the event at the head out; then takes the next one, or gives the lane back."""
        word, *answer = self._run(self._strike, lane, run, self._ttl_ms, int(go_on))
        if word == b"head":
            return Struck(head=Head(*answer))
        return Struck(kept=word != b"lost", rest=answer[0].decode() if word == b"rest" else "")

    def put_off(self, lane: str, run: str, seconds: float) -> bool:
        """Gives a lane back whose first event has failed; False where another run has it.

        Args:
            seconds: nobody gets it before.
        """
        return bool(self._run(self._put_off, lane, run, int(seconds * 1000)))

    def renew(self, runs: Mapping[str, str]) -> dict[str, bool]:
        """Keeps each run's lane for it; tells which still have theirs."""
        pairs = [part for run, lane in runs.items() for part in (lane, run)]
        kept = self._run(self._renew, self._ttl_ms, *pairs) if pairs else []
        return dict(zip(runs, map(bool, kept), strict=True))

    @contextmanager
    def renewing(self, lane: str, run: str) -> Iterator[None]:
        """Keeps a lane for a run from another thread, however long the run takes."""
        self._renewer.add(lane, run)
        try:
            yield
        finally:
            self._renewer.remove(run)

    # The sweep's side

    def idle(self, most: int) -> list[IdleLane]:
        """Lanes that have events and that nobody works on, as it seems.

        Each is then left alone for ten seconds, and for twice as long each further time, up to an hour.
        """
        found = self._run(self._sweep, most)
        return [
            IdleLane(name.decode(), queue.decode(), event.decode(), *rest)
            for name, queue, event, *rest in found
        ]

    def drop(self, lane: str) -> int:
        """Forgets a lane with all its events; returns how many there were."""
        return int(self._run(self._drop, lane))

    def close(self) -> None:
        """Lets go of connections."""
        self._client.close()

    @property
    def _ttl_ms(self) -> int:
        return int(self.ttl * 1000)

    def _run(self, script: Any, *args: str | bytes | int) -> Any:
        try:
            return script(args=[self._prefix, *args])
        except redis.RedisError as exc:
            raise StoreUnavailable(f"the lanes of ordered handlers: {type(exc).__name__}: {exc}") from exc


class _Renewer:
    """Renews lanes from a thread, which is there only while a run has a lane, and not much longer."""

    def __init__(self, lanes: OrderedLanes) -> None:
        self._lanes = lanes
        # Lanes by run.
        self._runs: dict[str, str] = {}
        self._thread: threading.Thread | None = None
        # Guards both.
        self._lock = threading.Lock()

    def add(self, lane: str, run: str) -> None:
        with self._lock:
            self._runs[run] = lane
            # A pool's process that was forked has the object, and not the thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew, name="botfleet-lanes", daemon=True)
                self._thread.start()

    def remove(self, run: str) -> None:
        with self._lock:
            self._runs.pop(run, None)

    def _renew(self) -> None:
        while True:
            time.sleep(self._lanes.ttl * _RENEWED)
            with self._lock:
                runs = dict(self._runs)
                if not runs:
                    self._thread = None
                    return
            try:
                self._lanes.renew(runs)
            except StoreError as exc:
                logger.warning("Lanes were not renewed: %s", exc, extra={"action": "lane.renew"})
