"""The store: what all processes of a fleet know in common.

`Store` is the interface; `memory.py` and `redis.py` implement it, and one contract suite
(`tests/integration/test_store.py`) holds for all of them. Bots and statuses are kept in one map per shard,
so that no command ever touches all of them. The store never sees a bare token: `Bot.sealed_token` is text
that `secrets.Seal` made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from ..model import (
    Answer,
    Bot,
    Command,
    HolderInfo,
    Member,
    Schedule,
    Shown,
    Status,
    Subscription,
    TimerState,
    Watch,
    shard_of,
)

#: Given the bot as it is (None where there is none), returns it as it should be (None removes it).
Change = Callable[[Bot | None], Bot | None]


class DoorEntry(NamedTuple):
    """What another program left at the door: the plain maps that slack-bot-manager kept.

    `HSET tokens:teams FIELD TOKEN` asks for a bot, `HSET tokens:statuses FIELD destroy` (or `restart`) for
    its end (or a new connection). FIELD is a team id, or `NAMESPACE-TEAM`. A TOKEN may also be Relax's JSON
    `{"team_id", "token", "namespace"?}`.
    """

    field: str
    #: `token` or `state`: which of the two maps it lies in.
    kind: str
    value: str

    def __repr__(self) -> str:
        return f"<DoorEntry {self.kind} {self.field}>"


class Changes(NamedTuple):
    """What `Store.changes` found.

    Attributes:
        version: the last one that was given; lower than what was asked about where the store was emptied.
        shards: those that changed since, with their versions.
    """

    version: int
    shards: dict[int, int]


class Seat(NamedTuple):
    """A holder's place at a shard: slot 0 leads, the others stand beside it."""

    shard: int
    slot: int = 0

    def __str__(self) -> str:
        return f"{self.shard}.{self.slot}"

    @classmethod
    def parse(cls, text: str) -> Seat:
        """The reverse of `str`.

        >>> Seat.parse(str(Seat(12, 1)))
        Seat(shard=12, slot=1)
        """
        shard, _, slot = text.partition(".")
        return cls(int(shard), int(slot))


class Lease(NamedTuple):
    """Who has a seat; the owner is empty where it was given back."""

    owner: str
    epoch: int


class Handover(NamedTuple):
    """A seat's epoch, and who gets it: an owner, or (empty) nobody."""

    epoch: int
    to: str = ""


class CachedRow(NamedTuple):
    """What a cache knows of an id.

    Attributes:
        value: any bytes.
        names: by which it is found beside its id; texts without line feeds.
    """

    value: bytes
    names: tuple[str, ...] = ()


class Beat(NamedTuple):
    """What a holder learns with each beat.

    Attributes:
        renewed: it was still alive; if not, others may have taken its seats.
        members: a number that changes with the members.
        term: a number that changes when the leases were lost with the store's contents.
        claims: how many seats somebody is ready to take over.
        drain: people want it to give its seats away.
    """

    renewed: bool
    members: int
    term: int
    claims: int
    drain: bool


class Pacing(NamedTuple):
    """How often something may be done in the whole fleet.

    Attributes:
        name: what is paced; empty for what is not.
        rate: turns a second, over time.
        burst: turns that may be taken at once after a pause.
    """

    name: str = ""
    rate: float = 1.0
    burst: int = 1


#: As often as anybody likes.
UNPACED = Pacing()


class Admission(NamedTuple):
    """What `Store.admit` said.

    Attributes:
        noted: what was noted under the mark: it was done already. None where nothing was.
        wait: seconds until it may be done.
        taken: the turn after that wait is the caller's; else nothing was taken, and it has to ask again.
    """

    noted: str | None
    wait: float
    taken: bool


