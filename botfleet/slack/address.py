"""Whether a text speaks to the bot, and what it says then.

Runs for every message in the holder's publisher: no regular expressions, and only the start of a text is
looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Longer than any label in `<@U123|label>` that Slack writes, and than any command's word.
_SHORT = 128
#: Characters of a name or alias at the most: less than what is looked at.
MAX_NAME = 80
#: What may follow an address: also as it is written in Chinese and Japanese.
_MARKS = (":", ",", "：", "，", "、")
#: Asks for an emoji's coloured form; some write it and some don't.
_VARIATION = "\ufe0f"


def addressed(
    text: str, bot_user_id: str, bot_name: str, is_dm: bool, aliases: Iterable[str] = ()
) -> str | None:
    """What follows the bot's address, or None where the text is not for the bot.

    The address is the bot's mention, its name or an alias (as a whole word), each with a colon, a comma or
    nothing after it. In a direct message it may be left out. Case doesn't matter.

    Args:
        text: as Slack sent it.
        bot_user_id: `U…`; empty where it is not known.
        bot_name: what people call the bot; empty where it is not known.
        is_dm: whether the text was said in a direct message to the bot.
        aliases: what people call it as well, each `folded`.

    >>> addressed("<@U1>: ping me", "U1", "pingbot", False)
    'ping me'
    >>> addressed("<@U1|pingbot>, ping", "U1", "pingbot", False)
    'ping'
    >>> addressed("PingBot ping", "U1", "pingbot", False), addressed("@pingbot:ping", "U1", "pingbot", False)
    ('ping', 'ping')
    >>> addressed("pingbots are nice", "U1", "pingbot", False) is None
    True
    >>> addressed(":robot_face: ping", "U1", "pingbot", False, [":robot_face:"])
    'ping'
    >>> addressed(" ping", "U1", "pingbot", True), addressed("ping", "U1", "pingbot", False)
    ('ping', None)
    >>> addressed("<@U1>", "U1", "pingbot", False)
    ''
    """
    text = text.lstrip()
    if text.startswith("<@"):
        end = _after_mention(text, bot_user_id)
    else:
        end = _after_name(text, (bot_name.casefold(), *aliases))
    if end:
        return _rest(text, end)
    return text if is_dm else None


def first_word(rest: str) -> str:
    """The first word of what `addressed` returned, case-folded; empty where there is none.

    >>> first_word("Sign  up now"), first_word("")
    ('sign', '')
    """
    words = rest[:_SHORT].split(None, 1)
    return words[0].casefold() if words else ""


def beginning(text: str) -> str:
    """The beginning of a text as prefixes are compared with it: case-folded, without white space before it.

    >>> beginning("  = 2+2")
    '= 2+2'
    """
    return text.lstrip()[:_SHORT].casefold()


def after_prefix(text: str, prefix: str) -> str | None:
    """What follows a prefix, or None where the text does not begin with it; white space before it may.

    Args:
        text: as Slack sent it.
        prefix: case-folded.

    >>> after_prefix(" Hey you", "hey"), after_prefix("you", "hey")
    (' you', None)
    """
    text = text.lstrip()
    head = text[:_SHORT]
    if not head.casefold().startswith(prefix):
        return None
    length = len(prefix) if head[: len(prefix)].casefold() == prefix else _unfolded(head, prefix)
    return text[length:] if length else None


def mentions(text: str, bot_user_id: str) -> bool:
    """Whether a text has the bot's mention anywhere.

    >>> mentions("thanks, <@U1>!", "U1"), mentions("thanks, <@U1|pingbot>", "U1"), mentions("<@U12>", "U1")
    (True, True, False)
    """
    mention = f"<@{bot_user_id}"
    return bool(bot_user_id) and (f"{mention}>" in text or f"{mention}|" in text)


def folded(name: str) -> str:
    """A name or an alias in the form that texts are compared with.

    >>> folded("Bötchen"), folded(" :Robot_Face: ")
    ('bötchen', ':robot_face:')
    """
    return name.replace(_VARIATION, "").casefold().strip()


def _after_mention(text: str, bot_user_id: str) -> int:
    """Where the bot's mention at the start ends; 0 where there is none."""
    if not bot_user_id or not text.startswith(bot_user_id, 2):
        return 0
    end = 2 + len(bot_user_id)
    if text.startswith(">", end):
        return end + 1
    if text.startswith("|", end):
        return text.find(">", end, end + _SHORT) + 1
    return 0


def _after_name(text: str, names: Iterable[str]) -> int:
    """Where the longest of the names that the text begins with ends; 0 where there is none."""
    at = 1 if text.startswith("@") else 0
    head = text[at : at + _SHORT]
    start = head.casefold()
    found = 0
    for name in names:
        if name and start.startswith(name):
            found = max(found, _end(text, at, head, start, name))
    return found


def _end(text: str, at: int, head: str, start: str, name: str) -> int:
    """Where a name that the text begins with ends, if it is a word of its own; else 0."""
    # Folding lengthens a few letters ("ß"), which shifts what follows them.
    length = len(name) if len(head) == len(start) else _unfolded(head, name)
    end = at + length
    if not length:
        return 0
    if text.startswith(_VARIATION, end):
        end += 1
    if end == len(text) or text[end].isspace() or text.startswith(_MARKS, end):
        return end
    # Emoji end by themselves, words do not.
    return 0 if name[-1].isalnum() or name[-1] == "_" else end


def _unfolded(head: str, name: str) -> int:
    """How many characters of a text were folded into a name; 0 where it ends within one."""
    for length in range(1, len(name) + 1):
        if head[:length].casefold() == name:
            return length
    return 0


def _rest(text: str, end: int) -> str:
    # The colon counts only right after the address: in "<@U1> :wave:" it begins an emoji.
    return text[end + 1 if text.startswith(_MARKS, end) else end :].lstrip()
