"""Tokens never show themselves, and sealed ones are opened by those who have a key."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import msgspec
import pytest

from botfleet.errors import ConfigurationError, SealError
from botfleet.secrets import Seal, Token

TOKEN = "xoxb-test-1-secret"


@pytest.mark.parametrize(
    "shown",
    [
        repr(Token(TOKEN)),
        str(Token(TOKEN)),
        f"{Token(TOKEN)}",
        f"{Token(TOKEN)!r:>20}",
        f"{Token(TOKEN):>20}",
        "%s %r" % (Token(TOKEN), Token(TOKEN)),  # noqa: UP031
        repr([Token(TOKEN)]),
        repr({"token": Token(TOKEN)}),
    ],
)
def test_a_token_shows_itself_to_nobody(shown: str) -> None:
    assert "xoxb" not in shown
    assert "<Token>" in shown


def test_a_token_is_revealed_on_request_only() -> None:
    assert Token(TOKEN).reveal() == TOKEN


def test_a_token_does_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").info("a token: %s", Token(TOKEN), extra={"token": Token(TOKEN)})
    assert "xoxb" not in caplog.text


def test_a_token_is_never_pickled_copied_or_made_json() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Token(TOKEN))
    with pytest.raises(TypeError):
        copy.copy(Token(TOKEN))
    with pytest.raises(TypeError):
        json.dumps(Token(TOKEN))
    with pytest.raises(TypeError):
        msgspec.json.encode(Token(TOKEN))


def test_tokens_are_equal_by_value() -> None:
    assert Token(TOKEN) == Token(TOKEN) != Token("xoxb-test-2")
    assert Token(TOKEN) != TOKEN
    assert len({Token(TOKEN), Token(TOKEN), Token("xoxb-test-2")}) == 2


def test_a_fingerprint_tells_tokens_apart_and_shows_none() -> None:
    fingerprint = Token(TOKEN).fingerprint
    assert fingerprint == Token(TOKEN).fingerprint != Token("xoxb-test-2").fingerprint
    assert len(fingerprint) == 16
    assert int(fingerprint, 16) >= 0


def test_a_sealed_token_is_opened_with_its_key() -> None:
    seal = Seal([Seal.new_key()])
    stored = seal.seal(Token(TOKEN))
    assert seal.active
    assert TOKEN not in stored
    assert Seal.is_stored_form(stored)
    assert seal.open(stored) == Token(TOKEN)
    assert seal.seal(Token(TOKEN)) != stored


def test_without_a_key_tokens_are_stored_in_the_clear_and_say_so() -> None:
    seal = Seal()
    assert not seal.active
    assert seal.seal(Token(TOKEN)) == f"plain:{TOKEN}"
    assert seal.open(f"plain:{TOKEN}") == Token(TOKEN)
    assert not Seal.is_stored_form(TOKEN)


def test_keys_are_rotated_by_putting_the_new_one_in_front() -> None:
    old, new = Seal.new_key(), Seal.new_key()
    stored = Seal([old]).seal(Token(TOKEN))
    rotated = Seal([new, old])
    assert rotated.open(stored) == Token(TOKEN)
    assert Seal([new]).open(rotated.seal(Token(TOKEN))) == Token(TOKEN)


def test_a_plain_token_is_still_opened_once_there_is_a_key() -> None:
    assert Seal([Seal.new_key()]).open(f"plain:{TOKEN}") == Token(TOKEN)


@pytest.mark.parametrize("keys", [[], [Seal.new_key()]])
def test_a_seal_that_can_not_be_opened(keys: list[str]) -> None:
    stored = Seal([Seal.new_key()]).seal(Token(TOKEN))
    with pytest.raises(SealError, match="BOTFLEET_SECRET_KEYS"):
        Seal(keys).open(stored)


@pytest.mark.parametrize("stored", ["", TOKEN, "sealed", "other:xoxb-test-1-secret"])
def test_what_is_no_stored_token_is_refused_unseen(stored: str) -> None:
    with pytest.raises(SealError) as caught:
        Seal([Seal.new_key()]).open(stored)
    assert "xoxb" not in str(caught.value)


def test_rubbish_after_the_mark_is_refused() -> None:
    with pytest.raises(SealError):
        Seal([Seal.new_key()]).open("sealed:rubbish")


@pytest.mark.parametrize("key", ["", "short", "ü" * 44, "A" * 44 + "!"])
def test_a_malformed_key_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="BOTFLEET_SECRET_KEYS") as caught:
        Seal([Seal.new_key(), key])
    assert caught.value.got is None
    assert not key or key not in "".join(traceback.format_exception_only(caught.value))
