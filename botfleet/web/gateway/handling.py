"""What is done with what Slack sent: it is published, where it is an event of a bot of ours."""

from __future__ import annotations

import logging

from ...clock import MonotonicClock, monotonic_clock
from ...fleet import Fleet
from ...model import bot_key
from ...publishing.confirmed import ConfirmedPublisher
from ...slack.envelope import Identifier, Origin, harmless
from ...slack.frames import Frame
from ..blocking import Run
from . import answers, forms
from .answers import Answer, malformed, ok
from .counters import Counters
from .deliveries import Delivery, decode, event_of
from .directory import Directory, Known
from .uninstalls import ENDINGS, deactivate, ends_bot

logger = logging.getLogger(__name__)

#: Characters of a challenge; Slack's have about fifty.
_MAX_CHALLENGE = 1000
#: Seconds for which what Slack says again and again is logged once.
_QUIET = 60.0
#: Options for a menu are to be there within three seconds, which no task promises.
_NO_OPTIONS = ok("taken", b'{"options":[]}', b"application/json")
_NO_OPTIONS_TYPE = "block_suggestion"


class Handling:
    """Answers what came with a good signature.

    All methods raise `Refused`, `PublishError` or `StoreError` for what was not taken.

    Args:
        fleet: whose bots are served.
        publisher: takes the events.
        directory: finds the bots.
        counters: of this process.
        run: does what blocks.
        monotonic: for how long nothing is logged again.
    """

    def __init__(
        self,
        fleet: Fleet,
        publisher: ConfirmedPublisher,
        directory: Directory,
        counters: Counters,
        run: Run,
        monotonic: MonotonicClock = monotonic_clock,
    ) -> None:
        self._fleet = fleet
        self._publisher = publisher
        self._directory = directory
        self._counters = counters
        self._run = run
        self._monotonic = monotonic
        self._identifier = Identifier()
        self._limits_logged = -_QUIET

    async def event(self, namespace: str, body: bytes) -> Answer:
        """Takes a request of the Events API."""
        delivery = decode(body)
        if delivery.type == "event_callback":
            frame, raw = event_of(delivery)
            keys = [bot_key(home, namespace) for home in delivery.homes]
            known = self._directory.recall(keys) or await self._directory.find(keys)
            if known is None:
                return answers.UNKNOWN_TEAM
            if known.bot.transport == "http":
                answer = await self._publish(known, frame, raw, self._id_of(delivery, frame, known.origin))
            else:
                answer = answers.NOT_SERVED  # A holder hears its events.
            if frame.type in ENDINGS and ends_bot(frame, raw, known.bot):
                await self._end(known.bot.key, delivery, frame)
            return answer
        if delivery.type == "url_verification":
            return _answer_challenge(delivery.challenge)
        if delivery.type == "app_rate_limited":
            self._say_limited(namespace, delivery)
            return answers.RATE_LIMITED
        if not delivery.type:
            raise malformed("The body has no type.")
        return answers.UNKNOWN_KIND

    async def command(self, namespace: str, body: bytes) -> Answer:
        """Takes a slash command."""
        fields = forms.fields_of(body.decode())
        if fields.get("ssl_check") == "1":
            return answers.VERIFIED
        answer = await self._submission(namespace, forms.slash_command(fields))
        return answers.NO_HANDLER if answer is answers.UNWANTED else answer

    async def interaction(self, namespace: str, body: bytes) -> Answer:
        """Takes an interactive payload."""
        fields = forms.fields_of(body.decode())
        if fields.get("ssl_check") == "1":
            return answers.VERIFIED
        submission = forms.interaction(fields)
        answer = await self._submission(namespace, submission)
        return _NO_OPTIONS if submission.frame.type == _NO_OPTIONS_TYPE else answer

    # Steps

    def _id_of(self, delivery: Delivery, frame: Frame, origin: Origin) -> str:
        event_id = delivery.event_id
        if isinstance(event_id, str) and event_id:
            return harmless(event_id)
        return self._identifier.identify(origin, frame)

    async def _end(self, key: str, delivery: Delivery, frame: Frame) -> None:
        done = await self._run(lambda: deactivate(self._fleet, key, delivery, frame))
        self._counters.deactivated += done

    async def _submission(self, namespace: str, submission: forms.Submission) -> Answer:
        known = await self._directory.find([bot_key(home, namespace) for home in submission.homes])
        if known is None:
            return answers.UNKNOWN_TEAM
        event_id = submission.id_for(known.bot.key)
        return await self._publish(known, submission.frame, submission.payload, event_id)

    async def _publish(self, known: Known, frame: Frame, raw: bytes, event_id: str) -> Answer:
        if known.bot.desired == "stopped":
            return answers.NOT_SERVED
        wanted = await self._publisher.publish(known.origin, frame, raw, event_id)
        return answers.TAKEN if wanted else answers.UNWANTED

    def _say_limited(self, namespace: str, delivery: Delivery) -> None:
        now = self._monotonic()
        if now - self._limits_logged >= _QUIET:
            self._limits_logged = now
            homes = [harmless(bot_key(home, namespace)) for home in delivery.homes]
            logger.warning(
                "Slack leaves out events of %s: more than 30,000 came within an hour",
                homes[0] if homes else "a team",
                extra={"action": "gateway.rate_limited"},
            )


def _answer_challenge(challenge: object) -> Answer:
    if not isinstance(challenge, str) or not 0 < len(challenge) <= _MAX_CHALLENGE:
        raise malformed("There is no challenge to answer.")
    return ok("verified", challenge.encode(), b"text/plain; charset=utf-8")
