"""What all implementations share: values as rows of JSON, optimistic changes, and rows that can't be read."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from ..errors import StoreError, UsageError
from ..model import (
    AccessKey,
    Answer,
    Bot,
    Command,
    HistoryEntry,
    HolderInfo,
    Member,
    Sample,
    Schedule,
    Shown,
    Status,
    Subscription,
    TimerState,
    Watch,
)
from .base import Store
from .values import Change, DoorEntry, Telling, Timetable

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Made once: making a decoder costs more than reading a row with it.
_encode = msgspec.json.Encoder().encode
_BOT = msgspec.json.Decoder(Bot)
_STATUS = msgspec.json.Decoder(Status)
_SUBSCRIPTIONS = msgspec.json.Decoder(tuple[Subscription, ...])
_ANSWER = msgspec.json.Decoder(Answer)
_COMMAND = msgspec.json.Decoder(Command)
_HOLDER = msgspec.json.Decoder(HolderInfo)
_MEMBER = msgspec.json.Decoder(Member)
_WATCH = msgspec.json.Decoder(Watch)
_SHOWN = msgspec.json.Decoder(Shown)
_SCHEDULES = msgspec.json.Decoder(tuple[Schedule, ...])
_TIMER = msgspec.json.Decoder(TimerState)
_ACCESS_KEY = msgspec.json.Decoder(AccessKey)
_ENTRY = msgspec.json.Decoder(HistoryEntry)
_SAMPLE = msgspec.json.Decoder(Sample)

#: Unreadable rows that are remembered as already logged; beyond it, one may be logged again.
_TOLD_LIMIT = 10_000


class StatusRow(NamedTuple):
    """A bot's status as it is written, and what its history notes of it; empty where that is nothing."""

    key: str
    row: bytes
    entry: bytes


