"""The description of the REST API as its page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

#: Answers that are not worth a line at each operation: everybody's refusals.
_EVERYWHERE = frozenset({"400", "401", "403", "408", "413", "415", "421", "429", "503"})
_REF = "#/components/schemas/"


class Field(NamedTuple):
    """Something that is sent or answered.

    Attributes:
        name: as it stands in JSON or in the address.
        kind: what it takes, in words.
        link: the type that these words name; empty where they name none.
        said: what it means.
        needed: whether it has to be there.
    """

    name: str
    kind: str
    link: str
    said: str
    needed: bool


class Shown(NamedTuple):
    """An operation."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    rights: str
    takes: list[Field]
    answers: list[Field]


class Type(NamedTuple):
    """An object of JSON."""

    name: str
    said: str
    fields: list[Field]


def groups_of(description: Mapping[str, Any]) -> dict[str, list[Shown]]:
    """The operations by their tags."""
    found: dict[str, list[Shown]] = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            shown = _shown(method.upper(), path, operation, description)
            found.setdefault(operation["tags"][0], []).append(shown)
    return found


def types_of(description: Mapping[str, Any]) -> list[Type]:
    """The objects that answers and bodies are made of, by name."""
    schemas = description["components"]["schemas"]
    return [
        Type(name, one.get("description", ""), list(_fields(one))) for name, one in sorted(schemas.items())
    ]


def _shown(method: str, path: str, operation: Mapping[str, Any], description: Mapping[str, Any]) -> Shown:
    rights = "admin" if "403" in operation["responses"] else "read"
    return Shown(
        operation["operationId"],
        method,
        path,
        operation["summary"],
        operation["description"],
        rights if operation["security"] else "no key",
        list(_takes(operation, description)),
        list(_answers(operation)),
    )


def _takes(operation: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[Field]:
    for one in operation["parameters"]:
        if one["in"] == "query":
            yield _field(one["name"], one["schema"], needed=False)
    body = operation.get("requestBody")
    if body:
        name = body["content"]["application/json"]["schema"]["$ref"].removeprefix(_REF)
        yield from _fields(description["components"]["schemas"][name])


def _answers(operation: Mapping[str, Any]) -> Iterator[Field]:
    for status, answer in operation["responses"].items():
        if status not in _EVERYWHERE:
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            yield _field(status, {**schema, "description": answer["description"]}, needed=True)


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    needed = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        yield _field(name, one, name in needed)


def _field(name: str, schema: Mapping[str, Any], needed: bool) -> Field:
    kind, link = _in_words(schema)
    return Field(name, kind, link, schema.get("description", ""), needed)


def _in_words(schema: Mapping[str, Any]) -> tuple[str, str]:
    """What a schema takes, and the type that this names.

    >>> _in_words({"type": "array", "items": {"$ref": "#/components/schemas/Team"}})
    ('list of Team', 'Team')
    >>> _in_words({"type": "integer", "minimum": 1, "maximum": 200})
    ('integer, 1 to 200', '')
    >>> _in_words({"anyOf": [{"type": "string"}, {"type": "null"}]})
    ('string or null', '')
    """
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return name, name
    if "enum" in schema:
        return ", ".join(schema["enum"]), ""
    if "anyOf" in schema:
        found = [_in_words(one) for one in schema["anyOf"]]
        return " or ".join(kind for kind, _ in found), next((link for _, link in found if link), "")
    kind = schema.get("type", "")
    if kind == "array":
        of, link = _in_words(schema["items"])
        return f"list of {of}", link
    if "minimum" in schema:
        return f"{kind}, {schema['minimum']} to {schema['maximum']}", ""
    return str(kind), ""
