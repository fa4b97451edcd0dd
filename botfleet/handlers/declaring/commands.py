"""How a bot's author declares the handlers of the chain: of those that match an event, the first is run.

The chain is in order of definition: modules by name, and within a module from top to bottom.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Unpack

from ...slack.address import first_word
from ..handler import Handler, P, R, Traits
from ..matching.matchers import AttachmentMatcher, CommandMatcher, PrefixMatcher, ScanMatcher, TextMatcher
from ..matching.options import Kind
from .declaration import Declaration, HandlerOptions

#: Seconds after which nobody waits for an answer any more.
_MAX_AGE = 30.0
#: The parts of an attachment that people read.
FIELDS = ("pretext", "title", "text")
_PATTERN = 'a regular expression, as in @{kind}(r"\\d+")'


def command(
    *words: str | re.Pattern[str],
    options: bool | Mapping[str, Kind] = False,
    **more: Unpack[HandlerOptions],
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for a command: `@bot ping`, `bot: ping`, or `ping` in a direct message.

        @command("ping")
        def ping(event, client, match):
            client.reply("pong")

    Args:
        words: the command and its aliases; each may be several words, or a pattern (`re.compile`). Case and
            white space don't matter.
        options: whether `--name value` and the like in what follows are put into `match.options`: True for
            any, or their types by name; see `options.Form`.
        more: see `HandlerOptions`; `max_age` is 30 seconds.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("command", words, 'a command, as in @command("ping")')
    patterns = [declared.pattern(one, ignore_case=True, is_word=True) for one in words if _is_pattern(one)]
    phrases = [
        declared.command(text) for text in declared.only_texts(one for one in words if not _is_pattern(one))
    ]
    # Of a pattern nobody knows how what it matches begins.
    first_words = () if patterns else tuple(dict.fromkeys(first_word(text) for text in phrases))
    return declared.handler(
        {"max_age": _MAX_AGE, **more},
        CommandMatcher(phrases, patterns),
        Traits(chained=True, names=tuple(phrases), form=declared.form(options)),
        types=("message",),
        addressed=True,
        words=first_words,
    )


def operator(*signs: str, **options: Unpack[HandlerOptions]) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for messages that begin with a sign, without the bot's name: `=2+2`.

        @operator("=")
        def reckon(client, match):
            client.reply(reckoned(match.expression))

    Args:
        signs: what the text begins with; `match.expression` is what follows.
        options: see `HandlerOptions`; `max_age` is 30 seconds.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("operator", signs, 'a sign, as in @operator("=")')
    folded = tuple(dict.fromkeys(declared.prefix(text) for text in declared.names))
    return declared.handler(
        {"max_age": _MAX_AGE, **options},
        PrefixMatcher(folded),
        Traits(chained=True, names=folded),
        types=("message",),
        prefixes=folded,
    )


def match(
    pattern: str | re.Pattern[str], **options: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for messages in which a pattern is found, without the bot's name.

        @match(r"(?i)how is the weather in (?P<place>\\w+)")
        def weather(client, match):
            client.reply(f"Sunny in {match['place']}.")

    Args:
        pattern: searched for in the whole text, as `re.search` does, but for a limited time.
        options: see `HandlerOptions`; `max_age` is 30 seconds.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("match", (pattern,), _PATTERN.format(kind="match"))
    matcher = TextMatcher(declared.pattern(pattern))
    return declared.handler(
        {"max_age": _MAX_AGE, **options}, matcher, Traits(chained=True), types=("message",)
    )


def scan(
    pattern: str | re.Pattern[str], **options: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for all that a pattern finds in a message, without the bot's name.

        @scan(r"\\b[A-Z]+-\\d+\\b")
        def tickets(client, match):
            client.reply(", ".join(match.finds))

    Args:
        pattern: what is searched for; `match.finds` is what `re.findall` gives.
        options: see `HandlerOptions`; `max_age` is 30 seconds.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("scan", (pattern,), _PATTERN.format(kind="scan"))
    matcher = ScanMatcher(declared.pattern(pattern))
    return declared.handler(
        {"max_age": _MAX_AGE, **options}, matcher, Traits(chained=True), types=("message",)
    )


def attachment(
    pattern: str | re.Pattern[str], fields: str | Iterable[str] = FIELDS, **options: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for messages with an attachment in which a pattern is found.

        @attachment(r"build (?P<number>\\d+) failed", bots=True)
        def failed(client, match):
            client.reply(f"Look at {match.attachment['title_link']}")

    Most attachments are made by other bots, which are heard with `bots=True` only.

    Args:
        pattern: searched for in each field of each attachment; the first find counts.
        fields: of Slack's attachment.
        options: see `HandlerOptions`; `max_age` is 30 seconds.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("attachment", (pattern,), _PATTERN.format(kind="attachment"))
    matcher = AttachmentMatcher(declared.pattern(pattern), declared.texts("fields", fields))
    return declared.handler(
        {"max_age": _MAX_AGE, **options},
        matcher,
        Traits(chained=True),
        types=("message",),
        attachments=True,
    )


def _is_pattern(word: object) -> bool:
    return isinstance(word, re.Pattern)
