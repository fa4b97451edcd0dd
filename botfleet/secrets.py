"""Tokens as secrets: a type that never shows itself, and the seal that hides tokens at rest.

A stored token is text: `sealed:` and a MultiFernet message, or `plain:` and the token where no key is
configured. The first key seals, every key opens, so keys are rotated by putting the new one in front.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .errors import ConfigurationError, SealError

_SEALED = "sealed:"
_PLAIN = "plain:"


class Token:
    """A Slack token that shows itself to nobody: `repr`, `str` and formatting give a fixed text.

    Call `reveal()` at the one place where it goes to Slack.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Returns the token itself."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell tokens apart and lead back to none (tokens are long and random)."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "<Token>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Token is never pickled: seal it")


class Seal:
    """Seals tokens for the store and for task arguments, and opens them again.

    Args:
        keys: Fernet keys (32 bytes, url-safe base64), newest first; empty means that tokens are stored
            in the clear.

    Raises:
        ConfigurationError: a key is malformed.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
        except (ValueError, TypeError) as exc:
            raise ConfigurationError(
                "BOTFLEET_SECRET_KEYS",
                "takes Fernet keys (32 bytes as url-safe base64), comma-separated, newest first; "
                "`botfleet keys new` prints one",
            ) from exc

    @property
    def active(self) -> bool:
        """Whether tokens are sealed at all."""
        return self._fernet is not None

    def seal(self, token: Token) -> str:
        """Returns the token as text for the store."""
        if self._fernet is None:
            return _PLAIN + token.reveal()
        return _SEALED + self._fernet.encrypt(token.reveal().encode()).decode()

    def open(self, stored: str) -> Token:
        """Returns the token of a stored text.

        Raises:
            SealError: it was sealed with a key that this process does not have, or is no stored token.
        """
        if stored.startswith(_PLAIN):
            return Token(stored.removeprefix(_PLAIN))
        if not stored.startswith(_SEALED):
            raise SealError("the stored token has an unknown form; expected 'sealed:…' or 'plain:…'")
        if self._fernet is None:
            raise SealError("the token is sealed and this process has no key; set BOTFLEET_SECRET_KEYS")
        try:
            return Token(self._fernet.decrypt(stored.removeprefix(_SEALED)).decode())
        except (InvalidToken, ValueError) as exc:  # ValueError: it is no ASCII text.
            raise SealError(
                "the token was sealed with a key that this process does not have; "
                "add that key to BOTFLEET_SECRET_KEYS"
            ) from exc

    @staticmethod
    def is_stored_form(text: str) -> bool:
        """Whether a task argument is a stored token rather than a bare one."""
        return text.startswith((_SEALED, _PLAIN))

    @staticmethod
    def new_key() -> str:
        """Returns a fresh key."""
        return Fernet.generate_key().decode()
