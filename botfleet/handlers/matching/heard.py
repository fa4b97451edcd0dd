"""An event as matchers look at it: what its text says to the bot is worked out once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec

from ...publishing.router import Glance
from ...slack.address import addressed, beginning, folded, mentions
from ...slack.envelope import Origin
from ...slack.frames import Frame, decode
from ..client import Client
from ..event import Event


class Heard:
    """An event, and the client of the bot that heard it.

    The bot's name is in the registry only, and a look there is dear: it is put off until all else fails.

    Args:
        event: the event.
        client: of its bot.
    """

    # Class attributes, so that most events cost no more than these two.
    _folded: str | None = None
    _looked: bool = False
    _rest: str | None = None
    _asked: bool = False
    _named: str | None = None
    _glance: Glance | None = None

    def __init__(self, event: Event, client: Client) -> None:
        self.event = event
        self.client = client

    @property
    def text(self) -> str:
        """What was said."""
        return self.event.text

    @property
    def folded(self) -> str:
        """What was said, case-folded."""
        if self._folded is None:
            self._folded = self.text.casefold()
        return self._folded

    @property
    def beginning(self) -> str:
        """See `slack.address.beginning`."""
        return beginning(self.text)

    @property
    def is_mentioned(self) -> bool:
        """Whether the text is addressed to the bot, or mentions it anywhere."""
        return mentions(self.text, self.event.bot_user_id) or any(True for _ in self.rests())

    def rests(self, words: Iterable[str] = ("",)) -> Iterator[str]:
        """What follows the bot's address; none where it is not addressed.

        There may be two, with and without the bot's name: in a direct message, where it need not be
        addressed, and where an alias is the beginning of the name.

        Args:
            words: first words, case-folded, of which one is sought: without any of them the bot's name need
                not be known.
        """
        unnamed = self._unnamed()
        if unnamed is not None:
            yield unnamed
        # After a mention no name is looked for.
        if not self.text.lstrip().startswith("<@") and any(word in self.folded for word in words):
            named = self._by_name()
            if named is not None and named != unnamed:
                yield named

    def glance(self) -> Glance:
        """The event as holders see it."""
        if self._glance is None:
            frame = decode(msgspec.json.encode(self.event.payload), self.event.type) or Frame()
            self._glance = Glance(Origin.of(self.client.bot), frame)
        return self._glance

    def _unnamed(self) -> str | None:
        """What follows the address without the bot's name."""
        if not self._looked:
            self._looked, self._rest = True, self._after_address("")
        return self._rest

    def _by_name(self) -> str | None:
        if not self._asked:
            self._asked, self._named = True, self._after_address(self.client.bot.bot_name)
        return self._named

    def _after_address(self, bot_name: str) -> str | None:
        event, aliases = self.event, folded_all(self.client.aliases)
        return addressed(event.text, event.bot_user_id, bot_name, event.is_dm, aliases)


@lru_cache(maxsize=16)
def folded_all(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the form that texts are compared with; a process has one set of them."""
    return tuple(folded(name) for name in names)
