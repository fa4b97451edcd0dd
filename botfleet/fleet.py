"""What can be done with a fleet's bots: the one place behind tasks, `Manager`, command line and REST API.

Everything here changes the registry, which says what should be, and then nudges the holder, which makes it
so. So each call works with no holder running; it takes effect when there is one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from .clock import Clock, wall_clock
from .errors import BotfleetError, InvalidToken, SlackError, TokenNotConnected, UsageError
from .handlers.declaring.classes import listeners_group
from .handlers.directory import forget
from .lifecycle import command_of, what_happened
from .model import (
    Bot,
    Command,
    Desired,
    Happening,
    State,
    Transport,
    bot_key,
    fields_of,
    is_dead,
    split_key,
    state_of,
)
from .reports import BotReport, Outcome, Result, as_shown, describe, is_token, outcome_of
from .secrets import Seal, Token
from .settings import Settings
from .slack.errors import Group, classify
from .store import open_store
from .store.base import Store
from .store.values import Change
from .unheld import UNHELD, deactivate, settle
from .webapi import Identity, SlackApi, check_form

__all__ = ["SERVED", "BotReport", "Fleet", "Outcome", "Result", "as_shown", "describe", "is_token"]

_NAMESPACE = re.compile(r"([A-Za-z0-9]+([-_][A-Za-z0-9]+)*)?")
#: What a bot's key is made of.
_KEY = re.compile(r"[A-Za-z0-9_-]+")
#: The transports that this release has a process for.
SERVED: tuple[Transport, ...] = ("rtm", "http")


class Fleet:
    """A fleet's bots.

    Args:
        settings: of the fleet.
        store, seal, api, clock: made from the settings where they are not given.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store | None = None,
        seal: Seal | None = None,
        api: SlackApi | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        self.settings = settings
        self.store = store or open_store(settings)
        self.seal = seal or Seal(settings.secret_keys)
        self.api = api or SlackApi(settings)
        self._clock = clock

    # Tokens

    def add_token(self, token: object, namespace: str | None = None, transport: str | None = None) -> Result:
        """Adds a bot by its token, or gives the team's bot this token; see `_each` for what is reported.

        The newest token counts: a bot that is well changes to it without a gap.

        Args:
            token: bare, or sealed by botfleet's own functions.
            namespace: the app's; the fleet's own by default.
            transport: how Slack sends the bot's events, one of `SERVED`; by default as the bot's do already,
                and `rtm` for a new one.
        """
        return self._each(lambda: self._add(token, namespace, transport))

    def install(
        self,
        token: object,
        namespace: str | None = None,
        transport: str | None = None,
        identity: Identity | None = None,
    ) -> Result:
        """Takes the token of an installation, as `add_token` does, and starts the bot where it was stopped.

        `Result.outcome` says what it did to the bot. With an `identity`, Slack is not asked for it.
        """
        return self._each(lambda: self._add(token, namespace, transport, identity, installs=True))

    def update_token(
        self, token_or_team: object, namespace: str | None = None, only_of: str | None = None
    ) -> Result:
        """Connects a bot anew: with a new token of its team, or (given a team's id) with the one it has.

        Args:
            token_or_team: what is meant.
            namespace: the app's; the fleet's own by default.
            only_of: refuses a token that is not this team's.
        """
        return self._each(lambda: self._update(token_or_team, namespace, only_of))

    def remove_token(self, token_or_team: object, namespace: str | None = None) -> Result:
        """Forgets a bot and closes its socket."""
        return self._each(lambda: self._remove(token_or_team, namespace))

    def check_token(self, token_or_team: object, namespace: str | None = None) -> Result:
        """Asks Slack about a token (auth.test), and the store about its bot."""
        return self._each(lambda: self._check(token_or_team, namespace))

    def clear_tokens(self) -> int:
        """Removes every bot; returns how many there were."""
        return sum(self.remove_token(bot.team_id, bot.namespace).ok for bot in list(self.bots()))

    # Wishes

    def start(self, *team_ids: str, namespace: str | None = None) -> list[Result]:
        """Wants these teams' bots connected, or all bots where no team is named."""
        return self._for_teams(team_ids, namespace, self._start)

    def stop(self, *team_ids: str, namespace: str | None = None) -> list[Result]:
        """Wants these teams' bots disconnected, until they are started again."""
        return self._for_teams(team_ids, namespace, lambda bot: self._wish(bot, "stopped"))

    def restart(self, *team_ids: str, namespace: str | None = None) -> list[Result]:
        """Connects these teams' bots anew; starts those that are stopped."""
        return self._for_teams(team_ids, namespace, self._restart)

    # Looking

    def bots(self) -> Iterator[Bot]:
        """All bots, read shard by shard."""
        for shard in range(self.store.shards):
            yield from self.store.bots(shard).values()

    def report(self) -> Iterator[BotReport]:
        """All bots with their statuses, read shard by shard, ordered within a shard."""
        for shard, count in enumerate(self.store.counts()):
            if count:
                statuses = self.store.statuses(shard)
                for key, bot in sorted(self.store.bots(shard).items()):
                    yield describe(bot, statuses.get(key))

    def status(self, *team_ids: str, namespace: str | None = None) -> dict[str, Any]:
        """How many bots are in which state; and, where teams are named, each one's."""
        if team_ids:
            return {"bots": [self._status_of(team_id, namespace) for team_id in team_ids]}
        counts: dict[str, int] = {}
        for one in self.report():
            counts[one.status] = counts.get(one.status, 0) + 1
        holders = [fields_of(holder) for holder in self.store.holders()]
        return {"total": sum(counts.values()), "statuses": counts, "holders": holders}

    def find(self, token_or_team: object, namespace: str | None = None) -> Bot:
        """Finds a bot by its token, its team's id, or its key.

        Raises:
            TokenNotConnected: there is none.
            InvalidToken: the argument is neither a team's id nor a token.
        """
        key = self._key_of(token_or_team, namespace)
        bot = self.store.bot(key) if key else None
        if bot is None:
            shown = as_shown(token_or_team)
            what = f"team {shown}" if shown else "this token" if is_token(token_or_team) else "this name"
            raise TokenNotConnected("unknown_bot", detail=f"no bot of {what} is known")
        return bot

    def deactivate(self, bot: Bot, error: str) -> bool:
        """Marks a bot whose token died, as Slack says; a new token reactivates it.

        Handlers of `bot_deactivated` hear of it, once. One that has another token by now is left alone. Of
        a bot with a socket the holder sees for itself: this has it connect anew.

        Args:
            bot: as it was read with the token that died.
            error: Slack's error string.

        Returns:
            Whether the bot was marked by this call.

        Raises:
            StoreError: the store is away; it may be done again.
        """
        if bot.transport in UNHELD:
            return deactivate(self.store, bot, error, self._clock)
        self.store.send([Command(op="disconnect", key=bot.key)])
        return False

    def nudge(self, key: str) -> None:
        """Has the bot's holder look at the registry at once."""
        self.store.send([Command(op="sync", key=key)])

    def tell(self, told: Happening) -> None:
        """Has the bot's holder publish what became of it, and look at the registry then."""
        self.store.send(self._commands(told.bot.key, told))

    def open(self, argument: object) -> Token:
        """The token of an argument: bare, or sealed by botfleet's own functions.

        Raises:
            InvalidToken: it has not a token's form.
            SealError: it is sealed with another key.
        """
        if isinstance(argument, str) and Seal.is_stored_form(argument):
            return check_form(self.seal.open(argument).reveal())
        return check_form(argument)

    # Steps

    def _each(self, do: Callable[[], Result]) -> Result:
        """Runs one piece of work; whatever is wrong becomes a result, so that no argument hinders another."""
        try:
            return do()
        except BotfleetError as exc:
            return Result(False, error=str(exc), passing=not exc.fatal, cause=exc)

    def _add(
        self,
        argument: object,
        namespace: str | None,
        transport: str | None,
        identity: Identity | None = None,
        installs: bool = False,
    ) -> Result:
        if transport is not None and transport not in SERVED:
            raise UsageError(f"transport is {transport!r}; this release takes {', '.join(SERVED)}")
        token = self.open(argument)
        identity = identity or self.api.auth_test(token)
        namespace = self._namespace(namespace)
        died = installs and self._find_dead(bot_key(_home(identity), namespace), token)

        def renews(known: Bot) -> bool:
            return installs and known.desired == "stopped"

        result = self._put(identity, token, namespace, transport, renews)
        return dataclasses.replace(result, outcome="reactivated") if died else result

    def _put(
        self,
        identity: Identity,
        token: Token,
        namespace: str,
        transport: Transport | None,
        renews: Callable[[Bot], bool],
    ) -> Result:
        """Gives a team's bot a token; the one that it has changes nothing, unless `renews` or it had died."""
        key = bot_key(_home(identity), namespace)
        known, status = self.store.bot_and_status(key)
        made = self._bot(identity, token, namespace, transport or (known.transport if known else "rtm"))

        def change(old: Bot | None) -> Bot:
            if old is None:
                return made
            same = old.fingerprint == made.fingerprint and old.transport == made.transport
            if same and not is_dead(old, status) and not renews(old):
                return old
            return msgspec.structs.replace(made, generation=old.generation + 1, added_at=old.added_at)

        def told(before: Bot | None, after: Bot | None) -> Happening | None:
            was_dead = before is not None and is_dead(before, status)
            return what_happened(before, after, token_given=True, was_dead=was_dead)

        before, after = self._change(key, change, told)
        outcome = outcome_of(before, after or made, before is not None and is_dead(before, status))
        return dataclasses.replace(self._result(after or made), outcome=outcome)

    def _find_dead(self, key: str, token: Token) -> bool:
        """Asks Slack whether the token that a bot had until now has died, unseen; then the bot is marked."""
        bot, status = self.store.bot_and_status(key)
        if bot is None or bot.fingerprint == token.fingerprint or is_dead(bot, status):
            return False
        try:
            self.api.auth_test(self.open(bot.sealed_token))
        except SlackError as exc:
            if classify(exc.error) is Group.DEAD:
                self.deactivate(bot, exc.error)
                return True
        except BotfleetError:
            return True  # Sealed with a key that is gone: it could not be used any more.
        return False

    def _bot(self, identity: Identity, token: Token, namespace: str, transport: Transport) -> Bot:
        now = self._clock()
        return Bot(
            team_id=_home(identity),
            namespace=namespace,
            sealed_token=self.seal.seal(token),
            fingerprint=token.fingerprint,
            transport=transport,
            bot_user_id=identity.bot_user_id,
            bot_id=identity.bot_id,
            bot_name=identity.bot_name,
            team_name=identity.team_name,
            enterprise_id=identity.enterprise_id,
            added_at=now,
            updated_at=now,
        )

    def _update(self, argument: object, namespace: str | None, only_of: str | None) -> Result:
        if not is_token(argument):
            return self._restart(self.find(argument, namespace))
        token = self.open(argument)
        identity = self.api.auth_test(token)
        if only_of not in (None, _home(identity)):
            raise InvalidToken("other_team", detail=f"the token is another team's, and not {only_of}'s")
        known = self.find(_home(identity), namespace)
        return self._put(identity, token, known.namespace, known.transport, lambda old: True)

    def _remove(self, argument: object, namespace: str | None) -> Result:
        bot = self.find(argument, namespace)
        before, _ = self._change(bot.key, lambda old: None)
        for group in self.store.subscriptions():
            if group.startswith(listeners_group(bot.key)):
                self.store.put_subscriptions(group, ())
        forget(self.store, bot.key)
        if before is None:
            self.nudge(bot.key)
            raise TokenNotConnected("unknown_bot", detail=f"no bot of team {bot.team_id} is known")
        return Result(True, bot.team_id)

    def _check(self, argument: object, namespace: str | None) -> Result:
        if is_token(argument):
            token = self.open(argument)
            key = self._key_of_token(token, namespace)
            return self._ask(token, self.store.bot(key) if key else None, namespace)
        bot = self.find(argument, namespace)
        try:
            token = self.open(bot.sealed_token)
        except BotfleetError as exc:
            return Result(False, bot.team_id, self._state(bot), str(exc), cause=exc)
        return self._ask(token, bot, namespace)

    def _ask(self, token: Token, bot: Bot | None, namespace: str | None) -> Result:
        """Asks Slack about a token, which is `bot`'s where there is such a bot."""
        try:
            identity = self.api.auth_test(token)
        except SlackError as exc:
            if bot is None:
                return Result(False, error=str(exc), passing=not exc.fatal, cause=exc)
            dead = classify(exc.error) is Group.DEAD
            if dead and bot.transport in UNHELD:
                self.deactivate(bot, exc.error)
            state = "token_revoked" if dead else self._state(bot)
            return Result(False, bot.team_id, state, str(exc), not exc.fatal, cause=exc)
        bot = bot or self.store.bot(bot_key(_home(identity), self._namespace(namespace)))
        return Result(True, _home(identity), self._state(bot) if bot else None)

    def _for_teams(
        self, team_ids: Iterable[str], namespace: str | None, do: Callable[[Bot], Result]
    ) -> list[Result]:
        named = list(team_ids)
        if named:
            return [self._each(lambda one=one: do(self.find(one, namespace))) for one in named]  # type: ignore[misc]
        wanted = [bot for bot in self.bots() if namespace is None or bot.namespace == namespace]
        return [self._each(lambda bot=bot: do(bot)) for bot in wanted]  # type: ignore[misc]

    def _start(self, bot: Bot) -> Result:
        revived = self._revived(bot) if bot.desired == "stopped" else None
        return revived or self._wish(bot, "running")

    def _restart(self, bot: Bot) -> Result:
        return self._revived(bot) or self._renew(bot)

    def _revived(self, bot: Bot) -> Result | None:
        """Tries again a bot that is thought dead, where no holder would; None for all others."""
        if bot.transport not in UNHELD or not is_dead(bot, self.store.status(bot.key)):
            return None
        try:
            self.api.auth_test(self.open(bot.sealed_token))
        except BotfleetError as exc:
            return Result(False, bot.team_id, "token_revoked", str(exc), not exc.fatal, cause=exc)
        return self._renew(bot)

    def _wish(self, bot: Bot, desired: Desired) -> Result:
        def change(old: Bot | None) -> Bot | None:
            if old is None or old.desired == desired:
                return old
            # A start is a new attempt: what was dead or refused before is tried once more.
            generation = old.generation + (desired == "running")
            now = self._clock()
            return msgspec.structs.replace(old, desired=desired, generation=generation, updated_at=now)

        return self._changed(bot, change)

    def _renew(self, bot: Bot) -> Result:
        def change(old: Bot | None) -> Bot | None:
            if old is None:
                return None
            return msgspec.structs.replace(
                old, desired="running", generation=old.generation + 1, updated_at=self._clock()
            )

        return self._changed(bot, change)

    def _changed(self, bot: Bot, change: Callable[[Bot | None], Bot | None]) -> Result:
        before, after = self._change(bot.key, change)
        if after is None:
            raise TokenNotConnected("unknown_bot", detail=f"no bot of team {bot.team_id} is known")
        if before == after:
            # What nudged the holder before may have been lost.
            self.nudge(bot.key)
        return self._result(after)

    def _change(
        self,
        key: str,
        change: Change,
        told: Callable[[Bot | None, Bot | None], Happening | None] = what_happened,
    ) -> tuple[Bot | None, Bot | None]:
        """Changes a bot; in the same step its holder is told of it, and to look at the registry."""

        def telling(before: Bot | None, after: Bot | None) -> list[Command]:
            return self._commands(key, told(before, after))

        before, after = self.store.change_bot(key, change, telling)
        if after is not None and after.transport in UNHELD:
            settle(self.store, key, self._clock)
        return before, after

    def _commands(self, key: str, told: Happening | None) -> list[Command]:
        sync = Command(op="sync", key=key)
        if told is None:
            return [sync]
        return [command_of(msgspec.structs.replace(told, at=self._clock())), sync]

    def _result(self, bot: Bot) -> Result:
        # What will be, as soon as the holder has seen to it.
        return Result(True, bot.team_id, "stopped" if bot.desired == "stopped" else self._state(bot))

    def _state(self, bot: Bot) -> State:
        return state_of(bot, self.store.status(bot.key))

    def _status_of(self, team_id: str, namespace: str | None) -> dict[str, Any]:
        try:
            bot = self.find(team_id, namespace)
        except BotfleetError as exc:
            return {"team_id": as_shown(team_id), "error": str(exc)}
        return fields_of(describe(bot, self.store.status(bot.key)))

    def _key_of(self, argument: object, namespace: str | None) -> str | None:
        if is_token(argument):
            return self._key_of_token(self.open(argument), namespace)
        if not isinstance(argument, str) or not _KEY.fullmatch(argument):
            raise InvalidToken("invalid_argument", detail="expected a token (xoxb-…) or a team's id (T…)")
        key = bot_key(argument, self._namespace(namespace))
        if namespace is None and self.store.bot(key) is None:
            return argument  # Perhaps a whole key, as `status` shows it.
        return key

    def _key_of_token(self, token: Token, namespace: str | None) -> str | None:
        """The bot with this token; where several namespaces have the same token, the one that is meant."""
        known = self.store.key_of_token(token.fingerprint)
        if known is None:
            return None
        wanted = bot_key(split_key(known)[0], self._namespace(namespace))
        if wanted == known:
            return known
        bot = self.store.bot(wanted)
        if bot is not None and bot.fingerprint == token.fingerprint:
            return wanted
        return known if namespace is None else None

    def _namespace(self, namespace: str | None) -> str:
        if namespace is None:
            return self.settings.namespace
        if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
            raise UsageError("a namespace takes letters, digits, - and _")
        return namespace


def _home(identity: Identity) -> str:
    """Where an installation lives: the team, or the organisation for one that is org-wide."""
    return (identity.is_enterprise_install and identity.enterprise_id) or identity.team_id
