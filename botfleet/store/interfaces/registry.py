"""The registry: bots, what other programs ask of it, and what their connections are doing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from ...model import Bot, Status
from ..values import Change, Changes, DoorEntry, Telling


class BotRegistry(ABC):
    """The registry: bots, what other programs ask of it, and what their connections are doing."""

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
    def change_bot(
        self, key: str, change: Change, telling: Telling | None = None
    ) -> tuple[Bot | None, Bot | None]:
        """Changes a bot atomically, and tells its holder in the same step.

        `change` may be called again when another process was faster. The index of tokens and the shard's
        version are kept in step; removing a bot removes its status too. A change that returns its argument
        unchanged writes nothing, and nothing is told. What is told lies in the shard's queue before anybody
        sees the change.

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
