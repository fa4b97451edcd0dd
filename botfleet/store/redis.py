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
    botfleet:pace:{name}             string  when its next turn is; expires then
    botfleet:noted:{mark}            string  what `note` or `send_once` left there; expires
    botfleet:answer:{ticket}         list    one Answer; expires
    botfleet:halt:{name}             string  expires when the halt ends

A command that broke with its connection is sent again, once, only if doing it twice is the same as doing it
once; anything else is `StoreUnavailable` and the caller's to decide, for it may or may not have been done.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..errors import ConfigurationError, StoreError, StoreUnavailable
from ..model import Answer, Bot, Command, HolderInfo, Member, Shown, Watch, shard_of
from .base import (
    UNPACED,
    Admission,
    Beat,
    CachedRow,
    Changes,
    DoorEntry,
    Handover,
    Lease,
    Pacing,
    Seat,
    Viewer,
)
from .rows import RowStore

T = TypeVar("T")

#: Seconds until an answer is late; half-open connections are found out by it.
_SOCKET_TIMEOUT = 10.0
_CONNECT_TIMEOUT = 5.0
_HEALTH_CHECK_INTERVAL = 5
#: Longest single blocking wait: well below the socket's timeout; longer waits are made of several.
_LONGEST_WAIT = 5.0
#: Statuses per script call, so that one call takes less than a millisecond.
_STATUSES_PER_CALL = 200
#: Seats per script call, for the same reason.
_SEATS_PER_CALL = 500
#: Rows of a cache per script call, for the same reason.
_CACHED_PER_CALL = 200
#: Seconds for which a timer's memory is kept where nothing is known of the timer.
_MEMORY_KEPT = 30 * 86_400.0

