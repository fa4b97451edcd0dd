"""A sandbox within the process: its control and its Web API are called as functions, without sockets."""

from __future__ import annotations

import email.message
import io
import json
from collections.abc import Coroutine
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState
from slack_sdk.web.file_upload_v2_result import FileUploadV2Result
from slack_sdk.webhook import WebhookResponse
from tornado.httputil import HTTPFile, parse_body_arguments

from ..handlers.sending.responding import RESPOND
from ..sandbox.answering import respond
from ..sandbox.answers import answer
from ..sandbox.client import SandboxControl, SandboxError
from ..sandbox.control import GETS, POSTS
from ..sandbox.control_faults import FAULTS
from ..sandbox.control_shown import messages
from ..sandbox.fields import Fields, Refused
from ..sandbox.files import receive
from ..sandbox.model import Team
from ..sandbox.service import Sandbox
from ..secrets import Token
from ..settings import Settings
from ..webapi import SlackApi
from .clock import Clock
from .seen import Call

#: Where the sandbox and its Web API would be; nothing is ever sent there.
URL = "http://sandbox.invalid/"
API_URL = f"{URL}api/"


class InnerControl(SandboxControl):
    """The control endpoints of a sandbox within the process."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(API_URL)
        self._sandbox = sandbox

    def get(self, path: str, *, _wait: float = 0.0, **query: Any) -> dict[str, Any]:
        fields = Fields({name: value for name, value in query.items() if value is not None})
        if path == "messages":
            return self._answer(lambda: _finished(messages(self._sandbox, fields)))
        return self._answer(lambda: GETS[path](self._sandbox, fields))

    def post(self, path: str, **given: Any) -> dict[str, Any]:
        fields = Fields({name: value for name, value in given.items() if value is not None})
        kind = path.removeprefix("faults/")
        if kind == path:
            return self._answer(lambda: POSTS[path](self._sandbox, fields))
        teams = self._teams(fields)
        return self._answer(lambda: FAULTS[kind](self._sandbox, teams, fields) or {})

    def _teams(self, fields: Fields) -> list[Team]:
        team, _ = fields.text("team", None), fields.flag("all")
        teams = self._sandbox.world.teams
        return [teams[team]] if team else list(teams.values())

    @staticmethod
    def _answer(ask: Any) -> dict[str, Any]:
        try:
            return dict(ask())
        except Refused as refused:
            raise SandboxError(str(refused), refused.status) from None


def _finished(asked: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """What a coroutine returns that has nothing to wait for."""
    try:
        asked.send(None)
    except StopIteration as done:
        return dict(done.value)
    raise SandboxError("nobody waits within the process")


class InnerApi(SlackApi):
    """The Web API of a sandbox within the process.

    Attributes:
        calls: all calls so far, with the ids of their teams.
    """

    def __init__(self, settings: Settings, sandbox: Sandbox, clock: Clock) -> None:
        super().__init__(settings)
        self.calls: list[tuple[str, Call]] = []
        self._sandbox = sandbox
        self._clock = clock

    def _client(self, token: Token, retry_handlers: list[RetryHandler]) -> WebClient:
        client = super()._client(token, [_Hurried(one, self._clock) for one in retry_handlers])
        return _InnerClient(client, self._sandbox, self.calls)

    def _send(self, url: str, body: dict[str, Any]) -> WebhookResponse:
        name = url.rpartition("/")[2]
        occasion = self._sandbox.interactions.occasions.get(name)
        told = respond(self._sandbox, name, json.dumps(body).encode())
        team, error = occasion.team if occasion else None, None if told.status == 200 else told.body
        self._sandbox.count_call(RESPOND, team, error)
        self.calls.append((team.id if team else "", Call(RESPOND, error, dict(body))))
        return WebhookResponse(url=url, status_code=told.status, body=told.body, headers={})


class _InnerClient(WebClient):
    """slack_sdk's client, down to the request that it would send."""

    def __init__(self, like: WebClient, sandbox: Sandbox, calls: list[tuple[str, Call]]) -> None:
        super().__init__(
            token=like.token, base_url=like.base_url, logger=like.logger, retry_handlers=like.retry_handlers
        )
        self._sandbox = sandbox
        self._calls = calls

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        method = url.removeprefix(self.base_url)
        token = str(req.get_header("Authorization", "")).removeprefix("Bearer ")
        given = _arguments(req)
        written = answer(self._sandbox, method, given, token, "ws://sandbox.invalid/")
        self._note(method, token, given)
        headers = email.message.Message()
        for name, value in written.headers.items():
            headers[name] = value
        if written.status >= 400:
            raise HTTPError(url, written.status, "", headers, io.BytesIO(written.body.encode()))
        return {"status": written.status, "headers": headers, "body": written.body}

    def _upload_file(self, *, url: str, data: bytes, **options: Any) -> FileUploadV2Result:
        status, body = receive(self._sandbox, url.rpartition("/")[2], len(data))
        return FileUploadV2Result(status=status, body=body)

    def _note(self, method: str, token: str, given: dict[str, Any]) -> None:
        error = next(reversed(list(self._sandbox.calls.after(self._sandbox.calls.seq - 1))))["error"]
        known = self._sandbox.world.tokens.get(token)
        self._calls.append((known.team_id if known else "", Call(method, error, given)))


def _arguments(req: Request) -> dict[str, Any]:
    """The arguments of a request: of JSON, of a form, or of one with files, which are left out."""
    kind, body = str(req.get_header("Content-type", "")), req.data if isinstance(req.data, bytes) else b""
    if kind.startswith("application/json"):
        return dict(json.loads(body or b"{}"))
    texts: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    parse_body_arguments(kind, body, texts, files)
    return {name: values[-1].decode() for name, values in texts.items() if name != "token"}


class _Hurried(RetryHandler):
    """Another handler of retries, whose pauses take the fleet's time and not the test's."""

    def __init__(self, handler: RetryHandler, clock: Clock) -> None:
        super().__init__(handler.max_retry_count)
        self._handler = handler
        self._clock = clock

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        return self._handler._can_retry(state=state, request=request, response=response, error=error)

    def prepare_for_next_attempt(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> None:
        self._clock.skip(_pause(response))
        state.next_attempt_requested = True
        state.increment_current_attempt()


def _pause(response: HttpResponse | None) -> float:
    """Seconds that an answer asks to wait."""
    headers = {} if response is None else {name.lower(): value for name, value in response.headers.items()}
    asked = headers.get("retry-after", 1)
    return float(asked[0] if isinstance(asked, list) else asked)
