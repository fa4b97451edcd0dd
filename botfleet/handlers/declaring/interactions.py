"""How a bot's author declares handlers of slash commands, and of what people do to buttons and menus."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Unpack

from ..handler import Handler, P, R, Traits
from ..matching.matchers import ActionMatcher, SlashMatcher
from ..matching.options import Kind
from .declaration import Declaration, HandlerOptions

#: Seconds after which nobody waits for an answer any more.
_MAX_AGE = 30.0


def slash(
    *commands: str, options: bool | Mapping[str, Kind] = False, **more: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for a slash command, which Slack sends to the web role by HTTP.

        @slash("/deploy")
        def deploy(event, client):
            client.respond(f"{event.text} is on its way.", in_channel=True)

    Of several handlers of one command, the first is run. `match.expression` is what follows the command.

    Args:
        commands: each with its `/`, as the app has it.
        options: whether `--name value` and the like in what follows are put into `match.options`, as with
            `@command`.
        more: see `HandlerOptions`; `max_age` is 30 seconds.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("slash", commands, 'a slash command, as in @slash("/deploy")')
    names = tuple(dict.fromkeys(declared.slash(text) for text in declared.names))
    return declared.handler(
        {"max_age": _MAX_AGE, **more},
        SlashMatcher(names),
        Traits(chained=True, names=names, form=declared.form(options)),
        types=("slash_command",),
        commands=names,
    )


def action(
    *action_ids: str | re.Pattern[str], **options: Unpack[HandlerOptions]
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for what people do to buttons and menus in messages, views and home tabs.

        @action("approve")
        def approve(event, client, match):
            client.respond(f"<@{event.user}> approved {match.expression}.", replace_original=True)

    `match.command` is the element's `action_id`, `match.expression` what was chosen, `match.action` Slack's
    object.

    Args:
        action_ids: of the elements; each may be a pattern (`re.compile`), searched for in the id.
        options: see `HandlerOptions`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("action", action_ids, 'an action_id, as in @action("approve")')
    patterns = [declared.pattern(one) for one in action_ids if isinstance(one, re.Pattern)]
    names = declared.only_texts(one for one in action_ids if not isinstance(one, re.Pattern))
    return declared.handler(
        options,
        ActionMatcher(names, patterns),
        types=("block_actions",),
        # What a pattern takes, only the pattern can say.
        action_ids=() if patterns else names,
    )
