"""What the store is given and gives, beside the fleet's own values (`model.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..model import Bot, Command, Schedule

#: Given the bot as it is (None where there is none), returns it as it should be (None removes it).
Change = Callable[[Bot | None], Bot | None]
#: Given the bot before and after a change, returns what its holder is to be told: commands of this bot's.
Telling = Callable[[Bot | None, Bot | None], Sequence[Command]]


#: Changes that are remembered of each bot, and for how many seconds after the last of them.
HISTORY_LENGTH = 20
HISTORY_KEPT = 7 * 86_400.0
#: Seconds for which samples are kept.
SAMPLES_KEPT = 3600.0


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


class Timetable(NamedTuple):
    """The timers of all roles.

    Attributes:
        now: the time by the store's clock, unix seconds.
        schedules: by task.
    """

    now: float
    schedules: dict[str, Schedule]
