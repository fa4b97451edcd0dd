"""Which subscriptions an event matches: by type first, then by the filters that a subscription sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..model import Subscription
from ..slack.address import addressed, beginning, first_word, mentions
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
    if frame.type == "message":
        return "public"
    return "private" if frame.place == "privategroup" else "public"


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


#: Who said a message, as far as filters ask: its subtype (empty for a plain one), whether the bot itself said
#: it, and whether another bot did.
Speaker = tuple[object, bool, bool]


def _speaker(origin: Origin, frame: Frame) -> Speaker:
    subtype, bot_id = frame.subtype or _NO_SUBTYPE, frame.bot_id
    own = origin.bot_user_id != "" and frame.user_id == origin.bot_user_id
    if bot_id is None:
        return subtype, own, subtype == "bot_message" and not own
    own = own or (origin.bot_id != "" and bot_id == origin.bot_id)
    return subtype, own, not own


class Glance:
    """What filters look at in one event, each thing worked out once, and only if a filter asks for it.

    Made for every event that somebody might want, so without `cached_property`, whose lock costs more than
    all else here.

    Args:
        origin: whose event it is.
        frame: the event.
    """

    # Class attributes, so that making one sets no more than it is given.
    _speaker: Speaker | None = None
    _beginning: str | None = None
    _folded: str | None = None
    _action_ids: tuple[str, ...] | None = None
    #: By aliases: roles may differ in them during a deploy.
    _rests: dict[tuple[str, ...], str | None] | None = None

    def __init__(self, origin: Origin, frame: Frame) -> None:
        self.origin = origin
        self.frame = frame

    def speaker(self) -> Speaker:
        """Who said it."""
        if self._speaker is None:
            self._speaker = _speaker(self.origin, self.frame)
        return self._speaker

    @property
    def text(self) -> str:
        """The text; empty where there is none."""
        return self.frame.text if isinstance(self.frame.text, str) else ""

    def beginning(self) -> str:
        """See `slack.address.beginning`."""
        if self._beginning is None:
            self._beginning = beginning(self.text)
        return self._beginning

    def folded(self) -> str:
        """The text, case-folded."""
        if self._folded is None:
            self._folded = self.text.casefold()
        return self._folded

    def reaction(self) -> str:
        """A reaction's name, without its skin tone; empty where there is none."""
        name = self.frame.reaction
        return name.partition("::")[0] if isinstance(name, str) else ""

    def action_ids(self) -> tuple[str, ...]:
        """The ids of the buttons and menus that were used."""
        if self._action_ids is None:
            self._action_ids = self.frame.action_ids
        return self._action_ids

    def rest(self, aliases: tuple[str, ...]) -> str | None:
        """See `slack.address.addressed`; None for what has no text."""
        if self._rests is None:
            self._rests = {}
        if aliases not in self._rests:
            self._rests[aliases] = self._rest(aliases)
        return self._rests[aliases]

    def _rest(self, aliases: tuple[str, ...]) -> str | None:
        if not isinstance(self.frame.text, str):
            return None
        origin, is_dm = self.origin, scope_of(self.frame) == "dm"
        return addressed(self.frame.text, origin.bot_user_id, origin.bot_name, is_dm, aliases)


def _speaks_to_bot(wanted: Subscription) -> bool:
    return bool(wanted.addressed or wanted.words or wanted.not_words)


def _is_wanted_message(wanted: Subscription, glance: Glance) -> bool:
    if glance.frame.type != "message":
        return True
    subtype, own, from_bot = glance.speaker()
    if (own and not wanted.own) or (from_bot and not wanted.bots):
        return False
    if wanted.subtypes is not None:
        return subtype in wanted.subtypes or "*" in wanted.subtypes
    # A bot_message is an ordinary message of those who want bots at all.
    return subtype == _NO_SUBTYPE or (subtype == "bot_message" and (wanted.bots or own))


def _is_addressed(wanted: Subscription, glance: Glance) -> bool:
    rest = glance.rest(wanted.aliases)
    if rest is None:
        return False
    if not (wanted.words or wanted.not_words):
        return True
    word = first_word(rest)
    return (not wanted.words or word in wanted.words) and word not in wanted.not_words


def _is_mentioned(wanted: Subscription, glance: Glance) -> bool:
    return glance.rest(wanted.aliases) is not None or mentions(glance.text, glance.origin.bot_user_id)


