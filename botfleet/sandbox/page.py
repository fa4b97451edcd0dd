"""The chat page: files of this package, served with headers that let it load nothing else."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources

from tornado import web

from .webhandler import Discreet

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


class PageHandler(Discreet):
    """``/`` and ``/page/FILE``."""

    def get(self, name: str | None) -> None:
        """Give a file, or say that it is known."""
        files = _files()
        file = name or "index.html"
        if file not in files:
            raise web.HTTPError(404)
        self.set_header("Content-Type", TYPES[file.rpartition(".")[2]])
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        # Asked for again each time, so that no page meets another version's modules.
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Etag", f'"{sha256(files[file]).hexdigest()[:32]}"')
        if self.check_etag_header():
            self.set_status(304)
            self.finish()
        else:
            self.finish(files[file])

    def head(self, name: str | None) -> None:
        """Give the headers alone."""
        self.get(name)


@cache
def _files() -> dict[str, bytes]:
    folder = resources.files(__package__) / "chat"
    named = (file for file in folder.iterdir() if file.name.rpartition(".")[2] in TYPES)
    return {file.name: file.read_bytes() for file in named}
