"""What stands between `<` and `>` in Slack's texts: people, channels, links, dates; and its three entities.

Everything that a person types there themselves Slack sends as `&lt;` and `&gt;`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MARK = re.compile(r"<([^<>]+)>")
_ENTITY = re.compile("&(lt|gt|amp);")
_CHARACTERS = {"lt": "<", "gt": ">", "amp": "&"}
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")
_ID = re.compile("[A-Z0-9]+")
_REFERENCE = re.compile(r"<[@#]([A-Z0-9]+)(?:\|[^<>]*)?>")

#: Gives the name to show for an id.
Naming = Callable[[str], str]


def mentioned(text: str) -> list[str]:
    """The ids of the users that a text mentions, each once, in order.

    >>> mentioned("<@U2> and <@U1|alice>, but not &lt;@U3&gt;; <@U2>")
    ['U2', 'U1']
    """
    return list(dict.fromkeys(_MENTION.findall(text)))


def referred(text: str) -> str | None:
    """The id in a text that is one mention of a user or channel and nothing else.

    >>> referred("<@U1|alice>"), referred("<#C1>"), referred("#general")
    ('U1', 'C1', None)
    """
    found = _REFERENCE.fullmatch(text)
    return found[1] if found else None


def is_id(text: str, letters: str) -> bool:
    """Whether a text has the form of Slack's ids that begin with one of some letters.

    >>> is_id("C0123", "CDG"), is_id("#C0123", "CDG"), is_id("U0123", "CDG"), is_id("Cats", "CDG")
    (True, False, False, False)
    """
    return text[:1] in letters and text.isascii() and text.isalnum() and text == text.upper()


def unescape(text: str) -> str:
    """Turns Slack's three entities into what they stand for: the reverse of `formatting.escape`.

    >>> unescape("1 &lt; 2 &amp;amp; &quot;")
    '1 < 2 &amp; &quot;'
    """
    return _ENTITY.sub(lambda entity: _CHARACTERS[entity[1]], text)


def plain(text: str, user: Naming, channel: Naming) -> str:
    """A text as a person reads it. What has a label is shown by that; nobody is asked for its name.

    >>> names = {"U1": "alice", "C1": "general"}
    >>> plain("<@U1>: see <#C1> &amp; <https://a.b/c|this>, <!here>", names.__getitem__, names.__getitem__)
    '@alice: see #general & this, @here'
    """

    def named(id_: str, name: Naming) -> str:
        return name(id_) if _ID.fullmatch(id_) else id_

    def shown(mark: str) -> str:
        what, _, label = mark.partition("|")
        label = unescape(label)
        if what.startswith("@"):
            return f"@{label.removeprefix('@') or named(what[1:], user)}"
        if what.startswith("#"):
            return f"#{label.removeprefix('#') or named(what[1:], channel)}"
        if what.startswith("!"):
            return label or f"@{what[1:].rpartition('^')[2]}"
        return label or unescape(what.removeprefix("mailto:").removeprefix("tel:"))

    # Odd pieces stand between `<` and `>`. One by one: no name or label is to be unescaped twice.
    pieces = _MARK.split(text)
    return "".join(shown(piece) if n % 2 else unescape(piece) for n, piece in enumerate(pieces))
