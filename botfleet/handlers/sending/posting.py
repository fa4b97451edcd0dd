"""Messages by the Web API: a long text in several pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slack_sdk import WebClient

from ...webapi import translated
from .sent import Sent, joined, sent_of

#: Options of chat.postMessage that belong to one message of several.
_ONLY_LAST = ("attachments", "metadata")


class Posting:
    """Posts for one bot.

    Args:
        web: gives slack_sdk's client for the team.
        unfurls: whether links show what is behind them, where a call does not say so.
    """

    def __init__(self, web: Callable[[], WebClient], unfurls: bool) -> None:
        self._web = web
        self.unfurls = unfurls

    def message(
        self, channel: str, pieces: Sequence[str], unfurl: bool | None, options: dict[str, Any]
    ) -> Sent:
        """Posts a text for everybody in a channel."""
        unfurled = self.unfurls if unfurl is None else unfurl
        options = {"unfurl_links": unfurled, "unfurl_media": unfurled, **options}
        return self._all("chat.postMessage", channel, pieces, options)

    def ephemeral(self, channel: str, user: str, pieces: Sequence[str], options: dict[str, Any]) -> Sent:
        """Posts a text for one user in a channel."""
        return self._all("chat.postEphemeral", channel, pieces, {**options, "user": user})

    def _all(self, method: str, channel: str, pieces: Sequence[str], options: dict[str, Any]) -> Sent:
        early = {name: value for name, value in options.items() if name not in _ONLY_LAST}
        return joined(
            [
                self._one(method, channel, piece, options if number == len(pieces) else early)
                for number, piece in enumerate(pieces, 1)
            ]
        )

    def _one(self, method: str, channel: str, text: str, options: dict[str, Any]) -> Sent:
        arguments = {"channel": channel, "text": text, **options}
        with translated(changes=True):
            if method == "chat.postMessage":
                answer = self._web().chat_postMessage(**arguments)
            else:
                answer = self._web().chat_postEphemeral(**arguments)
        return sent_of(answer.data if isinstance(answer.data, dict) else {}, channel)
