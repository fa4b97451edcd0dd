"""Pages: Jinja2's templates, and the files that they need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from .. import __version__
from .wording import FILTERS

_TEMPLATES = Environment(
    loader=PackageLoader("botfleet.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, name: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page of `templates/`, with what each page knows: the request, who asks, and the version."""
    known = {"request": request, "caller": request.scope.get("caller"), "version": __version__}
    text = text_of(name, **known, **values)
    return HTMLResponse(text, status_code)


def text_of(name: str, **values: Any) -> str:
    """A part of a page: a template of `templates/` that knows what it is given, and no more."""
    return _TEMPLATES.get_template(name).render(**values)


def read_static(name: str) -> bytes | None:
    """A file of `static/`, by its path there; None where there is none."""
    return _files().get(name)


@cache
def _files() -> dict[str, bytes]:
    """All files of `static/`: they are few, and a name that somebody sends is never a path."""
    return dict(_files_in(resources.files("botfleet.web") / "static", ""))


def _files_in(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _files_in(one, f"{prefix}{one.name}/")
        elif not one.name.startswith("."):
            yield prefix + one.name, one.read_bytes()


@cache
def static(name: str) -> str:
    """The address of a file of `static/`; it changes with what is in the file.

    Raises:
        LookupError: there is no such file.
    """
    found = read_static(name)
    if found is None:
        raise LookupError(name)
    return f"/static/{name}?v={hashlib.sha256(found).hexdigest()[:12]}"


_TEMPLATES.globals["static"] = static
_TEMPLATES.filters.update(FILTERS)
