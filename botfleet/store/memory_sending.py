"""The shards' queues and what goes out to Slack, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from ..clock import Clock, wall_clock
from ..model import Answer, Command
from .memory_base import Expiring, MemoryBase
from .values import UNPACED, Admission, Pacing


class MemorySending(MemoryBase):
    """Commands on their way to sockets, answers, and whose turn it is to call Slack."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._queues: dict[int, deque[bytes]] = {}
        self._paces: dict[str, float] = {}
        self._noted = Expiring[str](clock)
        self._answers = Expiring[bytes](clock)
        self._halts: dict[str, float] = {}

    def send(self, commands: Sequence[Command]) -> None:
        with self._held():
            for shard, rows in self._command_rows(commands).items():
                self._queues.setdefault(shard, deque()).extend(rows)
            self._changed.notify_all()

    def receive(self, shards: Sequence[int], timeout: float, limit: int = 1000) -> list[Command]:
        with self._held():
            self._changed.wait_for(lambda: self._closed or any(map(self._queues.get, shards)), timeout)
            rows: list[bytes] = []
            for queue in filter(None, map(self._queues.get, shards)):
                rows.extend(queue.popleft() for _ in range(min(len(queue), limit - len(rows))))
            return self._read_commands(rows)

    # What goes out to Slack

    def send_once(self, command: Command, mark: str, ttl: float) -> str | None:
        with self._held():
            noted = self._noted.get(mark)
            self._noted.put(mark, command.ticket if noted is None else noted, ttl)
            if noted is None:
                self.send([command])
            return noted

    def put_answers(self, answers: Mapping[str, Answer], ttl: float) -> None:
        with self._held():
            for ticket, answer in answers.items():
                self._answers.put(ticket, self._row(answer), ttl)
            self._changed.notify_all()

    def wait_for_answer(self, ticket: str, timeout: float) -> Answer | None:
        with self._held():
            self._changed.wait_for(lambda: self._closed or self._answers.get(ticket), timeout)
            return self._read_answer(self._answers.get(ticket))

    def admit(
        self, mark: str, halt: str, pacing: Pacing = UNPACED, patience: float = 0.0, ttl: float = 60.0
    ) -> Admission:
        with self._held():
            noted = self._noted.get(mark) if mark else None
            if noted is not None:
                self._noted.put(mark, noted, ttl)
                return Admission(noted, 0.0, False)
            now = self._clock()
            halted = self._halts.get(halt, 0.0) - now
            return Admission(None, halted, False) if halted > 0 else self._take_turn(now, pacing, patience)

    def _take_turn(self, now: float, pacing: Pacing, patience: float) -> Admission:
        if not pacing.name:
            return Admission(None, 0.0, True)
        turn = max(now, self._paces.get(pacing.name, 0.0))
        wait = max(0.0, turn - (pacing.burst - 1) / pacing.rate - now)
        if wait > patience:
            return Admission(None, wait, False)
        self._paces[pacing.name] = turn + 1.0 / pacing.rate
        return Admission(None, wait, True)

    def note(self, mark: str, value: str, ttl: float) -> None:
        with self._held():
            self._noted.put(mark, value, ttl)

    def forget(self, mark: str) -> None:
        with self._held():
            self._noted.drop(mark)

    def halt(self, name: str, seconds: float) -> None:
        with self._held():
            now = self._clock()
            self._halts = {halted: until for halted, until in self._halts.items() if until > now}
            self._halts[name] = max(self._halts.get(name, 0.0), now + seconds)
