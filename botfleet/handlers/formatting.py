"""Slack's markup (mrkdwn): writing it, reading it, and making it of Markdown.

    from botfleet import formatting as f

    client.reply(f"{f.user(event.user)} wants {f.bold('tea')}, see {f.link(url, 'the menu')}")

Functions that set a style escape nothing, so that they can be put into each other; what people wrote goes
through `escape` first, or else its `<!channel>` would call everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ..slack.markup import plain, unescape

__all__ = [
    "bold",
    "bullets",
    "channel",
    "code",
    "code_block",
    "date",
    "escape",
    "everyone",
    "from_markdown",
    "group",
    "here",
    "italic",
    "link",
    "mention_channel",
    "quote",
    "strike",
    "to_plain",
    "unescape",
    "user",
]

#: Begins and ends a block of code.
_FENCE = "```"
#: A style's sign at the edges of words, as Slack reads it; there is more than signs between the two.
_STYLE = re.compile(r"(?<![\w*_~`])([*_~`])([*_~`]*[^\s*_~`](?:[^\n]*?\S)?)\1(?![\w*_~`])")
_QUOTED = re.compile(r"^(?:>|&gt;) ?", flags=re.MULTILINE)


def escape(text: str) -> str:
    """Makes plain text of what people wrote: Slack reads nothing into it.

    >>> escape("a < b & c > d")
    'a &lt; b &amp; c &gt; d'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# Styles


def bold(text: str) -> str:
    """Bold text, line by line, for Slack ends a style with its line.

    >>> bold("tea")
    '*tea*'
    """
    return _styled(text, "*")


def italic(text: str) -> str:
    """Italic text.

    >>> italic("tea")
    '_tea_'
    """
    return _styled(text, "_")


def strike(text: str) -> str:
    """Text that is struck out.

    >>> strike("tea")
    '~tea~'
    """
    return _styled(text, "~")


def code(text: str) -> str:
    """Code within a line; takes the text as it is, and escapes it. Slack knows no backtick within it.

    >>> code("a < b")
    '`a &lt; b`'
    """
    return _styled(escape(text).replace("`", "ˋ"), "`")


def code_block(text: str) -> str:
    """Code in lines of its own; takes the text as it is, and escapes it.

    >>> code_block("a < b")
    '```\\na &lt; b\\n```'
    """
    # A zero-width space keeps what is in the text from ending the block.
    body = escape(text).replace("```", "`\u200b`\u200b`")
    return f"```\n{body}\n```"


def quote(text: str) -> str:
    """Quoted text, line by line.

    >>> quote("one\\ntwo")
    '> one\\n> two'
    """
    return "\n".join(f"> {line}" for line in text.split("\n"))


def bullets(items: Iterable[str], numbered: bool = False) -> str:
    """A list with bullets or numbers; Slack has no markup for it. Further lines of an item stand under it.

    >>> print(bullets(["one", "two\\nmore"]))
    • one
    • two
      more
    >>> bullets(["one", "two"], numbered=True)
    '1. one\\n2. two'
    """
    signs = (f"{number}. " if numbered else "• " for number in range(1, 1_000_000))
    return "\n".join(
        sign + item.replace("\n", "\n" + " " * len(sign)) for sign, item in zip(signs, items, strict=False)
    )


# What is between < and >


def link(url: str, label: str = "") -> str:
    """A link.

    Args:
        url: where it leads.
        label: shown for it, as it is: it is escaped here.

    >>> link("https://example.com/?a=1&b=2", "a < b")
    '<https://example.com/?a=1&amp;b=2|a &lt; b>'
    """
    safe = escape(url).replace("|", "%7C")
    return f"<{safe}|{_label(label)}>" if label else f"<{safe}>"


def user(id: str) -> str:
    """Mentions a user, who is told.

    >>> user("U1")
    '<@U1>'
    """
    return f"<@{id}>"


def channel(id: str) -> str:
    """Names a channel, as a link to it.

    >>> channel("C1")
    '<#C1>'
    """
    return f"<#{id}>"


def group(id: str) -> str:
    """Mentions a user group, whose members are told.

    >>> group("S1")
    '<!subteam^S1>'
    """
    return f"<!subteam^{id}>"


def here() -> str:
    """Mentions the members of the channel that are active.

    >>> here()
    '<!here>'
    """
    return "<!here>"


def mention_channel() -> str:
    """Mentions all members of the channel.

    >>> mention_channel()
    '<!channel>'
    """
    return "<!channel>"


def everyone() -> str:
    """Mentions everybody in the team, where it is said in its general channel.

    >>> everyone()
    '<!everyone>'
    """
    return "<!everyone>"


def date(
    when: datetime | float, form: str = "{date_short_pretty} at {time}", *, fallback: str = "", url: str = ""
) -> str:
    """A date as each reader has it, in their own time zone.

    Args:
        when: unix seconds, or a datetime; one without a time zone is taken for UTC.
        form: Slack's: `{date}`, `{date_pretty}`, `{date_long}`, `{time}`, `{time_secs}`, `{ago}` and words.
        fallback: shown by what knows no dates; the date in UTC where not given.
        url: makes it a link.

    >>> date(0, "{date} {time}")
    '<!date^0^{date} {time}|1970-01-01 00:00 UTC>'
    """
    if isinstance(when, datetime):
        when = (when.replace(tzinfo=UTC) if when.tzinfo is None else when).timestamp()
    shown = fallback or f"{datetime.fromtimestamp(int(when), UTC):%Y-%m-%d %H:%M} UTC"
    parts = ["!date", str(int(when)), _label(form).replace("^", " "), *([escape(url)] if url else [])]
    return f"<{'^'.join(parts)}|{_label(shown)}>"


# Reading it, and other forms


def to_plain(text: str) -> str:
    """What a text says, without its markup: labels for links and mentions, styles left out.

    Mentions without a label keep their id: who is who, only the team's directory knows.

    >>> to_plain("*Hi* <@U1|alice>, see <https://example.com|the &lt;menu&gt;> in <#C1> <!here>")
    'Hi @alice, see the <menu> in #C1 @here'
    """
    pieces = text.split(_FENCE)
    if len(pieces) % 2 == 0:  # The last fence ends nothing.
        pieces[-2:] = [_FENCE.join(pieces[-2:])]
    # What stands between two fences is code, in which nothing is a style.
    bare = "".join(
        piece.removeprefix("\n").removesuffix("\n") if number % 2 else _without_styles(piece)
        for number, piece in enumerate(pieces)
    )
    return plain(bare, user=str, channel=str)


def from_markdown(markdown: str) -> str:
    """Makes Slack's markup of Markdown (CommonMark, with tables and strike-through).

    Headings become bold lines, images links, tables blocks of code; HTML is shown as it stands.

    >>> from_markdown("# Tea\\n\\n**Hot** and *sweet*, [menu](https://example.com)")
    '*Tea*\\n\\n*Hot* and _sweet_, <https://example.com|menu>'
    """
    # Only here: nobody else needs the parser.
    from .markdown import render

    return render(markdown)


def _styled(text: str, sign: str) -> str:
    return "\n".join(f"{sign}{line}{sign}" if line.strip() else line for line in text.split("\n"))


def _without_styles(text: str) -> str:
    bare = _QUOTED.sub("", text)
    for _ in range(3):  # Styles may stand in each other.
        bare = _STYLE.sub(r"\2", bare)
    return bare


def _label(text: str) -> str:
    """A text as a label takes it: in one line, without what would end it."""
    return escape(" ".join(text.split())).replace("|", "¦")