class RowStore(Store):
    """A store that keeps JSON rows; implementations say only how rows are read and swapped."""

    def __init__(self, shards: int) -> None:
        super().__init__(shards)
        #: Unreadable rows that were logged; a set's `add` needs no lock.
        self._told: set[str] = set()

    # What implementations give

    @abstractmethod
    def _bot_row(self, key: str) -> bytes | None: ...

    @abstractmethod
    def _bot_and_status_rows(self, key: str) -> tuple[bytes | None, bytes | None]: ...

    @abstractmethod
    def _bot_rows(self, shard: int) -> Mapping[bytes, bytes]: ...

    @abstractmethod
    def _swap_bot(
        self,
        key: str,
        row: bytes | None,
        before: Bot | None,
        after: Bot | None,
        commands: Sequence[bytes],
        entry: bytes,
    ) -> bool:
        """Writes `after` if the row is still `row`, with the token's index, the version and the status.

        The commands' rows go into the shard's queue, the entry (unless it is empty) into the history.
        """

    @abstractmethod
    def _status_row(self, key: str) -> bytes | None: ...

    @abstractmethod
    def _status_rows(self, shard: int) -> Mapping[bytes, bytes]: ...

    @abstractmethod
    def _put_status_rows(self, rows: Mapping[int, Sequence[StatusRow]]) -> None:
        """Writes rows by shard, with their entries, but for bots that are not in the registry."""

    @abstractmethod
    def _swap_status(self, key: str, row: bytes, new: bytes | None, entry: bytes) -> bool:
        """Writes `new` (None removes the row) if the row is still `row`, and then its entry."""

    @abstractmethod
    def _history_rows(self, key: str) -> Sequence[bytes]: ...

    @abstractmethod
    def _sample_rows(self, since: float) -> Sequence[bytes]:
        """The samples' rows, the oldest first."""

    @abstractmethod
    def _last_sample_row(self) -> bytes | None: ...

    @abstractmethod
    def _put_state_count_rows(self, rows: Mapping[int, bytes]) -> None:
        """Writes shards' counts; an empty row removes a shard's."""

    @abstractmethod
    def _put_subscription_row(self, group: str, row: bytes | None) -> None:
        """Writes or (None) removes a group's row; the version grows if that changed anything."""

    @abstractmethod
    def _subscription_rows(self) -> Mapping[bytes, bytes]: ...

    @abstractmethod
    def _put_timer_row(self, group: str, row: bytes | None, ttl: float) -> None:
        """Writes or (None) removes a role's row of timers."""

    @abstractmethod
    def _timer_rows(self) -> tuple[float, Mapping[bytes, bytes]]:
        """The time, and the rows of timers by group."""

    @abstractmethod
    def _state_rows(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """The rows of timers' states, in the order of their names."""

    @abstractmethod
    def _swap_timer(self, name: str, row: bytes | None, new: bytes, keep: float) -> bool:
        """Writes `new` if a timer's state is still `row`."""

    @abstractmethod
    def _access_key_rows(self) -> Mapping[bytes, bytes]: ...

    @abstractmethod
    def _access_key_row(self, key_id: str) -> bytes | None: ...

    # Bots

    def bot(self, key: str) -> Bot | None:
        return self._readable_bot(key, self._bot_row(key))

    def bot_and_status(self, key: str) -> tuple[Bot | None, Status | None]:
        bot, status = self._bot_and_status_rows(key)
        return self._readable_bot(key, bot), self._readable_status(key, status)

    def bots(self, shard: int) -> dict[str, Bot]:
        return self._read_all(_BOT, self._bot_rows(shard), "bot")

    def change_bot(
        self, key: str, change: Change, telling: Telling | None = None
    ) -> tuple[Bot | None, Bot | None]:
        while True:
            row = self._bot_row(key)
            before = self._readable_bot(key, row)
            after = change(before)
            if after is not None and after.key != key:
                raise UsageError(f"a change of the bot {key} returned the bot {after.key}")
            if after == before:
                return before, after
            commands = telling(before, after) if telling is not None else ()
            rows = [_encode(command) for command in commands]
            if self._swap_bot(key, row, before, after, rows, _entry_of_change(commands)):
                return before, after

    def _readable_bot(self, key: str, row: bytes | None) -> Bot | None:
        if row is None:
            return None
        bot = self._read(_BOT, row, "bot", key)
        if bot is None:
            raise StoreError(f"the bot {key} is in the store but its row can't be read; nothing was changed")
        return bot

    # Statuses

    def status(self, key: str) -> Status | None:
        return self._readable_status(key, self._status_row(key))

    def _readable_status(self, key: str, row: bytes | None) -> Status | None:
        return None if row is None else self._read(_STATUS, row, "status", key)

    def statuses(self, shard: int) -> dict[str, Status]:
        return self._read_all(_STATUS, self._status_rows(shard), "status")

    def put_statuses(self, statuses: Mapping[str, Status]) -> None:
        rows: dict[int, list[StatusRow]] = {}
        for key, status in statuses.items():
            row = StatusRow(key, _encode(status), _entry_of(status))
            rows.setdefault(self.shard(key), []).append(row)
        if rows:
            self._put_status_rows(rows)

    def replace_status(self, key: str, old: Status, new: Status | None) -> bool:
        while True:
            row = self._status_row(key)
            # Compared as values, not as text: a newer botfleet's row may have further fields.
            if row is None or self._read(_STATUS, row, "status", key) != old:
                return False
            made = (None, b"") if new is None else (_encode(new), _entry_of_next(old, new))
            if self._swap_status(key, row, *made):
                return True

    # Records

    def history(self, key: str) -> list[HistoryEntry]:
        read = (self._read(_ENTRY, row, "history", key) for row in self._history_rows(key))
        return [entry for entry in read if entry is not None]

    def samples(self, since: float) -> list[Sample]:
        read = (self._read(_SAMPLE, row, "sample", "") for row in self._sample_rows(since))
        return [sample for sample in read if sample is not None]

    def last_sample(self) -> Sample | None:
        row = self._last_sample_row()
        return None if row is None else self._read(_SAMPLE, row, "sample", "")

    def put_state_counts(self, counts: Mapping[int, Mapping[str, int]]) -> None:
        rows = {shard: _encode(states) if states else b"" for shard, states in counts.items()}
        if rows:
            self._put_state_count_rows(rows)

    # Subscriptions

    def put_subscriptions(self, group: str, subscriptions: Sequence[Subscription]) -> None:
        self._put_subscription_row(group, _encode(subscriptions) if subscriptions else None)

    def subscriptions(self) -> dict[str, tuple[Subscription, ...]]:
        return self._read_all(_SUBSCRIPTIONS, self._subscription_rows(), "subscriptions")

    # Timers

    def put_timers(self, group: str, schedules: Sequence[Schedule], ttl: float) -> None:
        self._put_timer_row(group, _encode(schedules) if schedules else None, ttl)

    def timetable(self) -> Timetable:
        now, rows = self._timer_rows()
        groups = self._read_all(_SCHEDULES, rows, "timers")
        # Two roles may run the same timer; it is due once.
        return Timetable(now, {one.task: one for group in sorted(groups) for one in groups[group]})

    def timer_states(self, names: Sequence[str]) -> dict[str, TimerState]:
        rows = zip(names, self._state_rows(names), strict=True)
        read = {name: self._read(_TIMER, row, "timer", name) for name, row in rows if row is not None}
        return {name: state for name, state in read.items() if state is not None}

    def replace_timer(self, name: str, old: TimerState | None, new: TimerState, keep: float) -> bool:
        (row,) = self._state_rows([name])
        # Compared as values, as for statuses; a row that can't be read counts as none.
        if (None if row is None else self._read(_TIMER, row, "timer", name)) != old:
            return False
        return self._swap_timer(name, row, _encode(new), keep)

    # Keys

    def access_keys(self) -> list[AccessKey]:
        found = self._read_all(_ACCESS_KEY, self._access_key_rows(), "access key").values()
        return sorted(found, key=lambda key: (key.created_at, key.id))

    def access_key(self, key_id: str) -> AccessKey | None:
        row = self._access_key_row(key_id)
        return None if row is None else self._read(_ACCESS_KEY, row, "access key", key_id)

    # The door

    def _door_entries(
        self, teams: Iterable[tuple[bytes, bytes]], states: Iterable[tuple[bytes, bytes]], limit: int
    ) -> list[DoorEntry]:
        """Makes `limit` entries of up to `limit` of each kind; neither kind keeps the other out."""
        tokens = self._readable_entries("token", teams)
        ends = self._readable_entries("state", states)
        return [*tokens[: max(limit - len(ends), limit // 2)], *ends][:limit]

    def _readable_entries(self, kind: str, pairs: Iterable[tuple[bytes, bytes]]) -> list[DoorEntry]:
        entries = []
        for field, value in pairs:
            try:
                entries.append(DoorEntry(field.decode(), kind, value.decode()))
            except UnicodeDecodeError:
                self._tell("entry at the door", field.decode(errors="backslashreplace"))
        return entries

    # Rows

    def _read(self, decoder: msgspec.json.Decoder[T], row: bytes, kind: str, key: str) -> T | None:
        try:
            return decoder.decode(row)
        except msgspec.MsgspecError:
            # Without the cause: its text may quote the row, and so a token.
            self._tell(kind, key)
            return None

    def _read_all(
        self, decoder: msgspec.json.Decoder[T], rows: Mapping[bytes, bytes], kind: str
    ) -> dict[str, T]:
        found = {}
        for name, row in rows.items():
            try:
                found[name.decode()] = decoder.decode(row)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._tell(kind, name.decode(errors="backslashreplace"))
        return found

    def _read_commands(self, rows: Iterable[bytes]) -> list[Command]:
        read = (self._read(_COMMAND, row, "command", "of a shard's queue") for row in rows)
        return [command for command in read if command is not None]

    def _read_holders(self, rows: Iterable[bytes]) -> list[HolderInfo]:
        read = (self._read(_HOLDER, row, "holder", "") for row in rows)
        return sorted((holder for holder in read if holder is not None), key=lambda holder: holder.name)

    def _read_members(self, rows: Iterable[bytes]) -> list[Member]:
        read = (self._read(_MEMBER, row, "member", "") for row in rows)
        return sorted((member for member in read if member is not None), key=lambda member: member.owner)

    def _read_watches(self, rows: Iterable[bytes]) -> list[Watch]:
        read = (self._read(_WATCH, row, "watch", "") for row in rows)
        return sorted((watch for watch in read if watch is not None), key=lambda watch: watch.id)

    def _read_shown(self, row: bytes) -> Shown | None:
        return self._read(_SHOWN, row, "sighting", "")

    def _tell(self, kind: str, key: str) -> None:
        """Logs an unreadable row once, by its key."""
        if (mark := f"{kind} {key}") in self._told:
            return
        if len(self._told) >= _TOLD_LIMIT:
            self._told.clear()
        self._told.add(mark)
        logger.error(
            "a row of the store can't be read and is left out: %s %s",
            kind,
            key,
            extra={"action": "store.unreadable_row", "bot": key},
        )

    def _command_rows(self, commands: Iterable[Command]) -> dict[int, list[bytes]]:
        rows: dict[int, list[bytes]] = {}
        for command in commands:
            rows.setdefault(self.shard(command.key), []).append(_encode(command))
        return rows

    def _read_answer(self, row: bytes | None) -> Answer | None:
        return None if row is None else self._read(_ANSWER, row, "answer", "of a socket")

    @staticmethod
    def _row(
        value: AccessKey | Answer | Bot | Command | HolderInfo | Member | Sample | Shown | Watch,
    ) -> bytes:
        return _encode(value)


def _entry_of(status: Status) -> bytes:
    if status.state == "connecting":
        return b""
    at = round(status.since, 3)
    return _encode(HistoryEntry(at=at, what=status.state, error=status.error, holder=status.holder))


def _entry_of_next(old: Status, new: Status) -> bytes:
    """The same of a status that follows another; nothing where the bot was so all the while."""
    return b"" if (new.state, new.since) == (old.state, old.since) else _entry_of(new)


def _entry_of_change(told: Iterable[Command]) -> bytes:
    """What a bot's history notes of a change, by what is told of it."""
    for happening in (command.happening for command in told):
        if happening is not None:
            at, what, error = round(happening.at, 3), happening.type, happening.error
            return _encode(HistoryEntry(at=at, what=what, error=error, reason=happening.reason))
    return b""
