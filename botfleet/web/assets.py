"""The files that pages need, served from the package."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response

from .pages import read_static
from .problems import Problem

#: Seconds; an address changes with what is behind it.
_KEPT = 31_536_000
#: What systems name differently, or not at all.
_KINDS = {".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


async def show(request: Request) -> Response:
    """`/static/NAME`."""
    name = request.path_params["name"]
    found = read_static(name)
    if found is None:
        raise Problem(404, "not_found", "There is no such file.")
    kind = (
        _KINDS.get(PurePosixPath(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    )
    kept = f"public, max-age={_KEPT}, immutable" if "v" in request.query_params else "no-cache"
    return Response(found, media_type=kind, headers={"Cache-Control": kept})
