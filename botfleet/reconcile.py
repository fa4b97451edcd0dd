"""Reconciliation: what should be connected against what is, a round every `check_interval`.

Holders follow the registry by themselves; a round mends what slipped through, brings in what other programs
left at the door, and asks Slack about a few tokens. It decides nothing that a holder could not see for
itself, so it may run twice, or late, or not at all for a while.

Slack-bot-manager's rules, and where each is kept:

    connection gone: drop           a dead holder's bots are `disconnected` (`_correct`), until one takes them
    not connected: drop             `holder/roster.py`; a dead token's bot stays known as `token_revoked`
    token missing from the store    `_forget` nudges; `holder/roster.py` closes the socket, for good
    state `destroy`                 the door: the bot is removed
    token changed                   the registry's generation; `holder/roster.py` connects anew
    state `restart` or unknown      the door: the generation grows
    token without a connection      `_correct` nudges the holder
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Iterator

from .clock import Clock, MonotonicClock, monotonic_clock, wall_clock
from .errors import BotfleetError, SlackError, StoreError, StoreUnavailable
from .fleet import Fleet, Result, as_shown, is_token
from .lifecycle import REMOVED, happening
from .model import Bot, Status, is_dead, split_key, state_of
from .slack.errors import UNREACHABLE, Group, classify
from .store.values import DoorEntry
from .unheld import UNHELD, settle, status_due

logger = logging.getLogger(__name__)

#: Bots that one round looks at beside the shards that changed: a small fleet is looked at as a whole each
#: time, a large one in rotation.
BOTS_PER_ROUND = 5_000
#: What looking at a shard costs at least, in bots: an empty one may still have a removed bot's status.
_SHARD_COST = 10
#: Entries taken from the door in one round.
DOOR_PER_ROUND = 100
#: Seconds that a holder has for a new bot before a round nudges it.
_GRACE = 3.0


@dataclasses.dataclass
class Round:
    """What one round did; counts."""

    looked_at: int = 0
    corrected: int = 0
    nudged: int = 0
    admitted: int = 0
    checked: int = 0
    dead: int = 0


class Reconciler:
    """Runs rounds.

    Args:
        fleet: whose bots.
        clock: for ages.
        monotonic: for how long a round takes.
    """

    def __init__(
        self, fleet: Fleet, clock: Clock = wall_clock, monotonic: MonotonicClock = monotonic_clock
    ) -> None:
        self._fleet = fleet
        self._store = fleet.store
        self._clock = clock
        self._monotonic = monotonic

    def run(self) -> Round:
        """Runs one round.

        Raises:
            StoreUnavailable: the store is away; the next round will do.
        """
        done = Round()
        # A slow Slack must not make rounds pile up until the holder's threads are all taken by them.
        deadline = self._monotonic() + self._fleet.settings.check_interval
        try:
            self._answer_door(deadline, done)
        except StoreUnavailable:
            raise
        except StoreError as exc:  # Such as another program's value of another type.
            logger.error("The door can't be read: %s", exc, extra={"action": "door"})
        alive = self._alive()
        counts = {shard: self._look_at(shard, alive, done) for shard in self._shards_to_look_at()}
        self._store.put_state_counts(counts)
        self._check_tokens(deadline, alive, done)
        return done

    def _alive(self) -> set[str]:
        # One that stands by holds nothing, even if its predecessor of the same name did.
        return {holder.name for holder in self._store.holders() if not holder.standby}

    # The door

    def _answer_door(self, deadline: float, done: Round) -> None:
        for entry in self._store.door(DOOR_PER_ROUND):
            if entry.kind == "token" and self._monotonic() > deadline:
                continue
            # Done first and taken away then: a crash in between does it twice, which is the same as once.
            result = self._admit(entry)
            if result.passing:
                logger.warning(
                    "From outside: %s waits: %s", _shown(entry), result.error, extra={"action": "door"}
                )
            elif self._store.take_from_door(entry):
                done.admitted += 1
                self._log_entry(entry, result)

    def _admit(self, entry: DoorEntry) -> Result:
        # Some programs keep their states by token.
        team_id, own = (entry.field, "") if is_token(entry.field) else split_key(entry.field)
        namespace = own or None
        if entry.kind == "token":
            token, namespace = _read_token(entry.value, namespace)
            return self._fleet.add_token(token, namespace)
        if entry.value == "destroy":
            return self._fleet.remove_token(team_id, namespace)
        return self._fleet.update_token(team_id, namespace)

    def _log_entry(self, entry: DoorEntry, result: Result) -> None:
        level = logging.INFO if result.ok else logging.ERROR
        outcome = "done" if result.ok else result.error
        logger.log(
            level, "From outside: %s of %s: %s", entry.kind, _shown(entry), outcome, extra={"action": "door"}
        )

    # What should be against what is

    def _shards_to_look_at(self) -> Iterator[int]:
        counts = self._store.counts()
        start = self._store.advance("reconcile", 0)
        number, budget = 0, BOTS_PER_ROUND
        while number < len(counts) and budget > 0:
            budget -= max(counts[(start + number) % len(counts)], _SHARD_COST)
            number += 1
        # Another round at the same time moved it too; each takes what no other does.
        start = self._store.advance("reconcile", number)
        return ((start + step) % len(counts) for step in range(number))

    def _look_at(self, shard: int, alive: set[str], done: Round) -> Counter[str]:
        """Brings a shard's bots in line; returns how many were in which state before that."""
        statuses, bots = self._store.statuses(shard), self._store.bots(shard)
        if any(_held_by_nobody(status, alive, self._clock()) for status in statuses.values()):
            # Perhaps by a holder that began after this round did; it is announced before its first bot.
            alive = self._alive()
        for key, bot in bots.items():
            done.looked_at += 1
            self._correct(key, bot, statuses.get(key), alive, done)
        for key in statuses.keys() - bots.keys():
            self._forget(key, statuses[key], done)
        return Counter(state_of(bot, statuses.get(key)) for key, bot in bots.items())

    def _correct(self, key: str, bot: Bot, status: Status | None, alive: set[str], done: Round) -> None:
        now = self._clock()
        if bot.transport in UNHELD:
            # Whoever changed it may have been stopped before it said so.
            done.corrected += status != status_due(bot, status, now) and settle(self._store, key, self._clock)
            return
        if status is not None and _held_by_nobody(status, alive, now):
            gone = Status(state="disconnected", since=now, error="holder gone", generation=status.generation)
            done.corrected += self._store.replace_status(key, status, gone)
            status = gone
        # With no holder there is nobody to take nudges out of the queues, and nothing to tell the next one.
        if alive and _needs_nudge(bot, status, now):
            self._fleet.nudge(key)
            done.nudged += 1

    def _forget(self, key: str, status: Status, done: Round) -> None:
        """A bot that another program took out of the registry: its holder closes the socket."""
        try:
            gone = self._store.bot(key) is None
        except StoreError:
            return  # Its row is there but can't be read: the store has said so.
        if gone and self._store.replace_status(key, status, None):
            # Its row is gone, and what it said of the bot with it.
            team_id, namespace = split_key(key)
            unknown = Bot(team_id=team_id, namespace=namespace, sealed_token="", fingerprint="")
            self._fleet.tell(happening(REMOVED, unknown, reason="registry"))
            done.nudged += 1

    # Tokens

    def _check_tokens(self, deadline: float, alive: set[str], done: Round) -> None:
        for bot in self._bots_to_check():
            status = self._store.status(bot.key)
            if bot.desired == "stopped" or is_dead(bot, status):
                continue
            if self._monotonic() > deadline:
                break
            done.checked += 1
            if not self._check_token(bot, alive, done):
                break

    def _bots_to_check(self) -> list[Bot]:
        """The next few bots in rotation over all shards."""
        wanted = self._fleet.settings.check_tokens
        counts = self._store.counts()
        total = sum(counts)
        if not total or not wanted:
            return []
        position = self._store.advance("check_tokens", min(wanted, total)) % total
        found: dict[str, Bot] = {}
        for shard, count in (*enumerate(counts), *enumerate(counts)):
            if position >= count:
                position -= count
                continue
            bots = self._store.bots(shard)
            found |= {key: bots[key] for key in sorted(bots)[position:]}
            position = 0
            if len(found) >= min(wanted, total):
                break
        return list(found.values())[:wanted]

    def _check_token(self, bot: Bot, alive: set[str], done: Round) -> bool:
        """Asks Slack about one token; returns whether Slack is there to be asked about more."""
        try:
            self._fleet.api.auth_test(self._fleet.open(bot.sealed_token))
        except SlackError as exc:
            if classify(exc.error) is Group.DEAD:
                done.dead += 1
                self._let_die(bot, alive, exc)
            return exc.error not in UNREACHABLE
        except BotfleetError as exc:
            logger.error("%s: %s", bot.key, exc, extra={"action": "token.unreadable", "bot": bot.key})
        return True

    def _let_die(self, bot: Bot, alive: set[str], exc: SlackError) -> None:
        logger.warning(
            "%s: Slack says that its token is dead (%s)",
            bot.key,
            exc.error,
            extra={"action": "token.dead", "bot": bot.key},
        )
        # A holder's next connect hears the same, and tells the handlers: one way for a token to die.
        if alive or bot.transport in UNHELD:
            self._fleet.deactivate(bot, exc.error)


