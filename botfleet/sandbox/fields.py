"""Reading a control request: each field is checked, and a refusal names it and says what it takes."""

from __future__ import annotations

import math
from typing import Any, TypeVar

Default = TypeVar("Default")


class Refused(Exception):
    """The request is refused, with an HTTP status and one clear line."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class Fields:
    """The fields of a request's JSON object, or of its query, where everything is text."""

    def __init__(self, given: dict[str, Any], *, textual: bool = False) -> None:
        self._given = given
        self._textual = textual
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return self._given.get(name) is not None

    def text(self, name: str, default: Default) -> str | Default:
        """Read a text that is not empty."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, str) or not value:
            raise self._bad(name, value, "a text")
        return value

    def needed(self, name: str) -> str:
        """Read a text that must be there."""
        value = self.text(name, None)
        if value is None:
            raise Refused(400, f"{name} is missing: expected a text")
        return value

    def integer(self, name: str, default: Default, lowest: int, highest: int) -> int | Default:
        """Read a whole number within bounds."""
        value = self._number(name, f"a whole number from {lowest} to {highest}")
        if value is None:
            return default
        if value != int(value) or not lowest <= value <= highest:
            raise self._bad(name, value, f"a whole number from {lowest} to {highest}")
        return int(value)

    def seconds(self, name: str, default: Default, highest: float = 86_400) -> float | Default:
        """Read a duration."""
        expected = f"seconds from 0 to {highest:g}"
        value = self._number(name, expected)
        if value is None:
            return default
        if not 0 <= value <= highest:
            raise self._bad(name, value, expected)
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """Read a yes or no."""
        value = self._take(name)
        if self._textual and isinstance(value, str):
            value = {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._bad(name, value, "true or false")
        return value

    def choice(self, name: str, default: Default, allowed: tuple[str, ...]) -> str | Default:
        """Read one of a few words."""
        value = self._take(name)
        if value is None:
            return default
        if value not in allowed:
            raise self._bad(name, value, "one of " + ", ".join(allowed))
        return str(value)

    def anything(self, name: str) -> Any:
        """Read a value as it is, None where it is missing."""
        return self._take(name)

    def end(self) -> None:
        """Refuse fields that nobody asked for: a misspelt name must not pass for a default."""
        unknown = sorted(self._given.keys() - self._read)
        if unknown:
            known = ", ".join(sorted(self._read)) or "no fields"
            raise Refused(400, f"{unknown[0]} is no field of this request: expected {known}")

    def _take(self, name: str) -> Any:
        self._read.add(name)
        return self._given.get(name)

    def _number(self, name: str, expected: str) -> int | float | None:
        value = self._take(name)
        if self._textual and isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise self._bad(name, value, expected) from None
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self._bad(name, value, expected)
        return value

    def _bad(self, name: str, value: Any, expected: str) -> Refused:
        return Refused(400, f"{name} is {value!r}: expected {expected}")
