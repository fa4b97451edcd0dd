"""What goes to sockets and to Slack: shard queues, and what was sent already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from ...model import Answer, Command
from ..values import UNPACED, Admission, Pacing


class Sending(ABC):
    """What goes to sockets and to Slack: shard queues, and what was sent already."""

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
