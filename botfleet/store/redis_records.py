"""What was, in Redis: histories, samples, and counts by state. Scripts write the histories."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence

from ..model import Sample
from .redis_base import SCRIPTS, RedisBase, milliseconds, parts
from .values import HISTORY_KEPT, HISTORY_LENGTH, SAMPLES_KEPT

#: What scripts are told that write histories: entries at the most, and milliseconds for which they are kept.
HISTORY_BOUNDS = (HISTORY_LENGTH, milliseconds(HISTORY_KEPT))

#: Shards per script call, so that one call takes less than a millisecond.
_COUNTS_PER_CALL = 100


class RedisRecords(RedisBase):
    """What became of each bot, how the fleet did, and how many bots are in which state."""

    def _history_key(self, key: str) -> str:
        return self._own("history", key)

    def _history_rows(self, key: str) -> Sequence[bytes]:
        rows: list[bytes] = self._do("LRANGE", self._history_key(key), 0, -1, again=True)
        return rows

    def put_sample(self, sample: Sample) -> None:
        key = self._own("samples")
        old = sample.at - SAMPLES_KEPT
        # Again: a row that is there already stays as it is.
        self._together(
            [
                ("ZADD", key, sample.at, self._row(sample)),
                ("ZREMRANGEBYSCORE", key, "-inf", old),
                ("PEXPIRE", key, milliseconds(SAMPLES_KEPT)),
            ],
            again=True,
        )

    def _sample_rows(self, since: float) -> Sequence[bytes]:
        after = max(since, time.time() - SAMPLES_KEPT)
        rows: list[bytes] = self._do("ZRANGEBYSCORE", self._own("samples"), f"({after}", "+inf", again=True)
        return rows

    def _last_sample_row(self) -> bytes | None:
        rows = self._do("ZRANGE", self._own("samples"), -1, -1, again=True)
        return rows[0] if rows else None

    def _put_state_count_rows(self, rows: Mapping[int, bytes]) -> None:
        script = SCRIPTS["put_state_counts"]
        keys = [self._own("state-counts"), self._own("state-totals")]
        calls = [
            ["EVALSHA", script.sha, len(keys), *keys, *itertools.chain(*part)]
            for part in parts(list(rows.items()), _COUNTS_PER_CALL)
        ]
        # Loaded first, for the server forgets scripts when it restarts.
        self._together([("SCRIPT LOAD", script.text), *calls], again=True)

    def state_counts(self) -> dict[str, int]:
        totals: Mapping[bytes, bytes] = self._do("HGETALL", self._own("state-totals"), again=True)
        return {state.decode(): int(number) for state, number in totals.items()}
