"""The bots of the shards that a holder owns: brings their connections in line with the registry.

`decide` is the whole rule, and pure. The roster's methods run on the reactor's thread.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from ..clock import Clock, wall_clock
from ..model import Bot, Command, Status
from ..slack import session as rtm

if TYPE_CHECKING:
    # Tests decide without sockets.
    from .reactor import Connection, Reactor


class Step(enum.Enum):
    """What a bot's connection needs."""

    NOTHING = "nothing"
    ADD = "add"
    REMOVE = "remove"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    #: Take over names, but leave the connection alone.
    RENAME = "rename"


def decide(wanted: Bot | None, status: Status | None, held: Bot | None) -> Step:
    """Says what to do about one bot: slack-bot-manager's monitor, with its faults mended.

    Args:
        wanted: the bot as the registry has it; None where it was removed.
        status: what was last said of it; counts for a bot that is not held yet.
        held: the bot as the connection knows it; None where there is no connection.

    >>> one = Bot(team_id="T1", sealed_token="plain:a", fingerprint="a")
    >>> decide(one, None, None), decide(None, None, one), decide(one, None, one)
    (<Step.ADD: 'add'>, <Step.REMOVE: 'remove'>, <Step.NOTHING: 'nothing'>)
    """
    if wanted is None or wanted.transport != "rtm":
        return Step.NOTHING if held is None else Step.REMOVE
    if held is None:
        return Step.NOTHING if _is_settled(wanted, status) else Step.ADD
    if wanted.desired != held.desired:
        return Step.START if wanted.desired == "running" else Step.STOP
    if wanted.desired == "running" and _identity(wanted) != _identity(held):
        return Step.RESTART
    return Step.NOTHING if wanted == held else Step.RENAME


def _identity(bot: Bot) -> tuple[int, float, str]:
    """What a connection is made for; one that was removed and added anew begins again at generation 1."""
    return bot.generation, bot.added_at, bot.fingerprint


def _is_settled(wanted: Bot, status: Status | None) -> bool:
    """Whether a bot without a connection is as it should be: dead, or stopped and known as such."""
    if status is None or status.generation < wanted.generation:
        return False
    if status.state == "token_revoked":
        return True
    return wanted.desired == "stopped" and status.state == "stopped"


def _differs(status: Status | None, connection: Connection, holder: str) -> bool:
    """Whether the store says something else of a bot than its connection here last did."""
    said = connection.reported
    return said is not None and (status is None or (status.state, status.holder) != (said[0].state, holder))


