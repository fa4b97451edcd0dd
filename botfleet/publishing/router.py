"""Which subscriptions an event matches: by type first, then by the filters that a subscription sets."""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Subscription
from ..slack.address import addressed, first_word
from ..slack.envelope import Origin
from ..slack.frames import Frame

#: Message subtypes that a person makes with an ordinary message.
_NO_SUBTYPE = ""
EVERY_TYPE = "*"


def scope_of(frame: Frame) -> str:
    """Where an event happened: `dm`, `private` or `public`.

    RTM frames carry no `channel_type`, so that there the id's first letter must do; a private channel made
    since 2021 has a `C…` id and counts as public.
    """
    kind, channel = frame.channel_type, frame.channel_id
    if kind == "im" or channel.startswith("D"):
        return "dm"
    if kind in ("mpim", "group") or channel.startswith("G"):
        return "private"
    return "public"


def queue_for(frame: Frame) -> str:
    """The queue that an event's tasks go to, where the handler names none."""
    if frame.type == "message":
        return "events.message.public" if scope_of(frame) == "public" else "events.message.private"
    if frame.type in ("team_join", "member_joined_channel"):
        return f"events.{frame.type}"
    return "events.other"


#: Every queue that `queue_for` names, for those who consume.
EVENT_QUEUES = (
    "events.message.public",
    "events.message.private",
    "events.team_join",
    "events.member_joined_channel",
    "events.other",
)


class Router:
    """Subscriptions arranged for matching. Immutable: a change of subscriptions makes a new one.

    Attributes:
        batches: whether any of them wants its events in batches.
    """

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        declared = tuple(subscriptions)
        self.batches = any(one.batch for one in declared)
        kinds = {kind for one in declared for kind in one.types}
        self._by_type = {
            kind: tuple(one for one in declared if kind in one.types or EVERY_TYPE in one.types)
            for kind in kinds
        }
        self._every = self._by_type.pop(EVERY_TYPE, ())
        self._kinds = frozenset(kind.encode() for kind in self._by_type)

    def ignores(self, kind: bytes) -> bool:
        """Whether nobody wants any event of a type, whatever else is in it."""
        return not self._every and kind not in self._kinds

    def match(self, origin: Origin, frame: Frame) -> list[Subscription]:
        """Returns the subscriptions that want this event, in the order of their declaration."""
        wanted = self._by_type.get(frame.type, self._every)
        return [one for one in wanted if _wants(one, origin, frame)] if wanted else []


def _wants(wanted: Subscription, origin: Origin, frame: Frame) -> bool:
    if wanted.bot and wanted.bot != origin.key:
        return False
    if frame.type == "message" and not _wants_message(wanted, origin, frame):
        return False
    if wanted.scopes and scope_of(frame) not in wanted.scopes:
        return False
    return not (wanted.addressed or wanted.words) or _is_addressed(wanted, origin, frame)


def _wants_message(wanted: Subscription, origin: Origin, frame: Frame) -> bool:
    subtype = frame.subtype or _NO_SUBTYPE
    own = _is_own(origin, frame)
    if own and not wanted.own:
        return False
    from_bot = not own and (frame.bot_id is not None or subtype == "bot_message")
    if from_bot and not wanted.bots:
        return False
    if wanted.subtypes is not None:
        return subtype in wanted.subtypes or "*" in wanted.subtypes
    return subtype == _NO_SUBTYPE or (subtype == "bot_message" and (wanted.bots or own))


def _is_own(origin: Origin, frame: Frame) -> bool:
    by_user = bool(origin.bot_user_id) and frame.user_id == origin.bot_user_id
    return by_user or (bool(origin.bot_id) and frame.bot_id == origin.bot_id)


def _is_addressed(wanted: Subscription, origin: Origin, frame: Frame) -> bool:
    if not isinstance(frame.text, str):
        return False
    rest = addressed(frame.text, origin.bot_user_id, origin.bot_name, scope_of(frame) == "dm")
    if rest is None:
        return False
    return not wanted.words or first_word(rest) in wanted.words
