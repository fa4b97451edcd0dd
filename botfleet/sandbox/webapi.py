"""The Web API's HTTP side: where a call's arguments and its token come from."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from .answers import Answer, answer, delay, finished
from .call import SlackError
from .model import Json
from .webhandler import Discreet


class ApiHandler(Discreet):
    """``/api/METHOD``, by GET or POST; arguments in the query, a form, or a JSON body."""

    async def get(self, method: str) -> None:
        """Answer a call."""
        await self._answer(method)

    async def post(self, method: str) -> None:
        """Answer a call."""
        await self._answer(method)

    async def _answer(self, method: str) -> None:
        try:
            args = self._arguments()
        except SlackError as error:
            self._send(finished(self.sandbox, method, None, {"ok": False, "error": error.error}))
            return
        token = self._token(args)
        if seconds := delay(self.sandbox, token):
            await asyncio.sleep(seconds)
        self._send(answer(self.sandbox, method, args, token, self._socket_base()))

    def _send(self, written: Answer) -> None:
        self.set_status(written.status)
        for name, value in written.headers.items():
            self.set_header(name, value)
        self.finish(written.body)

    def _arguments(self) -> Json:
        args: Json = {name: self.get_argument(name, strip=False) for name in self.request.arguments}
        args |= _credentials(self.request.headers.get("Authorization", ""))
        if not self.request.headers.get("Content-Type", "").startswith("application/json"):
            return args
        try:
            body: Any = json.loads(self.request.body or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return args | body

    def _token(self, args: Json) -> str:
        scheme, _, value = self.request.headers.get("Authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else str(args.get("token") or "")

    def _socket_base(self) -> str:
        # By the host that the caller used, which may be a container's name.
        scheme = "wss" if self.request.protocol == "https" else "ws"
        return f"{scheme}://{self.request.host}/"


def _credentials(header: str) -> Json:
    """Read an app's id and secret from a header for Basic authentication."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return {}
    return {"client_id": name, "client_secret": secret}
