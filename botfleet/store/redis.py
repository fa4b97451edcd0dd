"""The store in Redis (7 or newer) or Valkey.

Keys, each after the prefix; what is done to several of them at once is in `lua/`, one file a script:

    {teams_key}:{shard}              hash    bot's key → Bot
    {tokens_key}:{shard}             hash    bot's key → Status
    {teams_key}, {tokens_key}        hashes  the door: other programs' entries
    botfleet:versions                sorted set of shards by the version of their last change
    botfleet:version                 string  the last version given
    botfleet:fingerprints:{n}        hash    fingerprint → bot's key; n is `shard_of(fingerprint)`
    botfleet:subscriptions           hash    group → list of Subscription; its counter is …:version
    botfleet:shard:{shard}           list    Command
    botfleet:leases                  hash    seat → "epoch owner"
    botfleet:claims                  hash    seat → the owner that is ready to take it
    botfleet:members                 sorted set of living holders by when they expire; …:rows, …:version
    botfleet:drains                  hash    owner → 1: people want it to give its seats away
    botfleet:holder:{name}           string  HolderInfo; expires
    botfleet:holders                 sorted set of holders' names by when they expire
    botfleet:cache:{name}            hash    id → names and row, "=" and a name → ids; expires
    botfleet:rota:{name}             sorted set of members by when their turn is
    botfleet:watches                 sorted set of Watch by when they expire
    botfleet:watch:{id}              channel Shown: published, and not kept
    botfleet:timers                  hash    group → list of Schedule; …:groups, when each expires
    botfleet:timer:{task}            string  TimerState; expires when the timer is not used for long
    botfleet:timer:{task}:memory     hash    what the timer remembers; expires with it
    botfleet:lock:{name}             string  its owner; expires
    botfleet:once:{mark}             string  expires
    botfleet:cursor:{name}           string  counter
    botfleet:hits:{name}             string  counter; expires with its window
    botfleet:note:{name}             string  expires
    botfleet:keys                    hash    id → AccessKey
    botfleet:history:{key}           list    HistoryEntry, the newest first; expires
    botfleet:samples                 sorted set of Sample by when it was taken; expires
    botfleet:state-counts            hash    shard → how many of its bots are in which state
    botfleet:state-totals            hash    state → how many bots, over all shards
    botfleet:pace:{name}             string  when its next turn is; expires then
    botfleet:noted:{mark}            string  what `note` or `send_once` left there; expires
    botfleet:answer:{ticket}         list    one Answer; expires
    botfleet:halt:{name}             string  expires when the halt ends

A command that broke with its connection is sent again, once, only if doing it twice is the same as doing it
once; anything else is `StoreUnavailable` and the caller's to decide, for it may or may not have been done.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import StoreUnavailable
from ..model import Answer, Bot, Command
from .redis_access import RedisAccess
from .redis_base import SCRIPTS, milliseconds, pairs, parts
from .redis_caches import RedisCaches
from .redis_client import LONGEST_WAIT
from .redis_holders import RedisHolders
from .redis_records import HISTORY_BOUNDS, RedisRecords
from .redis_watches import RedisWatches
from .rows import StatusRow
from .values import UNPACED, Admission, Changes, DoorEntry, Pacing

#: Statuses per script call, so that one call takes less than a millisecond.
_STATUSES_PER_CALL = 200
#: Seconds for which a timer's memory is kept where nothing is known of the timer.
_MEMORY_KEPT = 30 * 86_400.0


class RedisStore(RedisAccess, RedisHolders, RedisCaches, RedisRecords, RedisWatches):
    """Keeps everything in Redis or Valkey."""

    # Bots

    def _bot_row(self, key: str) -> bytes | None:
        row: bytes | None = self._do("HGET", self._teams(self.shard(key)), key, again=True)
        return row

    def _bot_and_status_rows(self, key: str) -> tuple[bytes | None, bytes | None]:
        shard = self.shard(key)
        bot, status = self._together(
            [("HGET", self._teams(shard), key), ("HGET", self._tokens(shard), key)], again=True
        )
        return bot, status

    def _bot_rows(self, shard: int) -> Mapping[bytes, bytes]:
        rows: Mapping[bytes, bytes] = self._do("HGETALL", self._teams(shard), again=True)
        return rows

    def _swap_bot(
        self,
        key: str,
        row: bytes | None,
        before: Bot | None,
        after: Bot | None,
        commands: Sequence[bytes],
        entry: bytes,
    ) -> bool:
        shard = self.shard(key)
        old, new = (bot.fingerprint if bot else "" for bot in (before, after))
        keys = [self._teams(shard), self._tokens(shard), self._own("versions")]
        keys += [self._fingerprints(old), self._fingerprints(new), self._own("version")]
        keys += [self._own("shard", shard), self._history_key(key)]
        args = [key, shard, row or "", self._row(after) if after else "", old, new]
        args += [entry, *HISTORY_BOUNDS, *commands]
        return bool(self._script("swap_bot", keys, args, again=False))

    def key_of_token(self, fingerprint: str) -> str | None:
        key: bytes | None = self._do("HGET", self._fingerprints(fingerprint), fingerprint, again=True)
        return None if key is None else key.decode()

    def counts(self, shards: Sequence[int] | None = None) -> list[int]:
        asked = range(self.shards) if shards is None else shards
        return self._together([("HLEN", self._teams(shard)) for shard in asked], again=True)

    # Statuses

    def _status_row(self, key: str) -> bytes | None:
        row: bytes | None = self._do("HGET", self._tokens(self.shard(key)), key, again=True)
        return row

    def _status_rows(self, shard: int) -> Mapping[bytes, bytes]:
        rows: Mapping[bytes, bytes] = self._do("HGETALL", self._tokens(shard), again=True)
        return rows

    def _put_status_rows(self, rows: Mapping[int, Sequence[StatusRow]]) -> None:
        script = SCRIPTS["put_statuses"]
        calls = []
        for shard, shard_rows in rows.items():
            for part in parts(shard_rows, _STATUSES_PER_CALL):
                keys = [
                    self._teams(shard),
                    self._tokens(shard),
                    *(self._history_key(one.key) for one in part),
                ]
                args = [*HISTORY_BOUNDS, *itertools.chain(*part)]
                calls.append(["EVALSHA", script.sha, len(keys), *keys, *args])
        # Loaded first, for the server forgets scripts when it restarts.
        self._together([("SCRIPT LOAD", script.text), *calls], again=True)

    def _swap_status(self, key: str, row: bytes, new: bytes | None, entry: bytes) -> bool:
        keys = [self._tokens(self.shard(key)), self._history_key(key)]
        args = [key, row, new or b"", entry, *HISTORY_BOUNDS]
        return bool(self._script("swap_status", keys, args, again=False))

    def changes(self, since: int) -> Changes:
        version = int(self._do("GET", self._own("version"), again=True) or 0)
        if version == since:
            return Changes(version, {})
        newer = (f"({since}", "+inf") if version > since else ("-inf", "+inf")
        found = self._do("ZRANGEBYSCORE", self._own("versions"), *newer, "WITHSCORES", again=True)
        return Changes(version, {int(shard): int(score) for shard, score in pairs(found)})

    # The door

    def door(self, limit: int) -> list[DoorEntry]:
        # At random: entries that nobody can use must not stand before the others for ever.
        teams, states = self._together(
            [("HRANDFIELD", key, limit, "WITHVALUES") for key in (self._teams_key, self._tokens_key)],
            again=True,
        )
        return self._door_entries(pairs(teams), pairs(states), limit)

    def take_from_door(self, entry: DoorEntry) -> bool:
        key = self._teams_key if entry.kind == "token" else self._tokens_key
        return bool(self._script("take_from_door", [key], [entry.field, entry.value], again=False))

    # Subscriptions

    def _put_subscription_row(self, group: str, row: bytes | None) -> None:
        keys = [self._own("subscriptions"), self._own("subscriptions", "version")]
        self._script("put_subscriptions", keys, [group, row or ""], again=True)

    def _subscription_rows(self) -> Mapping[bytes, bytes]:
        rows: Mapping[bytes, bytes] = self._do("HGETALL", self._own("subscriptions"), again=True)
        return rows

    def subscriptions_version(self) -> int:
        return int(self._do("GET", self._own("subscriptions", "version"), again=True) or 0)

    # Shard queues

    def send(self, commands: Sequence[Command]) -> None:
        rows = self._command_rows(commands)
        if rows:
            pushes = [("RPUSH", self._own("shard", shard), *found) for shard, found in rows.items()]
            self._together(pushes, again=False)

    def receive(self, shards: Sequence[int], timeout: float, limit: int = 1000) -> list[Command]:
        if not shards:
            self._closed.wait(timeout)
            return []
        turn = next(self._turn) % len(shards)
        queues = [self._own("shard", shard) for shard in (*shards[turn:], *shards[:turn])]
        if timeout <= 0:
            return self._read_commands(self._script("drain", queues, [limit], again=False))
        return self._read_commands(self._wait_for_rows(queues, timeout, limit))

    def _wait_for_rows(self, queues: Sequence[str], timeout: float, limit: int) -> list[bytes]:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            wait = max(0.01, min(left, LONGEST_WAIT))
            found = self._do("BLMPOP", wait, len(queues), *queues, "LEFT", "COUNT", limit, again=False)
            if found:
                return self._with_more(found[1], queues, limit)
        return []

    def _with_more(self, rows: list[bytes], queues: Sequence[str], limit: int) -> list[bytes]:
        """Adds what else is there by now; what was taken already must not be lost to an error."""
        if len(rows) < limit:
            with contextlib.suppress(StoreUnavailable):
                rows = rows + self._script("drain", queues, [limit - len(rows)], again=False)
        return rows

    # What goes out to Slack

    def send_once(self, command: Command, mark: str, ttl: float) -> str | None:
        keys = [self._own("noted", mark), self._own("shard", self.shard(command.key))]
        args = [self._row(command), command.ticket, milliseconds(ttl)]
        noted: bytes | None = self._script("send_once", keys, args, again=False)
        return None if noted is None else noted.decode()

    def put_answers(self, answers: Mapping[str, Answer], ttl: float) -> None:
        commands: list[tuple[Any, ...]] = []
        for ticket, answer in answers.items():
            key = self._own("answer", ticket)
            commands += [("LPUSH", key, self._row(answer)), ("PEXPIRE", key, milliseconds(ttl))]
        if commands:
            # Again: whoever waits looks at the first one, and they are the same.
            self._together(commands, again=True)

    def wait_for_answer(self, ticket: str, timeout: float) -> Answer | None:
        key = self._own("answer", ticket)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            wait = max(0.01, min(left, LONGEST_WAIT))
            # From its list to the same list: it stays for whoever asks again, with its expiry.
            row = self._do("BLMOVE", key, key, "LEFT", "LEFT", wait, again=True)
            if row is not None:
                return self._read_answer(row)
        return None

    def admit(
        self, mark: str, halt: str, pacing: Pacing = UNPACED, patience: float = 0.0, ttl: float = 60.0
    ) -> Admission:
        keys = [self._own("noted", mark), self._own("halt", halt), self._own("pace", pacing.name)]
        interval = math.ceil(1e6 / pacing.rate) if pacing.name else 0
        args = [interval, interval * (pacing.burst - 1), math.floor(patience * 1e6), milliseconds(ttl)]
        # Again: a turn that was taken for nothing only delays the next one.
        noted, wait, taken = self._script("admit", keys, args, again=True)
        return Admission(None if noted is None else noted.decode(), wait / 1e6, bool(taken))

    def note(self, mark: str, value: str, ttl: float) -> None:
        self._do("SET", self._own("noted", mark), value, "PX", milliseconds(ttl), again=True)

    def forget(self, mark: str) -> None:
        self._do("DEL", self._own("noted", mark), again=True)

    def halt(self, name: str, seconds: float) -> None:
        key, life = self._own("halt", name), milliseconds(seconds)
        self._together([("SET", key, 1, "NX", "PX", life), ("PEXPIRE", key, life, "GT")], again=True)

    # Timers

    def _put_timer_row(self, group: str, row: bytes | None, ttl: float) -> None:
        self._script("put_timers", self._timer_keys(), [group, row or "", milliseconds(ttl)], again=True)

    def keep_timers(self, group: str, ttl: float) -> bool:
        return bool(self._script("keep_timers", self._timer_keys(), [group, milliseconds(ttl)], again=True))

    def _timer_rows(self) -> tuple[float, Mapping[bytes, bytes]]:
        now, *flat = self._script("timetable", self._timer_keys(), [], again=True)
        return int(now) / 1e6, dict(pairs(flat))

    def _state_rows(self, names: Sequence[str]) -> Sequence[bytes | None]:
        rows: list[bytes | None] = self._do("MGET", *(self._own("timer", name) for name in names), again=True)
        return rows

    def _swap_timer(self, name: str, row: bytes | None, new: bytes, keep: float) -> bool:
        args = [row or "", new, milliseconds(keep)]
        return bool(self._script("swap_timer", self._state_keys(name), args, again=False))

    def memory(self, name: str) -> dict[str, bytes]:
        found = self._do("HGETALL", self._state_keys(name)[1], again=True)
        return {field.decode(): value for field, value in found.items()}

    def remember(self, name: str, field: str, value: bytes | None) -> None:
        args = [field, value or "", milliseconds(_MEMORY_KEPT)]
        self._script("remember", self._state_keys(name), args, again=True)

    def _timer_keys(self) -> list[str]:
        return [self._own("timers"), self._own("timers", "groups")]

    def _state_keys(self, name: str) -> list[str]:
        return [self._own("timer", name), self._own("timer", name, "memory")]

    # Small things

    def hold(self, lock: str, owner: str, ttl: float) -> bool:
        return bool(self._script("hold", [self._own("lock", lock)], [owner, milliseconds(ttl)], again=True))

    def let_go(self, lock: str, owner: str) -> None:
        self._script("let_go", [self._own("lock", lock)], [owner], again=True)

    def once(self, mark: str, ttl: float) -> bool:
        # Not again: the second try would be told that somebody was first, which was itself.
        set_ = self._do("SET", self._own("once", mark), "1", "NX", "PX", milliseconds(ttl), again=False)
        return bool(set_)

    def advance(self, cursor: str, step: int) -> int:
        return int(self._do("INCRBY", self._own("cursor", cursor), step, again=False)) - step

    def positions(self, cursors: Sequence[str]) -> list[int]:
        if not cursors:
            return []
        found = self._do("MGET", *(self._own("cursor", cursor) for cursor in cursors), again=True)
        return [int(position or 0) for position in found]

    def hits(self, name: str, window: float) -> int:
        return int(self._script("hits", [self._own("hits", name)], [milliseconds(window)], again=True))

    def reserve(self, pace: str, rate: float) -> float:
        # Again: a turn that was taken for nothing only delays the next one.
        interval = math.ceil(1e6 / rate)
        return int(self._script("reserve", [self._own("pace", pace)], [interval], again=True)) / 1e6