class Viewer(ABC):
    """What one who watches is shown, from when it was made on; a context that ends it."""

    @abstractmethod
    def next(self, timeout: float) -> Shown | None:
        """Waits up to `timeout` seconds for what some holder shows next; None where there was nothing.

        Raises:
            StoreUnavailable: what was shown meanwhile is missed; it may be tried again.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Timetable(NamedTuple):
    """The timers of all roles.

    Attributes:
        now: the time by the store's clock, unix seconds.
        schedules: by task.
    """

    now: float
    schedules: dict[str, Schedule]


class Store(ABC):
    """The registry of bots, their statuses, subscriptions, shard queues, leases and small marks.

    All methods may raise `StoreUnavailable`. All are safe to call from several threads.
    """

    def __init__(self, shards: int) -> None:
        self.shards = shards

    def shard(self, key: str) -> int:
        """The shard that a bot's key lies in."""
        return shard_of(key, self.shards)

    @abstractmethod
    def ping(self) -> None:
        """Returns when the store answers."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections; the store can't be used any more."""

    # Bots

    @abstractmethod
    def bot(self, key: str) -> Bot | None:
        """One bot.

        Raises:
            StoreError: the row is there but can't be read.
        """

    @abstractmethod
    def bot_and_status(self, key: str) -> tuple[Bot | None, Status | None]:
        """One bot and its status, at the cost of one of them; as `bot` and `status` give them."""

    @abstractmethod
    def bots(self, shard: int) -> dict[str, Bot]:
        """A shard's bots by key. Rows that can't be read are left out and logged by key."""

    @abstractmethod
    def change_bot(self, key: str, change: Change) -> tuple[Bot | None, Bot | None]:
        """Changes a bot atomically.

        `change` may be called again when another process was faster. The index of tokens and the shard's
        version are kept in step; removing a bot removes its status too. A change that returns its argument
        unchanged writes nothing.

        Returns:
            The bot before and after.

        Raises:
            StoreError: the row is there but can't be read; nothing is overwritten.
            UsageError: `change` returned a bot with another key.
        """

    @abstractmethod
    def key_of_token(self, fingerprint: str) -> str | None:
        """The key of the bot that has this token."""

    @abstractmethod
    def counts(self, shards: Sequence[int] | None = None) -> list[int]:
        """How many bots each of these shards has, in their order; by default of all."""

    # Statuses

    @abstractmethod
    def status(self, key: str) -> Status | None:
        """One bot's status; None where there is none, or none that can be read."""

    @abstractmethod
    def statuses(self, shard: int) -> dict[str, Status]:
        """A shard's statuses by key."""

    @abstractmethod
    def put_statuses(self, statuses: Mapping[str, Status]) -> None:
        """Writes statuses by key. One for a bot that is not (any more) in the registry is dropped."""

    @abstractmethod
    def replace_status(self, key: str, old: Status, new: Status | None) -> bool:
        """Writes `new` (None removes it) only if the status is still `old`; returns whether it was."""

    @abstractmethod
    def changes(self, since: int) -> Changes:
        """The shards whose bots changed after a version; statuses do not count.

        Holders write statuses all the time, and are the ones who watch this.
        """

    # The door

    @abstractmethod
    def door(self, limit: int) -> list[DoorEntry]:
        """Up to `limit` entries that other programs left in the plain maps, in no order."""

    @abstractmethod
    def take_from_door(self, entry: DoorEntry) -> bool:
        """Takes an entry away if it is still as given; returns whether it was."""

    # Subscriptions

    @abstractmethod
    def put_subscriptions(self, group: str, subscriptions: Sequence[Subscription]) -> None:
        """Replaces all subscriptions of a group (a role's handlers, or one bot's listeners)."""

    @abstractmethod
    def subscriptions(self) -> dict[str, tuple[Subscription, ...]]:
        """All subscriptions by group."""

    @abstractmethod
    def subscriptions_version(self) -> int:
        """Grows with each change of the subscriptions."""

    # Shard queues

    @abstractmethod
    def send(self, commands: Sequence[Command]) -> None:
        """Puts commands into the queues of their bots' shards.

        Never twice: after `StoreUnavailable` some may have been put, and the caller decides.
        """

    @abstractmethod
    def receive(self, shards: Sequence[int], timeout: float, limit: int = 1000) -> list[Command]:
        """Takes commands out of shards' queues, in order per shard; waits up to `timeout` seconds for one.

        What is taken is gone: a command is a hint that reconciliation backs, or a message that may be lost
        with the process.
        """

    # What goes out to Slack

    @abstractmethod
    def send_once(self, command: Command, mark: str, ttl: float) -> str | None:
        """Puts a command into its shard's queue, unless this was done before under the same mark.

        After `StoreUnavailable` it may have been done, or not; the mark tells.

        Args:
            mark: what names it; remembered for `ttl` seconds.

        Returns:
            None where it was put; else the ticket of the command that was put under this mark.
        """

    @abstractmethod
    def put_answers(self, answers: Mapping[str, Answer], ttl: float) -> None:
        """Keeps answers by ticket for `ttl` seconds, for those who wait for them."""

    @abstractmethod
    def wait_for_answer(self, ticket: str, timeout: float) -> Answer | None:
        """The answer under a ticket, which stays there; waits up to `timeout` seconds for it."""

    @abstractmethod
    def admit(
        self, mark: str, halt: str, pacing: Pacing = UNPACED, patience: float = 0.0, ttl: float = 60.0
    ) -> Admission:
        """Asks whether something may be done: not if it was done before, and not too soon.

        Args:
            mark: under which `note` says that it was done, and which is remembered for `ttl` seconds more;
                empty for what may be done again.
            halt: what `halt` was told to hold up.
            pacing: whose turn it takes, where that is less than `patience` seconds away.
            patience: seconds that the caller would wait for its turn.
        """

    @abstractmethod
    def note(self, mark: str, value: str, ttl: float) -> None:
        """Notes that something was done, for `ttl` seconds; `admit` gives `value` to who asks again."""

    @abstractmethod
    def forget(self, mark: str) -> None:
        """Takes back what was noted, or sent once, under a mark."""

    @abstractmethod
    def halt(self, name: str, seconds: float) -> None:
        """Has `admit` hold something up for so many seconds; an earlier word counts where it is longer."""

    # Holders, and who owns what

    @abstractmethod
    def announce(self, holder: HolderInfo, ttl: float) -> None:
        """Says what people are to see of a holder, for `ttl` seconds."""

    @abstractmethod
    def withdraw(self, name: str) -> None:
        """Takes back what was announced of a holder."""

    @abstractmethod
    def holders(self) -> list[HolderInfo]:
        """The holders that are announced, by name."""

    @abstractmethod
    def beat(self, member: Member, ttl: float) -> Beat:
        """Keeps a holder among the living, and its seats its own, for `ttl` seconds by the store's clock."""

    @abstractmethod
    def leave(self, owner: str) -> None:
        """Takes a holder out of the living; its seats are free."""

    @abstractmethod
    def members(self) -> list[Member]:
        """The living holders, by name."""

    @abstractmethod
    def ask_to_drain(self, owner: str, wanted: bool) -> None:
        """Asks a holder to give its seats away, or to take some again; `beat` tells it."""

    @abstractmethod
    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        """Takes those of the seats that are free, whose owner is gone, or that are the owner's own already.

        Returns:
            Their epochs. An epoch grows each time a seat changes hands, and never goes back.

        Raises:
            StoreError: `owner` is not alive; it must `beat` first.
        """

    @abstractmethod
    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        """Gives seats to others, or back; returns those that changed hands.

        The others were not the owner's (any more), or who was to get them is gone, or does not claim them.
        """

    @abstractmethod
    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        """Who has these seats, or had them last; seats that nobody ever had are left out."""

    @abstractmethod
    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        """Says that a holder is ready to take these seats over."""

    @abstractmethod
    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        """Takes claims back, where they still are this owner's."""

    @abstractmethod
    def claims(self) -> dict[Seat, str]:
        """The owners that are ready to take seats over."""

    # Caches: what Slack said, for a time; may be lost without harm

    @abstractmethod
    def cached(self, cache: str, ids: Sequence[str], ttl: float | None) -> dict[str, bytes]:
        """Those of the ids that a cache knows, with their values.

        The cache lives `ttl` seconds from now on; with None, as long as it would have.
        """

    @abstractmethod
    def cached_as(self, cache: str, name: str, ttl: float) -> dict[str, bytes]:
        """What a cache knows by a name, by id; the cache lives `ttl` seconds from now on."""

    @abstractmethod
    def cached_ids(self, cache: str) -> set[str]:
        """All ids that a cache knows."""

    @abstractmethod
    def put_cached(self, cache: str, rows: Mapping[str, CachedRow | None], ttl: float | None) -> bool:
        """Writes rows by id; None removes one. Names that a row had before lead to it no more.

        Args:
            ttl: seconds for which the cache lives from now on. With None it lives as long as it would have,
                and nothing is written where it is not there.

        Returns:
            Whether anything was written.
        """

    @abstractmethod
    def drop_cache(self, cache: str) -> None:
        """Forgets a cache."""

    # Rotas: who is looked after when

    @abstractmethod
    def set_turn(self, rota: str, member: str, wait: float | None) -> None:
        """Gives a member of a rota its turn in `wait` seconds; with None it has none any more."""

    @abstractmethod
    def take_turns(self, rota: str, limit: int, wait: float) -> list[str]:
        """Takes up to `limit` members whose turn it is, the longest overdue first.

        Each has its next turn in `wait` seconds, so that no other process takes it too.
        """

    # Those who watch

    @abstractmethod
    def watch(self, watch: Watch, ttl: float) -> None:
        """Says for `ttl` seconds that somebody watches events come in."""

    @abstractmethod
    def watches(self, limit: int = 20) -> list[Watch]:
        """Up to so many of those who watch now."""

    @abstractmethod
    def show(self, watch_id: str, shown: Shown) -> None:
        """Shows something to one who watches; nobody keeps it for those who do not look just now."""

    @abstractmethod
    def viewer(self, watch_id: str) -> Viewer:
        """The place of one who watches; to be made before `watch` tells of it."""

    # Timers

    @abstractmethod
    def put_timers(self, group: str, schedules: Sequence[Schedule], ttl: float) -> None:
        """Replaces a role's timers; they are forgotten after `ttl` seconds unless they are kept."""

    @abstractmethod
    def keep_timers(self, group: str, ttl: float) -> bool:
        """Keeps a role's timers for `ttl` seconds more; False where they are forgotten."""

    @abstractmethod
    def timetable(self) -> Timetable:
        """All timers, and the time."""

    @abstractmethod
    def timer_states(self, names: Sequence[str]) -> dict[str, TimerState]:
        """How far these timers have come; those that never began are left out."""

    @abstractmethod
    def replace_timer(self, name: str, old: TimerState | None, new: TimerState, keep: float) -> bool:
        """Writes `new` only if a timer's state is still `old`; returns whether it was.

        After `StoreUnavailable` it may have been written, or not.

        Args:
            name: the timer's.
            old: None where there is to be none.
            new: what is written.
            keep: seconds after which the timer is forgotten, with its memory.
        """

    @abstractmethod
    def memory(self, name: str) -> dict[str, bytes]:
        """What a timer remembers."""

    @abstractmethod
    def remember(self, name: str, field: str, value: bytes | None) -> None:
        """Has a timer remember something (None: forget it), for as long as the timer itself is kept."""

    # Small things

    @abstractmethod
    def hold(self, lock: str, owner: str, ttl: float) -> bool:
        """Takes a lock for `ttl` seconds, or keeps it for longer; False where it is another owner's."""

    @abstractmethod
    def let_go(self, lock: str, owner: str) -> None:
        """Gives a lock back, where it still is this owner's."""

    @abstractmethod
    def once(self, mark: str, ttl: float) -> bool:
        """True for the first caller with this mark within `ttl` seconds, over all processes.

        After `StoreUnavailable` the mark may have been set, or not.
        """

    @abstractmethod
    def advance(self, cursor: str, step: int) -> int:
        """Moves a named cursor on by `step` and returns where it stood before (0 at first)."""

    @abstractmethod
    def reserve(self, pace: str, rate: float) -> float:
        """Takes the next turn of a named pace; the caller is to use it then, or to let it go.

        Turns are 1/`rate` seconds apart by the store's clock, whoever takes them. One that nobody took in
        time is not made up for.

        Returns:
            Seconds until the turn.
        """
