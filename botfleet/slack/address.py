"""Whether a text speaks to the bot, and what it says then.

Runs for every message in the holder's publisher: no regular expressions, and only the start of a text is
looked at.
"""

from __future__ import annotations

#: Longer than any label in `<@U123|label>` that Slack writes, and than any command's word.
_SHORT = 128


def addressed(text: str, bot_user_id: str, bot_name: str, is_dm: bool) -> str | None:
    """What follows the bot's address, or None where the text is not for the bot.

    The address is the bot's mention or its name (as a whole word), each with a colon, a comma or nothing
    after it. In a direct message it may be left out.

    Args:
        text: as Slack sent it.
        bot_user_id: `U…`; empty where it is not known.
        bot_name: what people call the bot; empty where it is not known.
        is_dm: whether the text was said in a direct message to the bot.

    >>> addressed("<@U1>: ping me", "U1", "pingbot", False)
    'ping me'
    >>> addressed("<@U1|pingbot>, ping", "U1", "pingbot", False)
    'ping'
    >>> addressed("PingBot ping", "U1", "pingbot", False), addressed("@pingbot:ping", "U1", "pingbot", False)
    ('ping', 'ping')
    >>> addressed("pingbots are nice", "U1", "pingbot", False) is None
    True
    >>> addressed(" ping", "U1", "pingbot", True), addressed("ping", "U1", "pingbot", False)
    ('ping', None)
    >>> addressed("<@U1>", "U1", "pingbot", False)
    ''
    """
    text = text.lstrip()
    end = _after_mention(text, bot_user_id) if text.startswith("<@") else _after_name(text, bot_name)
    if end:
        return _rest(text, end)
    return text if is_dm else None


def first_word(rest: str) -> str:
    """The first word of what `addressed` returned, in lower case; empty where there is none.

    >>> first_word("Sign  up now"), first_word("")
    ('sign', '')
    """
    words = rest[:_SHORT].split(None, 1)
    return words[0].lower() if words else ""


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


def _after_name(text: str, bot_name: str) -> int:
    """Where the bot's name at the start ends; 0 where there is none."""
    if not bot_name:
        return 0
    start = 1 if text.startswith("@") else 0
    end = start + len(bot_name)
    if text[start:end].lower() != bot_name.lower():
        return 0
    follows = text[end : end + 1]
    return end if not follows or follows in ":," or follows.isspace() else 0


def _rest(text: str, end: int) -> str:
    # The colon counts only right after the address: in "<@U1> :wave:" it begins an emoji.
    return text[end + 1 if text.startswith((":", ","), end) else end :].lstrip()
