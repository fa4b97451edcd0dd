"""Slack's Web API: the thin boundary over slack_sdk.

Everything that slack_sdk, urllib or a proxy on the way can raise leaves here as a `SlackError`. slack_sdk
itself honours `HTTPS_PROXY`.
"""

from __future__ import annotations

import http.client
import json
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.error import HTTPError, URLError

import msgspec
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError, SlackRequestError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient, WebhookResponse

from .errors import BotfleetError, InvalidToken, PerhapsDone, SlackError, UsageError
from .secrets import Token
from .settings import Settings
from .slack.errors import to_exception
from .slack.methods import is_read

_MAX_TOKEN = 1000

# slack_sdk logs answers, texts and URLs of sockets at DEBUG, and logs each error that it also raises.
_sdk_logger = logging.getLogger("botfleet.webapi.slack_sdk")
_sdk_logger.setLevel(logging.CRITICAL)


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Whose token it is, by auth.test."""

    team_id: str
    team_name: str = ""
    bot_user_id: str = ""
    bot_id: str = ""
    bot_name: str = ""
    enterprise_id: str = ""
    is_enterprise_install: bool = False


class RtmSession(msgspec.Struct, frozen=True, kw_only=True):
    """What rtm.connect gives: a URL that works once and for 30 s, and who is who."""

    url: str
    self_id: str = ""
    self_name: str = ""
    team_id: str = ""
    team_name: str = ""
    domain: str = ""

    def __repr__(self) -> str:
        # The URL is a ticket into the team.
        return f"<RtmSession {self.team_id} {self.self_id}>"


def check_form(token: object) -> Token:
    """Checks that something looks like a token, before Slack is asked.

    Raises:
        InvalidToken: it does not; the text says what is expected and never holds the token.
    """
    wrong = _wrong_form(token)
    if wrong:
        raise InvalidToken("invalid_token", detail=f"{wrong}; a token begins with xoxb-")
    return Token(str(token))


def _wrong_form(token: object) -> str:
    if not isinstance(token, str):
        return f"it is no text but {type(token).__name__}"
    if not token:
        return "it is empty"
    if not token.isascii() or not token.isprintable() or " " in token:
        return "it has white space or characters that no token has"
    if len(token) > _MAX_TOKEN:
        return f"it is longer than {_MAX_TOKEN} characters"
    return "" if token.startswith("xox") else "it begins otherwise"


class SlackApi:
    """Calls to Slack with the fleet's settings. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.slack_api_url
        self._timeout = max(1, round(settings.connect_timeout))

    def auth_test(self, token: Token) -> Identity:
        """Asks whose token it is; one try.

        Raises:
            InvalidToken, TokenRevoked, ConnectionRateLimited, SlackError: as `slack.errors` says.
        """
        with translated():
            answer = _fields(self._client(token, []).auth_test().data)
            return Identity(
                team_id=_needed(answer, "team_id"),
                team_name=_text(answer, "team"),
                bot_user_id=_text(answer, "user_id"),
                bot_id=_text(answer, "bot_id"),
                bot_name=_text(answer, "user"),
                enterprise_id=_text(answer, "enterprise_id"),
                is_enterprise_install=answer.get("is_enterprise_install") is True,
            )

    def rtm_connect(self, token: Token) -> RtmSession:
        """Asks for a socket's URL; one try.

        Raises:
            InvalidToken, TokenRevoked, ConnectionRateLimited, SlackError: as `slack.errors` says.
        """
        with translated():
            answer = _fields(self._client(token, []).rtm_connect().data)
            bot, team = _fields(answer.get("self")), _fields(answer.get("team"))
            return RtmSession(
                url=_needed(answer, "url"),
                self_id=_text(bot, "id"),
                self_name=_text(bot, "name"),
                team_id=_text(team, "id"),
                team_name=_text(team, "name"),
                domain=_text(team, "domain"),
            )

    def web_client(self, token: Token) -> WebClient:
        """slack_sdk's client for a team. It repeats failed reads, once; rate limits are the caller's matter.

        What it raises is slack_sdk's; wrap calls in `translated()` for botfleet's errors.
        """
        return self._client(token, [_FailedReads(max_retry_count=1)])

    def bare_client(self) -> WebClient:
        """slack_sdk's client without a token, for installations; it repeats nothing."""
        return self._client(Token(""), [])

    def respond(self, url: str, body: dict[str, Any]) -> SlackResponse:
        """Answers a slash command or a click by its response_url; one try.

        What it raises is slack_sdk's, and never has the URL; wrap calls in `translated()`.

        Args:
            url: as Slack sent it.
            body: the message, as Slack takes it there.

        Raises:
            UsageError: it is no URL of Slack's.
        """
        schemes = ("https://",) if self._url.startswith("https://") else ("https://", "http://")
        # What urllib says of an odd one would show it.
        if not url.startswith(schemes) or not url.isascii() or not url.isprintable() or " " in url:
            raise UsageError(f"the event's response_url is no {schemes[0]} address")
        return _as_response(self._send(url, body))

    def _send(self, url: str, body: dict[str, Any]) -> WebhookResponse:
        client = WebhookClient(
            url, timeout=self._timeout, ssl=self._tls, logger=_sdk_logger, retry_handlers=[]
        )
        return client.send_dict(body)

    def _client(self, token: Token, retry_handlers: list[RetryHandler]) -> WebClient:
        return WebClient(
            token=token.reveal(),
            base_url=self._url,
            timeout=self._timeout,
            ssl=self._tls,
            logger=_sdk_logger,
            retry_handlers=retry_handlers,
        )

    @cached_property
    def _tls(self) -> ssl.SSLContext | None:
        # One for all calls: loading the system's certificates takes longer than a call.
        return ssl.create_default_context() if self._url.startswith("https") else None