Check = Callable[[Subscription, Glance], bool]
#: When a check is needed, and the check; the cheap ones and those that most often say no come first.
_CHECKS: tuple[tuple[Callable[[Subscription], object], Check], ...] = (
    (lambda wanted: wanted.bot, lambda wanted, glance: wanted.bot == glance.origin.key),
    (lambda wanted: {"message", EVERY_TYPE} & set(wanted.types), _is_wanted_message),
    (lambda wanted: wanted.scopes, lambda wanted, glance: scope_of(glance.frame) in wanted.scopes),
    (lambda wanted: wanted.reactions, lambda wanted, glance: glance.reaction() in wanted.reactions),
    (lambda wanted: wanted.commands, lambda wanted, glance: glance.frame.command in wanted.commands),
    (
        lambda wanted: wanted.action_ids,
        lambda wanted, glance: any(one in wanted.action_ids for one in glance.action_ids()),
    ),
    (lambda wanted: wanted.callback_ids, lambda wanted, glance: glance.frame.callback in wanted.callback_ids),
    (lambda wanted: wanted.attachments, lambda wanted, glance: glance.frame.has_attachments),
    (lambda wanted: wanted.prefixes, lambda wanted, glance: glance.beginning().startswith(wanted.prefixes)),
    (_speaks_to_bot, _is_addressed),
    (
        lambda wanted: wanted.contains,
        lambda wanted, glance: any(w in glance.folded() for w in wanted.contains),
    ),
    (lambda wanted: wanted.mentioned, _is_mentioned),
)


#: A subscription, and the checks that it asks for: what it does not ask for costs nothing.
Filter = tuple[Subscription, tuple[Check, ...]]


def filter_of(wanted: Subscription) -> Filter:
    """Takes a subscription apart."""
    return wanted, tuple(check for asked, check in _CHECKS if asked(wanted))


def passes(wanted: Filter, glance: Glance) -> bool:
    """Whether an event of a type that a subscription names passes all its checks."""
    subscription, checks = wanted
    return all(check(subscription, glance) for check in checks)


def wanted_by(groups: Mapping[str, Iterable[Subscription]]) -> list[Subscription]:
    """The subscriptions of all groups; a handler that two roles run wants its events once."""
    found = {
        (one.task, one.bot, one.kwargs.get("method")): one
        for group in sorted(groups)
        for one in groups[group]
    }
    return list(found.values())


class Router:
    """Subscriptions arranged for matching. Immutable: a change of subscriptions makes a new one.

    Attributes:
        divides: whether any of them wants its events in batches, or one after another.
    """

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        declared = tuple(subscriptions)
        self.divides = any(one.batch or one.ordered for one in declared)
        kinds = {kind for one in declared for kind in one.types}
        self._by_type = {kind: _Wanted(declared, kind) for kind in kinds}
        self._every = self._by_type.pop(EVERY_TYPE, None)
        self._kinds = frozenset(kind.encode() for kind in self._by_type)

    def ignores(self, kind: bytes) -> bool:
        """Whether nobody wants any event of a type, whatever else is in it."""
        return self._every is None and kind not in self._kinds

    def match(self, origin: Origin, frame: Frame) -> list[Subscription]:
        """Returns the subscriptions that want this event, in the order of their declaration."""
        wanted = self._by_type.get(frame.type, self._every)
        found: list[Subscription] = []
        if wanted is None:
            return found
        glance = Glance(origin, frame)
        for subscription, checks in wanted.filters(glance) if wanted.commands else wanted.all:
            for check in checks:
                if not check(subscription, glance):
                    break
            else:
                found.append(subscription)
        return found


class _Wanted:
    """The subscriptions to one type of event.

    Attributes:
        all: of these.
        commands: whether any takes only what is addressed to the bot.
    """

    def __init__(self, declared: Iterable[Subscription], kind: str) -> None:
        self.all = tuple(filter_of(one) for one in declared if {kind, EVERY_TYPE} & set(one.types))
        self._listening = tuple(one for one in self.all if not _speaks_to_bot(one[0]))
        self._aliases = tuple({one.aliases for one, _ in self.all if _speaks_to_bot(one)})
        self.commands = bool(self._aliases)

    def filters(self, glance: Glance) -> tuple[Filter, ...]:
        """Those that are worth a look: most messages are not for the bot, which spares all its commands."""
        for aliases in self._aliases:
            if glance.rest(aliases) is not None:
                return self.all
        return self._listening
