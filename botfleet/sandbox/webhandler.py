"""What all of the sandbox's HTTP handlers share."""

from __future__ import annotations

import logging
from types import TracebackType

from tornado import web

from . import guard
from .service import Sandbox

logger = logging.getLogger(__name__)


class Discreet(web.RequestHandler):
    """A request handler whose log lines hold no query, as tokens may be in it."""

    sandbox: Sandbox

    def initialize(self, sandbox: Sandbox) -> None:
        """Take the sandbox that the request acts on."""
        self.sandbox = sandbox

    def set_default_headers(self) -> None:
        """Let no other site's page make use of an answer."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def prepare(self) -> None:
        """Refuse what another site's page had a browser ask for."""
        request = self.request
        reason = guard.refusal(request.method or "", request.host, request.headers, self.sandbox.options.host)
        if reason is not None:
            self.set_status(403)
            self.finish({"ok": False, "error": reason})

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log a failure of the sandbox itself."""
        if isinstance(value, web.HTTPError):
            logger.debug("%s %s: %s", self.request.method, self.request.path, value.status_code)
        elif value is not None:
            logger.error("%s %s failed", self.request.method, self.request.path, exc_info=value)
