"""``/response/SECRET``: where apps send further answers to what somebody did."""

from __future__ import annotations

from . import answering
from .webhandler import Discreet


class ResponseHandler(Discreet):
    """A response URL: five uses within half an hour."""

    def post(self, name: str) -> None:
        """Show an answer."""
        told = answering.respond(self.sandbox, name, self.request.body)
        self.set_status(told.status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(told.body)
