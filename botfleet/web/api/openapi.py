"""The description of the REST API by OpenAPI 3.1, made of the routes and of what their operations say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ... import __version__
from ..access import Access, Rule
from ..named import KEY
from .operations import Operation
from .reading import Parameters
from .values import Error

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
#: What may be refused anywhere, by status.
_REFUSALS = {
    400: "Something in the request is wrong; `detail` has the field, and what is expected.",
    401: "There is no key, or one that is wrong or was removed.",
    403: "It needs a key with admin rights; or another site's page sent it.",
    404: "There is no such thing.",
    408: "The body took too long to come.",
    409: "The token can't be used: Slack refuses it, it is another team's, or its seal's key is gone.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    421: "The request was meant for another host.",
    429: "Too many wrong keys came from this address.",
    502: "Slack's answer was none.",
    503: "The store, the broker or Slack can't be reached; `Retry-After` says when to try again.",
}
_KEYS = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `botfleet keys add`; changes need one with admin rights.",
}
#: What an address is about, by its first part; all others are about bots.
_GROUPS = {"": "Fleet", "status": "Fleet", "handlers": "Fleet", "queues": "Fleet", "holders": "Holders"}


def describe(rules: Iterable[Rule], url: str = "", open: bool = False) -> dict[str, Any]:
    """The description of those routes that are operations.

    Args:
        rules: the table of routes.
        url: the address by which people reach them; empty for where the description comes from.
        open: whether no key is asked for.
    """
    described = [(rule, rule.endpoint) for rule in rules if isinstance(rule.endpoint, Operation)]
    schemas = _schemas(operation for _, operation in described)
    paths: dict[str, dict[str, Any]] = {}
    for rule, operation in described:
        for method in rule.all_methods:
            paths.setdefault(rule.path, {})[method.lower()] = _operation(rule, operation, schemas, open)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "botfleet",
            "version": __version__,
            "description": "A fleet of Slack bots. Times are unix seconds; what is not known is empty.",
        },
        "servers": [{"url": url.rstrip("/") or "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.shown,
            "securitySchemes": {} if open else {"key": _KEYS},
        },
    }


class _Schemas:
    """The schemas of all types that answers and bodies refer to, and of what addresses may have."""

    def __init__(self, types: Sequence[Any], queries: Sequence[type[Parameters]]) -> None:
        found, self.shown = msgspec.json.schema_components(types, ref_template=_REF)
        self._refs = dict(zip(types, found, strict=True))
        _, self._queries = msgspec.json.schema_components(queries)
        for schema in self.shown.values():
            _describe_fields(schema)

    def of(self, kind: Any) -> Mapping[str, Any]:
        """Where the schema of a type is."""
        found: Mapping[str, Any] = self._refs[kind]
        return found

    def fields(self, kind: type[Parameters]) -> Mapping[str, Any]:
        """The schemas of an address's parameters by name."""
        found: Mapping[str, Any] = self._queries[kind.__name__].get("properties", {})
        return found


def _describe_fields(schema: dict[str, Any]) -> None:
    """Moves what a docstring says of attributes to the fields themselves."""
    text, _, attributes = inspect.cleandoc(schema.get("description", "")).partition("\nAttributes:\n")
    schema["description"] = text.strip()
    joined = re.sub(r"\n {5,}", " ", attributes)
    for names, said in re.findall(r"^ {4}([\w, ]+): (.+)$", joined, flags=re.MULTILINE):
        for name in names.split(", "):
            schema["properties"][name].setdefault("description", said[0].upper() + said[1:])


def _schemas(operations: Iterable[Operation]) -> _Schemas:
    known = list(operations)
    types = [
        Error,
        *(kind for one in known for kind in (*one.answers.values(), one.body) if kind is not None),
    ]
    queries = [one.query for one in known if one.query is not None]
    return _Schemas(list(dict.fromkeys(types)), list(dict.fromkeys(queries)))


def _operation(rule: Rule, operation: Operation, schemas: _Schemas, open: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [_GROUPS.get(rule.path.removeprefix("/api").lstrip("/").partition("/")[0], "Bots")],
        "parameters": [*_path_parameters(rule), *_query_parameters(operation, schemas)],
        "responses": _responses(operation, schemas, _refused(rule, operation, open)),
        "security": [] if open or rule.access is Access.PUBLIC else [{"key": []}],
    }
    if operation.body is not None:
        content = {"application/json": {"schema": schemas.of(operation.body)}}
        described["requestBody"] = {"required": operation.body_needed, "content": content}
    return described


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    schemas = {
        "key": {"type": "string", "pattern": KEY, "description": "The bot's key.", "examples": ["T00000001"]},
        "name": {"type": "string", "minLength": 1, "description": "The holder's node name."},
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas[name]}
        for name in _PARAMETER.findall(rule.path)
    ]


def _query_parameters(operation: Operation, schemas: _Schemas) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in schemas.fields(operation.query).items()
    ]


def _responses(operation: Operation, schemas: _Schemas, refused: Iterable[int]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, kind in operation.answers.items():
        answers[str(status)] = {"description": _done(status)}
        if kind is not None:
            answers[str(status)]["content"] = {"application/json": {"schema": schemas.of(kind)}}
    error = {"application/json": {"schema": schemas.of(Error)}}
    for status in sorted(refused):
        answers[str(status)] = {"description": _REFUSALS[status], "content": error}
        if status in (429, 503):
            header = {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
            answers[str(status)]["headers"] = {"Retry-After": header}
    return answers


def _done(status: int) -> str:
    return {201: "It was made.", 204: "It is gone."}.get(status, "As asked for.")


def _refused(rule: Rule, operation: Operation, open: bool) -> set[int]:
    found = {400, *operation.refusals}
    if rule.access is not Access.PUBLIC:
        found |= {503} if open else {401, 429, 503}
    if open:
        found.add(421)
    if rule.access is Access.ADMIN:
        found.add(403)
    if set(rule.all_methods) - {"GET"}:
        found |= {408, 413}
    if operation.body is not None:
        found.add(415)
    return found
