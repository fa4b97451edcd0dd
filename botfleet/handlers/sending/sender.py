"""The one door through which everything goes out that a client sends.

It knows four things: what shadow mode holds back, what an earlier try of the same handler has said already,
how often Slack lets something be done, and which failures leave it unknown whether it was done. A message on
a socket costs one round trip to the store, a call of the Web API one before it and, where it changes
something for an event, one after it.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from slack_sdk.web import SlackResponse

from ...errors import ConnectionRateLimited, PerhapsDone, SlackError, StoreError, TurnTooFar
from ...model import Command
from ...slack.errors import to_exception
from ...slack.methods import answers_secrets, is_post, is_read, is_repeatable
from ...store.base import Store
from ...store.values import UNPACED, Pacing
from ...webapi import error_of
from ..context import HandlerContext
from .counting import count_send, result_of
from .sent import Sent
from .shadow import Shadow

logger = logging.getLogger(__name__)

#: Messages that may be posted in one channel at once, after a pause: Slack allows "short bursts".
BURST = 4
#: Seconds that one call waits in place for its turn, all together, where nothing is ever tried again.
PATIENCE = 10.0
#: The same in a handler, whose retry waits without a worker: one busy channel is not to keep all of them.
BRIEF = 2.0
#: Seconds for which the answer to a message on a socket is waited for.
ANSWER_TIMEOUT = 10.0
#: Seconds to wait where Slack says "too often" without saying how long.
_UNTOLD = 1.0
#: Characters of an answer that are remembered; of a longer one, its plain fields only.
_REMEMBERED = 8_000


class Once:
    """Names each thing that a run of a handler sends, so that a later try of it gives it the same name.

    Args:
        origin: what the tries have in common: task, bot and event; empty where nothing is ever tried again.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._counts: Counter[str] = Counter()

    def mark(self, *what: object) -> str:
        """The name of something that is sent; of equal ones, each has its own. Empty without an origin."""
        if not self._origin:
            return ""
        text = json.dumps([self._origin, *what], sort_keys=True, default=repr)
        digest = blake2b(text.encode(), digest_size=16).hexdigest()
        self._counts[digest] += 1
        return f"{digest}.{self._counts[digest]}"


