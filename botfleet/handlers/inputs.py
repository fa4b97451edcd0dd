"""What people entered in Slack's forms and chose in its menus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: What an element holds: a text, a number (a time), or several texts.
Value = str | int | list[str]


def value_of(element: Mapping[str, Any]) -> Value | None:
    """What is entered or chosen in one element of Slack's; None where it is empty.

    >>> value_of({"type": "button", "value": "v1"}), value_of({"selected_option": {"value": "eu"}})
    ('v1', 'eu')
    >>> value_of({"selected_users": ["U1", "U2"]}), value_of({"type": "datepicker", "selected_date": None})
    (['U1', 'U2'], None)
    """
    if isinstance(element.get("value"), str):
        return str(element["value"])
    chosen = next((value for name, value in element.items() if name.startswith("selected_")), None)
    if isinstance(chosen, list):
        return [text for text in map(_text_of, chosen) if text is not None]
    if isinstance(chosen, int) and not isinstance(chosen, bool):
        return chosen
    return _text_of(chosen)


def inputs_of(payload: Mapping[str, Any]) -> dict[str, Value | None]:
    """What a form holds, by the ids of its elements: of a view, or of the message that has it."""
    return {name: value_of(element) for name, element in _elements(payload)}


def _elements(payload: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place in (payload, payload.get("view")):
        state = place.get("state") if isinstance(place, dict) else None
        values = state.get("values") if isinstance(state, dict) else None
        for block in values.values() if isinstance(values, dict) else ():
            if isinstance(block, dict):
                yield from ((name, one) for name, one in block.items() if isinstance(one, dict))


def _text_of(chosen: object) -> str | None:
    if isinstance(chosen, dict):
        chosen = chosen.get("value")
    return chosen if isinstance(chosen, str) else None