@contextmanager
def translated(changes: bool = False) -> Iterator[None]:
    """Turns what slack_sdk and the network raise into `SlackError`s, chained.

    Args:
        changes: doing twice what is called might do harm: where it may have been done, that is a
            `PerhapsDone`.
    """
    try:
        yield
    except BotfleetError:
        raise
    except Exception as exc:
        error = error_of(exc)
        if error is None:
            raise
        if changes and error.perhaps_done:
            error = PerhapsDone(error.error, retry_after=error.retry_after, detail=error.detail)
        # No chain from Slack's answers: the SDK's text repeats them as a whole.
        raise error from (None if isinstance(exc, SlackApiError) else exc)


def error_of(exc: Exception) -> SlackError | None:
    """What something means that slack_sdk or the network raised; None for what is not of their making."""
    if isinstance(exc, SlackApiError):
        return _refusal(exc.response)
    if isinstance(exc, URLError):
        return _not_asked(exc)
    if isinstance(exc, TimeoutError):
        error = SlackError("timeout", detail="Slack did not answer in time")
    elif isinstance(exc, OSError | http.client.HTTPException):
        error = SlackError("unreachable", detail=f"Slack's API: {exc or type(exc).__name__}")
    elif isinstance(exc, SlackClientError | ValueError | AttributeError):
        # slack_sdk trips over answers that are JSON but no object, or text in no known encoding.
        error = SlackError("bad_answer", detail="what came back is no answer of Slack's Web API")
    else:
        return None
    # Slack was asked, and nobody knows what it did.
    error.perhaps_done = not isinstance(exc, SlackRequestError)
    return error


def _not_asked(exc: URLError) -> SlackError:
    """What urllib raises before the question has left."""
    if isinstance(exc, HTTPError):
        return SlackError(f"http_{exc.code}", detail="not an answer of Slack")
    if isinstance(exc.reason, TimeoutError):
        return SlackError("timeout", detail="Slack did not answer in time")
    return SlackError("unreachable", detail=f"Slack's API: {exc.reason}")


def _as_response(answer: WebhookResponse) -> SlackResponse:
    """What a response_url answers, which is `ok`, an error string, or JSON, in the form of other answers.

    Raises:
        SlackApiError: Slack refused.
    """
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = answer.body.strip()
    if not isinstance(found, dict):
        is_ok = answer.status_code == 200 and found in ("ok", "")
        found = {"ok": True} if is_ok else {"ok": False, "error": str(found)}
    response = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="response_url",
        req_args={},
        data={"ok": answer.status_code == 200, **found},
        headers=answer.headers,
        status_code=answer.status_code,
    )
    response.validate()  # type: ignore[no-untyped-call]
    return response


def _refusal(response: Any) -> SlackError:
    """The exception for an answer that is not ok, or is no answer of Slack's at all."""
    status = int(response.status_code)
    answer = response.data if isinstance(response.data, dict) else {}
    error = str(answer.get("error") or "")
    if status == 429:
        return to_exception("ratelimited", _retry_after(response.headers))
    if not _is_error_string(error):
        code = "bad_answer" if status == 200 else f"http_{status}"
        no_answer = SlackError(code, detail="not an answer of Slack")
        # 503 says that nothing was done; any other may come from a proxy that lost Slack's answer.
        no_answer.perhaps_done = status == 200 or (status >= 500 and status != 503)
        return no_answer
    needed = answer.get("needed")
    detail = f"needed: {needed}" if isinstance(needed, str) else ""
    return to_exception(error, _retry_after(response.headers), detail)


def _is_error_string(error: str) -> bool:
    # slack_sdk puts its own sentence there when the answer is no JSON.
    return error.isascii() and len(error) <= 80 and error.replace("_", "").replace("-", "").isalnum()


def _retry_after(headers: Mapping[str, object]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            return _seconds(value[0] if isinstance(value, list) and value else value)
    return None


def _seconds(value: object) -> float | None:
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None


def _fields(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def _needed(answer: Mapping[str, Any], name: str) -> str:
    value = _text(answer, name)
    if not value:
        raise SlackError("bad_answer", detail=f"the answer has no {name}")
    return value


class _FailedReads(RetryHandler):
    """Repeats reads after a server error or a lost connection; a post may have been done."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        failed = response.status_code >= 500 if response is not None else isinstance(error, OSError)
        return failed and is_read(request.url.partition("?")[0].rpartition("/")[2])