class Sender:
    """Sends for one bot, in one run of a handler.

    Args:
        context: of the process.
        key: the bot's.
        origin: see `Once`.
        shadow: what is held back.
    """

    def __init__(self, context: HandlerContext, key: str, origin: str, shadow: Shadow) -> None:
        self._context = context
        self._key = key
        self._once = Once(origin and f"{origin} {key}")
        self._patience = BRIEF if origin else PATIENCE
        self._shadow = shadow

    # Over the socket

    def say(self, channel: str, text: str, wait: bool) -> Sent | None:
        """Says something over the bot's socket, by the holder that has it.

        Returns:
            None where nobody waits for Slack's answer.

        Raises:
            SlackError: Slack refused, and somebody waited.
            PerhapsDone: nobody knows whether it was said, and somebody waited.
            StoreUnavailable: the store is away.
        """
        if self._shadow.hides(channel):
            made_up = self._shadow.hide("message", channel, {"text": text})
            return Sent(channel, made_up["ts"], shadow=True) if wait else None
        ticket = uuid.uuid4().hex if wait else ""
        command = Command(op="message", key=self._key, channel=channel, text=text, ticket=ticket)
        mark = self._once.mark("message", channel, text, wait)
        earlier = self._put(command, mark)
        if not wait:
            count_send(self._context.tally, "rtm", "unasked")
            return None
        try:
            sent = self._answer(earlier or ticket, mark, channel)
        except SlackError as exc:
            count_send(self._context.tally, "rtm", result_of(exc))
            raise
        count_send(self._context.tally, "rtm", "ok")
        return sent

    def signal(self, command: Command) -> None:
        """Sends a typing indicator or a ping over the socket; nobody hears of its fate."""
        if command.channel and self._shadow.hides(command.channel):
            self._shadow.hide(command.op, command.channel, {})
        else:
            self._store.send([command])

    def _put(self, command: Command, mark: str) -> str | None:
        if mark:
            return self._store.send_once(command, mark, self._ttl)
        self._store.send([command])
        return None

    def _answer(self, ticket: str, mark: str, channel: str) -> Sent:
        answer = self._store.wait_for_answer(ticket, ANSWER_TIMEOUT)
        if answer is None:
            raise PerhapsDone("no_answer", detail=f"the socket gave none within {ANSWER_TIMEOUT:g} s")
        if answer.in_doubt:
            raise PerhapsDone(answer.error, detail=answer.detail)
        if answer.error:
            self._forget(mark)
            raise to_exception(answer.error, detail=answer.detail)
        return Sent(channel, answer.ts)

    # By the Web API

    def call(
        self, method: str, arguments: Mapping[str, Any], do: Callable[[], SlackResponse]
    ) -> SlackResponse | dict[str, Any]:
        """Calls a method of the Web API in its turn, if it is to be called at all.

        Args:
            method: its name.
            arguments: what tells this call from others.
            do: calls it.

        Returns:
            Slack's answer; or, where nothing was called, what is known of the answer.

        Raises:
            TurnTooFar: its turn is too far away: `retry_after`.
            PerhapsDone: an earlier try may have done it.
            StoreUnavailable: the store is away; nothing was called.
        """
        target = target_of(arguments)
        if is_read(method):
            return self._call(method, "", UNPACED, do)
        if self._shadow.hides(target):
            return self._shadow.hide(method, target, arguments)
        mark = "" if answers_secrets(method) else self._once.mark(method, arguments)
        return self._call(method, mark, self._pacing(method, target), do)

    def _call(
        self, method: str, mark: str, pacing: Pacing, do: Callable[[], SlackResponse]
    ) -> SlackResponse | dict[str, Any]:
        halt, left = f"{self._key}:{method}", self._patience
        while True:
            noted, left = self._admitted(mark, halt, pacing, left)
            if noted is not None:
                return _of_earlier_try(noted)
            try:
                answer = do()
            except Exception as exc:
                self._count_failure(exc)
                if not self._is_worth_another(exc, "" if is_repeatable(method) else mark, halt, left):
                    raise
            else:
                count_send(self._context.tally, "web", "ok")
                self._note(mark, _remembered(answer.data))
                return answer

    def _admitted(self, mark: str, halt: str, pacing: Pacing, left: float) -> tuple[str | None, float]:
        """Waits for the turn; gives what was noted of an earlier try, and how long may be waited yet."""
        while True:
            admission = self._store.admit(mark, halt, pacing, left, self._ttl)
            if admission.wait > left:
                raise TurnTooFar(
                    "ratelimited", retry_after=admission.wait, detail="the fleet keeps from sending that long"
                )
            if admission.wait > 0:
                self._context.sleep(admission.wait)
                left -= admission.wait
            if admission.taken or admission.noted is not None:
                return admission.noted, left

    def _is_worth_another(self, exc: Exception, mark: str, halt: str, left: float) -> bool:
        """Sees to it that all the fleet learns what a failure tells; whether to go on at once."""
        error = error_of(exc)
        if isinstance(error, ConnectionRateLimited):
            wait = _UNTOLD if error.retry_after is None else error.retry_after
            # A moment at the least: without one, a Slack that says 0 for ever would be asked for ever.
            self._unhindered(lambda: self._store.halt(halt, max(wait, 0.05)))
            return wait <= left - 0.05
        if error is not None and error.perhaps_done:
            self._note(mark, json.dumps({"ok": False, "error": error.error}))
        return False

    def _count_failure(self, exc: Exception) -> None:
        error = error_of(exc)
        if error is not None:
            count_send(self._context.tally, "web", result_of(error))

    def _pacing(self, method: str, target: str) -> Pacing:
        rate = self._context.settings.send_rate
        if not (rate and is_post(method)):
            return UNPACED
        return Pacing(f"post:{self._key}:{target}", rate, BURST)

    # Notes

    def _note(self, mark: str, value: str) -> None:
        if mark:
            self._unhindered(lambda: self._store.note(mark, value, self._ttl))

    def _forget(self, mark: str) -> None:
        if mark:
            self._unhindered(lambda: self._store.forget(mark))

    def _unhindered(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StoreError as exc:
            # What is done is done; only another try of this handler might do it again.
            logger.warning(
                "%s: what Slack answered can't be noted: %s",
                *(self._key, exc),
                extra={"action": "send.unnoted", "bot": self._key},
            )

    @property
    def _store(self) -> Store:
        return self._context.store

    @property
    def _ttl(self) -> float:
        return self._context.settings.dedupe_ttl


def target_of(arguments: Mapping[str, Any]) -> str:
    """Where a call acts: a channel or a user; empty where that can't be told.

    >>> target_of({"channel": "C1", "text": "hi"}), target_of({"users": "U7"}), target_of({})
    ('C1', 'U7', '')
    """
    found = (arguments.get(name) for name in ("channel", "channel_id", "users"))
    return next((one for one in found if isinstance(one, str) and one), "")


def _of_earlier_try(noted: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(noted)
    if not answer["ok"]:
        raise PerhapsDone(answer["error"], detail="an earlier try of this handler may have done it")
    return answer


def _remembered(data: object) -> str:
    """What is noted of an answer: all of it, or what is short."""
    answer = data if isinstance(data, dict) else {}
    whole = json.dumps({**answer, "ok": True}, default=str)
    if len(whole) <= _REMEMBERED:
        return whole
    plain = {name: value for name, value in answer.items() if isinstance(value, str | int) and name != "text"}
    return json.dumps({**plain, "ok": True})
