"""Takes what people wrote, and tokens, out of exceptions before anybody logs them.

Works on known values, not on patterns: the event's texts and the token that the handler used.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence

from ...errors import HandlerFailed

#: Shorter texts tell nothing, and replacing them would garble everything else.
_SHORTEST = 3


class Scrubber:
    """Replaces secrets in exceptions.

    Args:
        secrets: each with what is put in its place.

    >>> error = ValueError("no such pet: lama")
    >>> Scrubber({"lama": "<text>"}).clean(error) is error, error
    (True, ValueError('no such pet: <text>'))
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms = {form: shown for secret, shown in secrets.items() for form in _forms(secret)}
        # The longest first, as one may be a part of another.
        self._secrets = sorted(forms.items(), key=lambda pair: -len(pair[0]))

    def clean(self, exc: Exception) -> Exception:
        """Cleans an exception in place, with those that it came from.

        Returns:
            The exception, or a `HandlerFailed` where it still shows a secret.
        """
        chain = list(_chain(exc))
        for each in chain:
            self._clean_one(each)
        if any(self._shows(each) for each in chain):
            return HandlerFailed(f"{type(exc).__name__} (its text held <text> or <token>)")
        return exc

    def _clean_one(self, exc: BaseException) -> None:
        if isinstance(exc.args, tuple):
            exc.args = tuple(self._clean_value(value) for value in exc.args)
        # A pickled exception may be made again of its attributes.
        for name, value in vars(exc).items():
            if isinstance(value, str):
                vars(exc)[name] = self._clean_value(value)
        notes = getattr(exc, "__notes__", None)
        if isinstance(notes, list):
            notes[:] = [self._clean_value(note) for note in notes]

    def _clean_value(self, value: object) -> object:
        if isinstance(value, str):
            for secret, shown in self._secrets:
                value = value.replace(secret, shown)
            return value
        return "<text>" if self._in(_repr(value)) else value

    def _shows(self, exc: BaseException) -> bool:
        return self._in("".join(traceback.format_exception_only(exc))) or self._in(_repr(exc))

    def _in(self, text: str) -> bool:
        return any(secret in text for secret, _ in self._secrets)


def _forms(secret: str) -> Iterator[str]:
    """A secret as it stands, and as it stands within a repr."""
    if len(secret) >= _SHORTEST:
        yield secret
        yield repr(secret)[1:-1]
        yield ascii(secret)[1:-1]


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as exc:
        return f"<{type(value).__name__} without repr: {type(exc).__name__}>"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and all that it came from or holds, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exc]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        waiting += _held(each)


def _held(exc: BaseException) -> Sequence[BaseException]:
    return exc.exceptions if isinstance(exc, BaseExceptionGroup) else ()
