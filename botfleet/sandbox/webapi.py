"""The Web API's HTTP side: arguments, tokens, faults and limits around the methods."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .call import Call, SlackError
from .faults import Refusal, TeamFaults
from .methods import METHODS, api_test
from .model import Json, Team, Token
from .webhandler import Discreet

SCOPES = "identify,bot:basic"
"""What a classic app's bot token is granted, as in the x-oauth-scopes header."""

ERROR_PAGE = "<html><body>Server Error</body></html>"


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
            self._finish(method, None, {"ok": False, "error": error.error})
            return
        token = self.sandbox.world.tokens.get(self._token(args))
        team = self.sandbox.world.teams[token.team_id] if token is not None else None
        if team is not None:
            faults = self.sandbox.faults(team)
            if faults.slow:
                await asyncio.sleep(faults.slow)
            refusal = self._refusal(method, team, faults, args)
            if refusal is not None:
                self._refuse(method, team, refusal)
                return
        self._finish(method, team, self._call(method, args, team, token))

    def _call(self, method: str, args: Json, team: Team | None, token: Token | None) -> Json:
        if method == "api.test":
            return api_test(args)
        function = METHODS.get(method)
        if function is None:
            return {"ok": False, "error": "unknown_method", "req_method": method}
        if team is None or token is None:
            return {"ok": False, "error": "invalid_auth" if self._token(args) else "not_authed"}
        if token.error is not None:
            return {"ok": False, "error": token.error}
        self.set_header("X-OAuth-Scopes", SCOPES)
        try:
            return {"ok": True} | function(Call(self.sandbox, team, token, args, self._socket_base()))
        except SlackError as error:
            return {"ok": False, "error": error.error} | error.more

    def _refusal(self, method: str, team: Team, faults: TeamFaults, args: Json) -> Refusal | None:
        refusal = faults.take_refusal(method)
        if refusal is not None or self.sandbox.limits is None:
            return refusal
        channel = str(args.get("channel", ""))
        seconds = self.sandbox.limits.retry_after(method, team.id, channel, self.sandbox.monotonic())
        return Refusal("ratelimited", 1, status=429, retry_after=seconds) if seconds else None

    def _refuse(self, method: str, team: Team, refusal: Refusal) -> None:
        self.set_status(refusal.status)
        if refusal.retry_after is not None:
            self.set_header("Retry-After", str(refusal.retry_after))
        if refusal.as_html:
            self.sandbox.count_call(method, team, refusal.error)
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(ERROR_PAGE)
            return
        self._finish(method, team, {"ok": False, "error": refusal.error})

    def _finish(self, method: str, team: Team | None, answer: Json) -> None:
        self.sandbox.count_call(method, team, None if answer["ok"] else answer["error"])
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(answer))

    def _arguments(self) -> Json:
        args: Json = {name: self.get_argument(name, strip=False) for name in self.request.arguments}
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
