"""What was, in memory: histories, samples, and counts by state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from ..clock import Clock, wall_clock
from ..model import Sample
from .memory_base import MemoryBase
from .values import HISTORY_KEPT, HISTORY_LENGTH, SAMPLES_KEPT

_decode = msgspec.json.Decoder(dict[str, int]).decode


class MemoryRecords(MemoryBase):
    """What became of each bot, how the fleet did, and how many bots are in which state."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._histories: dict[str, tuple[list[bytes], float]] = {}
        self._samples: list[tuple[float, bytes]] = []
        self._state_counts: dict[int, bytes] = {}

    def _note_change(self, key: str, entry: bytes) -> None:
        """Adds an entry to a bot's history, unless it is empty or tells nothing new. Needs the lock."""
        rows = self._history(key)
        if entry and (not rows or _without_time(rows[0]) != _without_time(entry)):
            self._histories[key] = ([entry, *rows][:HISTORY_LENGTH], self._clock() + HISTORY_KEPT)

    def _history(self, key: str) -> list[bytes]:
        rows, until = self._histories.get(key, ([], 0.0))
        if until <= self._clock():
            self._histories.pop(key, None)
            return []
        return rows

    def _history_rows(self, key: str) -> Sequence[bytes]:
        with self._held():
            return self._history(key)

    def put_sample(self, sample: Sample) -> None:
        with self._held():
            kept = [one for one in self._samples if one[0] > self._clock() - SAMPLES_KEPT]
            self._samples = sorted([*kept, (sample.at, self._row(sample))])

    def _sample_rows(self, since: float) -> Sequence[bytes]:
        with self._held():
            after = max(since, self._clock() - SAMPLES_KEPT)
            return [row for at, row in self._samples if at > after]

    def _last_sample_row(self) -> bytes | None:
        rows = self._sample_rows(0.0)
        return rows[-1] if rows else None

    def _put_state_count_rows(self, rows: Mapping[int, bytes]) -> None:
        with self._held():
            self._state_counts |= rows
            self._state_counts = {shard: row for shard, row in self._state_counts.items() if row}

    def state_counts(self) -> dict[str, int]:
        with self._held():
            total = Counter[str]()
            for row in self._state_counts.values():
                total.update(_decode(row))
            return dict(total)


def _without_time(row: bytes) -> bytes:
    return row.partition(b",")[2]
