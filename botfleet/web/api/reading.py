"""Reads what a request says, strictly: what is not understood is refused, with what is expected instead.

A refusal never repeats what was sent: somebody may have put a token into the wrong field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import inspect
from starlette.requests import Request

from ..problems import Problem


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what an address may have after its `?`."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a request may have as its body."""


S = TypeVar("S", bound=Parameters | Body)

#: msgspec's texts: where it was, and what it was.
_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
#: A field's name that is safe to repeat.
_NAME = re.compile(r"[a-z][a-z_]{0,30}")


def read_query(request: Request, kind: type[S]) -> S:
    """What the address has after its `?`.

    Raises:
        Problem: a parameter is unknown, wrong, or there twice.
    """
    lists = {one.name for one in msgspec.structs.fields(kind) if _is_list(one.type)}
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in lists:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise _problem(name, "to be there once", kind)
        else:
            found[name] = value
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as exc:
        _refuse(exc, kind)


async def read_body(request: Request, kind: type[S], needed: bool) -> S:
    """The body.

    Raises:
        Problem: it is no JSON, or not what is expected.
    """
    content = await request.body()
    if not content and not needed:
        return kind()
    if not _is_json(request.headers.getlist("content-type")):
        raise Problem(415, "unsupported_media_type", "Send the body as Content-Type: application/json.")
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as exc:
        _refuse(exc, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Without the cause: its text may quote the body.
        raise Problem(400, "bad_json", "The body is no JSON.") from None


def _is_json(types: list[str]) -> bool:
    if len(types) != 1:
        return False
    message = Message()
    message["content-type"] = types[0]
    charset = message.get_content_charset("utf-8")
    return message.get_content_type() == "application/json" and charset == "utf-8"


def _refuse(exc: msgspec.ValidationError, kind: type[msgspec.Struct]) -> NoReturn:
    text = str(exc)
    place = _PLACE.search(text)
    what = text[: place.start()] if place else text
    field = place[1] if place else ""
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        known = ", ".join(one.encode_name for one in msgspec.structs.fields(kind))
        shown = unknown[1] if _NAME.fullmatch(unknown[1]) else "a field"
        raise _problem(shown, f"one of {known}" if known else "nothing", kind, "unknown_field") from None
    choices = _choices(kind, re.split(r"[.\[]", field)[0])
    if what.startswith("Invalid enum value"):
        what = f"expected one of {', '.join(choices)}"
    raise _problem(field, what.removeprefix("Expected ").removeprefix("expected "), kind) from None


def _problem(field: str, expected: str, kind: type[msgspec.Struct], code: str = "invalid_field") -> Problem:
    """The refusal of a field; of the whole where the field is empty."""
    detail = {"field": field or None, "expected": expected}
    name = field or ("the parameters" if issubclass(kind, Parameters) else "the body")
    if code == "unknown_field":
        return Problem(400, code, f"{name} is not known here; expected {expected}.", detail)
    return Problem(400, code, f"{name}: expected {expected}.", detail)


def _choices(kind: type[msgspec.Struct], field: str) -> list[str]:
    """The words that a field takes."""
    known = {one.encode_name: one.type for one in msgspec.structs.fields(kind)}
    return list(_words(inspect.type_info(known[field]))) if field in known else []


def _words(kind: inspect.Type) -> Iterable[str]:
    if isinstance(kind, inspect.LiteralType):
        yield from map(str, kind.values)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from _words(kind.item_type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _words(one)
    elif isinstance(kind, inspect.Metadata):
        yield from _words(kind.type)


def _is_list(kind: Any) -> bool:
    found = inspect.type_info(kind)
    while isinstance(found, inspect.Metadata):
        found = found.type
    return isinstance(found, inspect.VarTupleType)