#: Answers that tell of the server's state and not of the command: worth trying again.
_PASSING_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
)
#: The first words of others of that kind: a disk that is full, a script that runs too long, a server that
#: waits for others.
_PASSING_WORDS = frozenset(
    {"MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "TRYAGAIN"}
)
#: Connection errors that no retry mends.
_LASTING_ERRORS = (exceptions.AuthenticationError, exceptions.AuthorizationError)


class RedisStore(RowStore):
    """Keeps everything in Redis or Valkey.

    Args:
        client: a redis-py client that decodes nothing and retries nothing; `from_url` makes one.
        shards: how many slices the bots are cut into.
        key_prefix: put before every key.
        teams_key, tokens_key: base names of the maps of bots and of statuses.
    """

    def __init__(
        self,
        client: redis.Redis,
        shards: int,
        *,
        key_prefix: str = "",
        teams_key: str = "tokens:teams",
        tokens_key: str = "tokens:statuses",
    ) -> None:
        super().__init__(shards)
        #: Untyped: redis-py's annotations mix the sync and the async client's.
        self._client: Any = client
        self._prefix = key_prefix
        self._teams_key = key_prefix + teams_key
        self._tokens_key = key_prefix + tokens_key
        self._where = _where(client)
        #: Which queue is looked at first, so that a busy shard does not starve the others.
        self._turn = itertools.count()
        self._closed = threading.Event()

    @classmethod
    def from_url(cls, url: str, shards: int, **names: str) -> RedisStore:
        """Makes a store for `redis://`, `rediss://`, `unix://` or kombu's `redis+socket://`.

        Args:
            names: `key_prefix`, `teams_key`, `tokens_key`, as the class takes them.

        Raises:
            ConfigurationError: the URL can't be used.
        """
        return cls(client_of(url), shards, **names)

    # One command at a time

    def _send(self, send: Callable[[], T], again: bool) -> T:
        """Runs what talks to the server; `again`: it may run twice when its connection breaks."""
        try:
            return send()
        except exceptions.RedisError as exc:
            if not (again and isinstance(exc, exceptions.ConnectionError)):
                self._fail(exc)
        return self._send(send, again=False)

    def _fail(self, exc: exceptions.RedisError) -> NoReturn:
        passing = isinstance(exc, _PASSING_ERRORS) or str(exc).partition(" ")[0] in _PASSING_WORDS
        passing = passing and not isinstance(exc, _LASTING_ERRORS)
        kind = StoreUnavailable if passing else StoreError
        raise kind(f"the store at {self._where}: {exc}") from exc

    def _do(self, *command: Any, again: bool) -> Any:
        return self._send(lambda: self._client.execute_command(*command), again)

    def _script(self, name: str, keys: Sequence[str], args: Sequence[Any], again: bool) -> Any:
        script = _SCRIPTS[name]

        def send() -> Any:
            try:
                return self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except exceptions.NoScriptError:  # Nothing was done; this sends the text and so loads it.
                return self._client.execute_command("EVAL", script.text, len(keys), *keys, *args)

        return self._send(send, again)

    def _together(self, commands: Iterable[Sequence[Any]], again: bool) -> list[Any]:
        """Sends commands in one go, not as a transaction.

        The first error is raised as the server sent it: redis-py's own annotation would quote the command,
        and so a token.
        """

        def send() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = pipeline.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, exceptions.RedisError):
                    raise answer
            return answers

        return self._send(send, again)

    def ping(self) -> None:
        self._do("PING", again=True)

    def close(self) -> None:
        self._closed.set()
        self._client.close()

    def eviction_policy(self) -> str | None:
        """What the server does when memory is full; None where it does not tell.

        Anything but `noeviction` loses bots, queues and leases at that moment: worth a loud warning.
        """
        found = self._do("INFO", "memory", again=True).get("maxmemory_policy")
        return None if found is None else str(found)

    # Keys

    def _own(self, *parts: object) -> str:
        return f"{self._prefix}botfleet:{':'.join(map(str, parts))}"

    def _teams(self, shard: int) -> str:
        return f"{self._teams_key}:{shard}"

    def _tokens(self, shard: int) -> str:
        return f"{self._tokens_key}:{shard}"

    def _fingerprints(self, fingerprint: str) -> str:
        return self._own("fingerprints", shard_of(fingerprint, self.shards))

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

    def _swap_bot(self, key: str, row: bytes | None, before: Bot | None, after: Bot | None) -> bool:
        shard = self.shard(key)
        old, new = (bot.fingerprint if bot else "" for bot in (before, after))
        keys = [self._teams(shard), self._tokens(shard), self._own("versions")]
        keys += [self._fingerprints(old), self._fingerprints(new), self._own("version")]
        args = [key, shard, row or "", self._row(after) if after else "", old, new]
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

    def _put_status_rows(self, rows: Mapping[int, Sequence[tuple[str, bytes]]]) -> None:
        script = _SCRIPTS["put_statuses"]
        calls = []
        for shard, shard_rows in rows.items():
            keys = [self._teams(shard), self._tokens(shard)]
            for part in _parts(shard_rows, _STATUSES_PER_CALL):
                calls.append(["EVALSHA", script.sha, len(keys), *keys, *itertools.chain(*part)])
        # Loaded first, for the server forgets scripts when it restarts.
        self._together([("SCRIPT LOAD", script.text), *calls], again=True)

    def _swap_status(self, key: str, row: bytes, new: bytes | None) -> bool:
        keys = [self._tokens(self.shard(key))]
        return bool(self._script("swap_status", keys, [key, row, new or b""], again=False))

    def changes(self, since: int) -> Changes:
        version = int(self._do("GET", self._own("version"), again=True) or 0)
        if version == since:
            return Changes(version, {})
        newer = (f"({since}", "+inf") if version > since else ("-inf", "+inf")
        found = self._do("ZRANGEBYSCORE", self._own("versions"), *newer, "WITHSCORES", again=True)
        return Changes(version, {int(shard): int(score) for shard, score in _pairs(found)})

    # The door

    def door(self, limit: int) -> list[DoorEntry]:
        # At random: entries that nobody can use must not stand before the others for ever.
        teams, states = self._together(
            [("HRANDFIELD", key, limit, "WITHVALUES") for key in (self._teams_key, self._tokens_key)],
            again=True,
        )
        return self._door_entries(_pairs(teams), _pairs(states), limit)

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
            wait = max(0.01, min(left, _LONGEST_WAIT))
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
        args = [self._row(command), command.ticket, _milliseconds(ttl)]
        noted: bytes | None = self._script("send_once", keys, args, again=False)
        return None if noted is None else noted.decode()

    def put_answers(self, answers: Mapping[str, Answer], ttl: float) -> None:
        commands: list[tuple[Any, ...]] = []
        for ticket, answer in answers.items():
            key = self._own("answer", ticket)
            commands += [("LPUSH", key, self._row(answer)), ("PEXPIRE", key, _milliseconds(ttl))]
        if commands:
            # Again: whoever waits looks at the first one, and they are the same.
            self._together(commands, again=True)

    def wait_for_answer(self, ticket: str, timeout: float) -> Answer | None:
        key = self._own("answer", ticket)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            wait = max(0.01, min(left, _LONGEST_WAIT))
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
        args = [interval, interval * (pacing.burst - 1), math.floor(patience * 1e6), _milliseconds(ttl)]
        # Again: a turn that was taken for nothing only delays the next one.
        noted, wait, taken = self._script("admit", keys, args, again=True)
        return Admission(None if noted is None else noted.decode(), wait / 1e6, bool(taken))

    def note(self, mark: str, value: str, ttl: float) -> None:
        self._do("SET", self._own("noted", mark), value, "PX", _milliseconds(ttl), again=True)

    def forget(self, mark: str) -> None:
        self._do("DEL", self._own("noted", mark), again=True)

    def halt(self, name: str, seconds: float) -> None:
        key, milliseconds = self._own("halt", name), _milliseconds(seconds)
        self._together(
            [("SET", key, 1, "NX", "PX", milliseconds), ("PEXPIRE", key, milliseconds, "GT")], again=True
        )

    # Holders, and who owns what

    def announce(self, holder: HolderInfo, ttl: float) -> None:
        keys = [self._own("holder", holder.name), self._own("holders")]
        self._script("announce", keys, [holder.name, self._row(holder), _milliseconds(ttl)], again=True)

    def withdraw(self, name: str) -> None:
        commands = [("ZREM", self._own("holders"), name), ("DEL", self._own("holder", name))]
        self._together(commands, again=True)

    def holders(self) -> list[HolderInfo]:
        names = self._script("holders", [self._own("holders")], [], again=True)
        if not names:
            return []
        rows = self._do("MGET", *(self._own("holder", name.decode()) for name in names), again=True)
        return self._read_holders(row for row in rows if row is not None)

    def beat(self, member: Member, ttl: float) -> Beat:
        keys = [*self._member_keys(), self._own("leases"), self._own("claims"), self._own("drains")]
        args = [member.owner, self._row(member), _milliseconds(ttl)]
        renewed, version, term, claims, drain = self._script("beat", keys, args, again=False)
        return Beat(bool(renewed), version, term, claims, bool(drain))

    def leave(self, owner: str) -> None:
        self._script("leave", [*self._member_keys(), self._own("drains")], [owner], again=True)

    def members(self) -> list[Member]:
        return self._read_members(self._script("members", self._member_keys()[:2], [], again=True))

    def ask_to_drain(self, owner: str, wanted: bool) -> None:
        words = ("HSET", self._own("drains"), owner, 1) if wanted else ("HDEL", self._own("drains"), owner)
        self._do(*words, again=True)

    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        keys = [self._own("leases"), self._own("members")]
        taken = {}
        for part in _parts(seats, _SEATS_PER_CALL):
            epochs = self._script("take", keys, [owner, *map(str, part)], again=True)
            taken.update({seat: epoch for seat, epoch in zip(part, epochs, strict=True) if epoch})
        return taken

    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        keys = [self._own("leases"), self._own("members"), self._own("claims")]
        given: set[Seat] = set()
        for part in _parts(list(seats), _SEATS_PER_CALL):
            triples = [word for seat in part for word in (str(seat), *seats[seat])]
            done = self._script("hand_over", keys, [owner, *triples], again=False)
            given.update(seat for seat, one in zip(part, done, strict=True) if one)
        return given

    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        found: dict[Seat, Lease] = {}
        for part in _parts(seats, _SEATS_PER_CALL):
            rows = self._do("HMGET", self._own("leases"), *map(str, part), again=True)
            found.update({seat: _lease(row) for seat, row in zip(part, rows, strict=True) if row})
        return found

    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        for part in _parts(seats, _SEATS_PER_CALL):
            pairs = [word for seat in part for word in (str(seat), owner)]
            self._do("HSET", self._own("claims"), *pairs, again=True)

    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        for part in _parts(seats, _SEATS_PER_CALL):
            self._script("unclaim", [self._own("claims")], [owner, *map(str, part)], again=True)

    def claims(self) -> dict[Seat, str]:
        found = self._do("HGETALL", self._own("claims"), again=True)
        return {Seat.parse(seat.decode()): owner.decode() for seat, owner in found.items()}

    def _member_keys(self) -> list[str]:
        return [self._own("members"), self._own("members", "rows"), self._own("members", "version")]

    # Caches

    def cached(self, cache: str, ids: Sequence[str], ttl: float | None) -> dict[str, bytes]:
        key = self._own("cache", cache)
        life = [] if ttl is None else [("PEXPIRE", key, _milliseconds(ttl))]
        parts = list(_parts(ids, _CACHED_PER_CALL))
        found = self._together([*(("HMGET", key, *part) for part in parts), *life], again=True)
        values = itertools.chain.from_iterable(found[: len(parts)])
        return {id_: _row_of(value) for id_, value in zip(ids, values, strict=True) if value is not None}

    def cached_as(self, cache: str, name: str, ttl: float) -> dict[str, bytes]:
        args = [_milliseconds(ttl), name]
        found = self._script("cache_find", [self._own("cache", cache)], args, again=True)
        return {id_.decode(): _row_of(value) for id_, value in _pairs(found)}

    def cached_ids(self, cache: str) -> set[str]:
        fields = self._do("HKEYS", self._own("cache", cache), again=True)
        return {field.decode() for field in fields if not field.startswith(b"=")}

    def put_cached(self, cache: str, rows: Mapping[str, CachedRow | None], ttl: float | None) -> bool:
        life = 0 if ttl is None else _milliseconds(ttl)
        triples = [
            (id_, "\n".join(row.names), row.value) if row else (id_, "", b"") for id_, row in rows.items()
        ]
        written = [
            self._script(
                "cache_put", [self._own("cache", cache)], [life, *itertools.chain(*part)], again=True
            )
            for part in _parts(triples, _CACHED_PER_CALL)
        ]
        return any(written)

    def drop_cache(self, cache: str) -> None:
        self._do("UNLINK", self._own("cache", cache), again=True)

    # Rotas

    def set_turn(self, rota: str, member: str, wait: float | None) -> None:
        args = [member, "" if wait is None else _milliseconds(wait)]
        self._script("set_turn", [self._own("rota", rota)], args, again=True)

    def take_turns(self, rota: str, limit: int, wait: float) -> list[str]:
        # Not again: those that were taken would be passed over until their next turn.
        args = [limit, _milliseconds(wait)]
        found = self._script("take_turns", [self._own("rota", rota)], args, again=False)
        return [member.decode() for member in found]

    # Those who watch

    def watch(self, watch: Watch, ttl: float) -> None:
        self._script("watch", [self._own("watches")], [self._row(watch), _milliseconds(ttl)], again=True)

    def watches(self, limit: int = 20) -> list[Watch]:
        return self._read_watches(self._script("watches", [self._own("watches")], [limit], again=True))

    def show(self, watch_id: str, shown: Shown) -> None:
        self._do("PUBLISH", self._own("watch", watch_id), self._row(shown), again=False)

    def viewer(self, watch_id: str) -> Viewer:
        channel = self._client.pubsub(ignore_subscribe_messages=False)
        viewer = RedisViewer(channel, self._send, self._read_shown)
        viewer.begin(self._own("watch", watch_id))
        return viewer

    # Timers

    def _put_timer_row(self, group: str, row: bytes | None, ttl: float) -> None:
        self._script("put_timers", self._timer_keys(), [group, row or "", _milliseconds(ttl)], again=True)

    def keep_timers(self, group: str, ttl: float) -> bool:
        return bool(self._script("keep_timers", self._timer_keys(), [group, _milliseconds(ttl)], again=True))

    def _timer_rows(self) -> tuple[float, Mapping[bytes, bytes]]:
        now, *flat = self._script("timetable", self._timer_keys(), [], again=True)
        return int(now) / 1e6, dict(_pairs(flat))

    def _state_rows(self, names: Sequence[str]) -> Sequence[bytes | None]:
        rows: list[bytes | None] = self._do("MGET", *(self._own("timer", name) for name in names), again=True)
        return rows

    def _swap_timer(self, name: str, row: bytes | None, new: bytes, keep: float) -> bool:
        args = [row or "", new, _milliseconds(keep)]
        return bool(self._script("swap_timer", self._state_keys(name), args, again=False))

    def memory(self, name: str) -> dict[str, bytes]:
        found = self._do("HGETALL", self._state_keys(name)[1], again=True)
        return {field.decode(): value for field, value in found.items()}

    def remember(self, name: str, field: str, value: bytes | None) -> None:
        args = [field, value or "", _milliseconds(_MEMORY_KEPT)]
        self._script("remember", self._state_keys(name), args, again=True)

    def _timer_keys(self) -> list[str]:
        return [self._own("timers"), self._own("timers", "groups")]

    def _state_keys(self, name: str) -> list[str]:
        return [self._own("timer", name), self._own("timer", name, "memory")]

    # Small things

    def hold(self, lock: str, owner: str, ttl: float) -> bool:
        return bool(self._script("hold", [self._own("lock", lock)], [owner, _milliseconds(ttl)], again=True))

    def let_go(self, lock: str, owner: str) -> None:
        self._script("let_go", [self._own("lock", lock)], [owner], again=True)

    def once(self, mark: str, ttl: float) -> bool:
        # Not again: the second try would be told that somebody was first, which was itself.
        set_ = self._do("SET", self._own("once", mark), "1", "NX", "PX", _milliseconds(ttl), again=False)
        return bool(set_)

    def advance(self, cursor: str, step: int) -> int:
        return int(self._do("INCRBY", self._own("cursor", cursor), step, again=False)) - step

    def reserve(self, pace: str, rate: float) -> float:
        # Again: a turn that was taken for nothing only delays the next one.
        interval = math.ceil(1e6 / rate)
        return int(self._script("reserve", [self._own("pace", pace)], [interval], again=True)) / 1e6