def _shown(entry: DoorEntry) -> str:
    return as_shown(entry.field) or "an entry"


def _held_by_nobody(status: Status, alive: set[str], now: float) -> bool:
    if status.state == "rate_limited" and status.retry_at > now:
        return False  # What Slack asked for binds the next holder, too: it reads it here.
    held = status.state in ("connected", "connecting", "rate_limited") or bool(status.retry_at)
    return held and bool(status.holder) and status.holder not in alive


def _needs_nudge(bot: Bot, status: Status | None, now: float) -> bool:
    """Whether a bot is not as it should be, and its holder has had time to see that."""
    if bot.transport != "rtm" or now - bot.updated_at < _GRACE:
        return False
    if status is None or status.generation < bot.generation:
        return True
    if bot.desired == "stopped":
        return status.state not in ("stopped", "token_revoked")
    overdue = bool(status.retry_at) and now - status.retry_at > 2 * _GRACE
    return status.state == "stopped" or overdue or status.error in ("holder gone", "holder stopped")


def _read_token(value: str, namespace: str | None) -> tuple[str, str | None]:
    """A token from the door: bare, or as Relax wrote it."""
    if not value.startswith("{"):
        return value, namespace
    try:
        written = json.loads(value)
    except (ValueError, RecursionError):
        return "", namespace
    own = written.get("namespace")
    return str(written.get("token", "")), str(own) if own else namespace