class Roster:
    """See the top of this module.

    Args:
        reactor: has the connections.
        max_connections: bots beyond this are not connected, and say so in their status.
        patience: seconds after which a bot that fails to connect keeps its shard from moving no more, where
            who had the shard is leaving.
        name: the holder's, as statuses have it.
        give_back: told the messages that were not sent before a bot was let go.
        clock: what the store's times are in.
    """

    def __init__(
        self,
        reactor: Reactor,
        max_connections: int,
        patience: float,
        name: str,
        give_back: Callable[[list[Command]], None],
        clock: Clock = wall_clock,
    ) -> None:
        self._reactor = reactor
        self._max = max_connections
        self._patience = patience
        self._name = name
        self._give_back = give_back
        self._clock = clock
        # When each shard came here.
        self._came_at: dict[int, float] = {}
        #: The bots here, by shard; a shard that was let go has no entry.
        self._keys_by_shard: dict[int, set[str]] = {}
        # Bots here that are not connected for want of room.
        self._left_out: set[str] = set()

    def load(self, shard: int, bots: Mapping[str, Bot], statuses: Mapping[str, Status]) -> None:
        """Takes a shard in, or brings it in line with the registry again."""
        self._came_at.setdefault(shard, self._clock())
        for key in self._keys_by_shard.setdefault(shard, set()) - bots.keys():
            self.apply(shard, key, None, None)
        for key, bot in bots.items():
            self.apply(shard, key, bot, statuses.get(key))

    def unload(self, shard: int) -> None:
        """Lets go of a shard that others hold now."""
        self._came_at.pop(shard, None)
        unsent = []
        for key in self._keys_by_shard.pop(shard, set()):
            if (connection := self._reactor.connections.get(key)) is not None:
                unsent += connection.session.take_unsent()
            self._remove(key)
        self._fill()
        if unsent:
            self._give_back(unsent)

    def take_unsent(self) -> list[Command]:
        """Takes all messages that wait for their connections: somebody else will send them."""
        connections = self._reactor.connections.values()
        return [command for one in connections for command in one.session.take_unsent()]

    # Looking

    @property
    def left_out(self) -> int:
        """How many bots are not connected for want of room."""
        return len(self._left_out)

    def sizes(self) -> dict[int, int]:
        """How many bots each of the shards here has; also sees whether one that died has left its room."""
        self._fill()
        return {shard: len(keys) for shard, keys in self._keys_by_shard.items()}

    def ready(self, shards: Collection[int], pressing: Collection[int] = ()) -> set[int]:
        """Which of some shards have all their bots connected here.

        Args:
            shards: those that are asked about.
            pressing: those whose owner is leaving: for these a bot that fails to connect for too long does
                not keep the others from moving.
        """
        here = [shard for shard in shards if shard in self._keys_by_shard]
        return {shard for shard in here if self._is_ready(shard, shard in pressing)}

    def report_again(self, shards: Collection[int]) -> None:
        """Says once more how the bots of some shards are: until now others spoke for them."""
        for shard in shards:
            for connection in self._connections_of(shard):
                self._reactor.report_again(connection)

    def _is_ready(self, shard: int, pressing: bool) -> bool:
        settled = {rtm.Phase.CONNECTED, rtm.Phase.DEAD, rtm.Phase.IDLE}
        if pressing and self._clock() - self._came_at[shard] > self._patience:
            settled.add(rtm.Phase.WAITING)
        return all(
            one.session.phase in settled and one.bot.key not in self._left_out
            for one in self._connections_of(shard)
        )

    def _connections_of(self, shard: int) -> Iterator[Connection]:
        for key in self._keys_by_shard.get(shard, ()):
            if (connection := self._reactor.connections.get(key)) is not None:
                yield connection

    # Changing

    def apply(self, shard: int, key: str, wanted: Bot | None, status: Status | None) -> None:
        """Brings one bot in line with the registry, if its shard is here."""
        if shard not in self._keys_by_shard:
            return  # Let go meanwhile, or not loaded yet: then `load` will see to it.
        connection = self._reactor.connections.get(key)
        held = connection.bot if connection else None
        step = decide(wanted, status, held)
        if step is Step.REMOVE:
            self._keys_by_shard[shard].discard(key)
            self._remove(key)
            self._fill()
        elif step is Step.ADD and wanted is not None:
            self._keys_by_shard[shard].add(key)
            connection = self._reactor.add(wanted)
            # Somebody else has told of it, and is trying again.
            connection.failing = status is not None and status.retry_at > 0
            self._begin(connection, self._spared_for(status))
        elif step is not Step.NOTHING and connection is not None and wanted is not None:
            connection.rename(wanted)
            self._change(connection, step)
        elif connection is not None and _differs(status, connection, self._name):
            # Reconciliation took this holder for dead while it could not reach the store.
            self._reactor.report_again(connection)

    def command(self, shard: int, command: Command) -> bool:
        """Passes something on to a bot's socket; False where there is no such bot in a shard that is here."""
        connection = self._reactor.connections.get(command.key)
        if connection is not None:
            self._reactor.drive(connection, lambda session, now: session.send(command, now))
        elif shard not in self._keys_by_shard and command.op == "message":
            self._give_back([command])
        else:
            return False
        return True

    def _spared_for(self, status: Status | None) -> float:
        """Seconds for which Slack does not want to hear of a bot, as it told whoever had it before."""
        if status is None or status.state != "rate_limited":
            return 0.0
        return max(0.0, status.retry_at - self._clock())

    def _begin(self, connection: Connection, spared_for: float = 0.0) -> None:
        if connection.bot.desired == "stopped":
            self._stop(connection)
        elif self._is_full_for(connection.bot.key):
            self._left_out.add(connection.bot.key)
            full: list[rtm.Action] = [rtm.Report("disconnected", f"holder full: {self._max} connections")]
            self._reactor.drive(connection, lambda session, now: full)
        else:
            self._left_out.discard(connection.bot.key)
            self._reactor.drive(connection, lambda session, now: session.start(now, now + spared_for))

    def _change(self, connection: Connection, step: Step) -> None:
        if step is Step.STOP:
            self._stop(connection)
        elif step is Step.START or (step is Step.RESTART and connection.bot.key in self._left_out):
            self._begin(connection)
        elif step is Step.RESTART:
            self._reactor.drive(connection, lambda session, now: session.restart(now))

    def _stop(self, connection: Connection) -> None:
        self._left_out.discard(connection.bot.key)
        self._reactor.drive(connection, lambda session, now: session.stop())
        self._fill()

    def _remove(self, key: str) -> None:
        self._left_out.discard(key)
        self._reactor.remove(key)

    def _is_full_for(self, key: str) -> bool:
        others = self._reactor.connections
        if len(others) - len(self._left_out | {key}) < self._max:
            return False
        # Only now, for it takes its time: those that are stopped or dead need no room.
        resting = (rtm.Phase.IDLE, rtm.Phase.DEAD)
        return (
            sum(one.session.phase not in resting for name, one in others.items() if name != key) >= self._max
        )

    def _fill(self) -> None:
        """Connects bots that were left out, where there is room now."""
        while self._left_out and not self._is_full_for(key := min(self._left_out)):
            self._begin(self._reactor.connections[key])
