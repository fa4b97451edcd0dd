"""Where a fleet plays in a test: within its process, or as processes of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from ..sandbox.client import SandboxControl
from .clock import Clock
from .seen import Call


class Stage(ABC):
    """A sandbox with people in it, and a fleet that hears and answers them.

    Attributes:
        control: the sandbox's.
        raise_errors: whether what handlers raise is raised where the test acts.
        before_move: called before the clock is moved.
    """

    control: SandboxControl

    def __init__(self) -> None:
        self.raise_errors = True
        self.before_move: list[Callable[[], None]] = []

    @property
    @abstractmethod
    def clock(self) -> Clock:
        """The fleet's time."""

    @property
    @abstractmethod
    def errors(self) -> list[Exception]:
        """What handlers raised that were not tried again, or no more; oldest first."""

    @abstractmethod
    def load(self, what: tuple[object, ...]) -> None:
        """Has the fleet run these handlers in place of others; see `Fleet.load`."""

    @abstractmethod
    def add_team(self, name: str) -> str:
        """Lets a new team install the bot, and gives its id once the bot is connected."""

    @abstractmethod
    def settle(self, team: str) -> None:
        """Returns when the fleet has done what there was to do, after something happened in a team."""

    @abstractmethod
    def calls(self, team: str, after: int) -> list[Call]:
        """The Web API's calls of a team after a number."""

    @abstractmethod
    def run_timer(self, name: str) -> None:
        """Runs a timer, due or not."""

    @abstractmethod
    def hear_by_http(self, team: str) -> None:
        """Has the bot hear of slash commands and clicks in a team."""
