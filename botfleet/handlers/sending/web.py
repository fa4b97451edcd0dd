"""slack_sdk's client for one team, whose calls go through the fleet's one door."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from .sender import Sender

#: Stands for all of the calls that bring one file to Slack.
UPLOAD = "files.upload"


class TeamWebClient(WebClient):
    """Calls as another client does, in their turn.

    Args:
        inner: does the calls.
        sender: says when, and whether.
    """

    def __init__(self, inner: WebClient, sender: Sender) -> None:
        super().__init__(
            token=inner.token,
            base_url=inner.base_url,
            timeout=inner.timeout,
            ssl=inner.ssl,
            proxy=inner.proxy,
            headers=dict(inner.headers),
            logger=inner._logger,
            retry_handlers=inner.retry_handlers,
        )
        self._inner = inner
        self._sender = sender

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        """Calls any method; see slack_sdk."""
        arguments = _arguments(options)
        answer = self._sender.call(api_method, arguments, lambda: self._inner.api_call(api_method, **options))
        return self._response(api_method, answer)

    def files_upload_v2(self, **options: Any) -> SlackResponse:
        """Brings files to Slack, as one thing that is done once; see slack_sdk."""
        arguments = {name: _digest(value) if name in _CONTENTS else value for name, value in options.items()}
        answer = self._sender.call(UPLOAD, arguments, lambda: self._inner.files_upload_v2(**options))
        return self._response(UPLOAD, answer)

    def _response(self, method: str, answer: SlackResponse | dict[str, Any]) -> SlackResponse:
        """An answer that is only known, in the form of one that came."""
        if isinstance(answer, SlackResponse):
            return answer
        return SlackResponse(
            client=self,
            http_verb="POST",
            api_url=f"{self.base_url}{method}",
            req_args={},
            data=answer,
            headers={},
            status_code=200,
        )


#: Options of an upload that are too much to be told apart by as they stand.
_CONTENTS = ("content", "file", "file_uploads")


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    given = [options.get(place) for place in ("params", "data", "json")]
    return {
        name: value
        for one in given
        if isinstance(one, dict)
        for name, value in one.items()
        if name != "token"
    }


def _digest(content: object) -> str:
    raw = content if isinstance(content, bytes) else repr(content).encode(errors="surrogatepass")
    return blake2b(raw, digest_size=16).hexdigest()
