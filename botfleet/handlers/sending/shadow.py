"""Shadow mode: handlers run, and what they would send is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BotfleetError
from ..context import HandlerContext

logger = logging.getLogger(__name__)


class Shadow:
    """Says what a bot keeps to itself; nothing, outside of shadow mode.

    Whether the bot was addressed makes no difference: a shadow of a live fleet has the same tokens, and would
    answer beside it.

    Args:
        context: of the process.
        key: the bot's.
        resolve: gives the id for a `#name`.
    """

    def __init__(self, context: HandlerContext, key: str, resolve: Callable[[str], str]) -> None:
        self._context = context
        self._key = key
        self._resolve = resolve

    def hides(self, target: str) -> bool:
        """Whether nothing is to be sent to a channel or user; empty is what acts on neither."""
        settings = self._context.settings
        return settings.shadow and not any(self._is(target, listed) for listed in settings.shadow_channels)

    def hide(self, action: str, target: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Logs what is not sent; gives what Slack might have answered."""
        text = str(fields.get("text") or "")
        logger.info(
            "shadow: %s of %s in %s, %s characters, was not sent",
            *(action, self._key, target or "-", len(text)),
            extra={"action": "shadow", "bot": self._key, "channel": target},
        )
        logger.debug("shadow: %s of %s said: %s", action, self._key, text, extra={"action": "shadow"})
        return self._made_up(action, target, fields)

    def _made_up(self, action: str, target: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        ts = f"{self._context.clock():.6f}"
        answer: dict[str, Any] = {"ok": True, "shadow": True, "channel": target, "ts": ts, "message_ts": ts}
        if action == "conversations.open":
            answer["channel"] = {"id": str(fields.get("users") or target)}
        return answer

    def _is(self, target: str, listed: str) -> bool:
        if not target or target == listed:
            return bool(target)
        if listed.startswith("#"):
            return self._resolved(listed) == target
        return self._context.direct_messages.get(self._key, listed) == target

    def _resolved(self, name: str) -> str:
        try:
            return self._resolve(name)
        except BotfleetError:
            return name  # This team has no such channel, or nobody can tell now.