class RedisViewer(Viewer):
    """One who watches, by a connection of its own.

    Args:
        channel: redis-py's, not yet subscribed to anything.
        send: `RedisStore._send`, for its errors.
        read: makes a value of a row.
    """

    def __init__(self, channel: Any, send: Callable[..., Any], read: Callable[[bytes], Shown | None]) -> None:
        self._channel = channel
        self._send = send
        self._read = read

    def begin(self, name: str) -> None:
        """Subscribes; from when it returns on, nothing is missed."""
        self._send(lambda: self._channel.subscribe(name), again=True)
        self._take(_SOCKET_TIMEOUT)

    def next(self, timeout: float) -> Shown | None:
        message = self._take(min(timeout, _LONGEST_WAIT))
        if message is None or message["type"] != "message":
            return None
        return self._read(message["data"])

    def close(self) -> None:
        self._channel.close()

    def _take(self, timeout: float) -> dict[str, Any] | None:
        # Not again by itself: redis-py connects and subscribes anew with the next call.
        found: dict[str, Any] | None = self._send(
            lambda: self._channel.get_message(timeout=timeout), again=False
        )
        return found


class _Script:
    """One file of `lua/`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _load_scripts() -> dict[str, _Script]:
    folder = resources.files(__package__) / "lua"
    return {
        path.name.removesuffix(".lua"): _Script(path.read_text())
        for path in folder.iterdir()
        if path.name.endswith(".lua")
    }


_SCRIPTS = _load_scripts()


def client_of(url: str) -> redis.Redis:
    """Makes a redis-py client as `RedisStore` takes it: bytes, deadlines, no retries of its own.

    Raises:
        ConfigurationError: the URL can't be used; its text never shows the URL, which may hold a password.
    """
    try:
        client = redis.Redis.from_url(
            redis_py_url(url),
            decode_responses=False,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_SOCKET_TIMEOUT,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            health_check_interval=_HEALTH_CHECK_INTERVAL,
            **({} if urlsplit(url).scheme in ("unix", "redis+socket") else {"socket_keepalive": True}),
        )
        client.connection_pool.make_connection()  # Talks to nobody; finds options that don't exist.
    except (ValueError, TypeError):
        raise ConfigurationError(
            "BOTFLEET_STORE_URL",
            "is no usable URL; takes redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… or "
            "redis+socket:///PATH[?virtual_host=DB] (special characters of a password as %XX)",
        ) from None
    return client


def redis_py_url(url: str) -> str:
    """Turns kombu's form of a socket's URL, and Celery's names of TLS options, into redis-py's.

    >>> redis_py_url("redis+socket:///run/valkey.sock?virtual_host=2")
    'unix:///run/valkey.sock?db=2'
    >>> redis_py_url("rediss://cache:6380/0?ssl_cert_reqs=CERT_NONE")
    'rediss://cache:6380/0?ssl_cert_reqs=none'
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "redis+socket":
        parts = parts._replace(scheme="unix")
        if "virtual_host" in query:
            query["db"] = query.pop("virtual_host")
    if "ssl_cert_reqs" in query:
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].lower().removeprefix("cert_")
    # Not urlunsplit: it drops the slashes of an empty host for schemes that it does not know.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def _where(client: redis.Redis) -> str:
    """What stands in errors: the address without user and password."""
    options = client.get_connection_kwargs()
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _lease(row: bytes) -> Lease:
    epoch, _, owner = row.decode().partition(" ")
    return Lease(owner, int(epoch))


def _row_of(value: bytes) -> bytes:
    """A cache's row without its names."""
    return value.partition(b"\0")[2]


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
