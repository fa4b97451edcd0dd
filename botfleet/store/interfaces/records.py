"""What was: how the fleet did in the last hour, what became of each bot, and how many are in which state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from ...model import HistoryEntry, Sample


class Records(ABC):
    """What was: how the fleet did in the last hour, what became of each bot, and how many are in which state.

    The history of a bot writes itself, in the same step as what it tells of: from the statuses, and from the
    happenings that `change_bot` tells. What goes on as it was is no change; nor is `connecting`, for
    something else follows. It outlives the bot.
    """

    @abstractmethod
    def history(self, key: str) -> list[HistoryEntry]:
        """The last `HISTORY_LENGTH` changes of a bot, the newest first.

        It is forgotten `HISTORY_KEPT` seconds after the last of them."""

    @abstractmethod
    def put_sample(self, sample: Sample) -> None:
        """Keeps a sample for `SAMPLES_KEPT` seconds."""

    @abstractmethod
    def samples(self, since: float) -> list[Sample]:
        """The samples that were taken later than `since` (unix seconds), the oldest first."""

    @abstractmethod
    def last_sample(self) -> Sample | None:
        """The newest sample; None where there is none from the last hour."""

    @abstractmethod
    def put_state_counts(self, counts: Mapping[int, Mapping[str, int]]) -> None:
        """Says how many bots of some shards are in which state."""

    @abstractmethod
    def state_counts(self) -> dict[str, int]:
        """How many bots are in which state, as was last said of each shard; a state of none is left out."""
