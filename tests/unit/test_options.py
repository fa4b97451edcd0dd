"""The options of a command."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from botfleet.handlers.matching.options import Form, WrongOptions


@pytest.mark.parametrize(
    ("text", "options", "arguments"),
    [
        ("", {}, ()),
        ("main", {}, ("main",)),
        (
            '--env prod --force key=value "quoted text"',
            {"env": "prod", "force": True, "key": "value"},
            ("quoted text",),
        ),
        ("--env=prod now", {"env": "prod"}, ("now",)),
        ('--title "two words"', {"title": "two words"}, ()),
        ('--title="two  words" x', {"title": "two  words"}, ("x",)),
        ("--force --dry-run", {"force": True, "dry-run": True}, ()),
        ("--a 1 --a 2", {"a": "2"}, ()),
        ("—env prod –force", {"env": "prod", "force": True}, ()),
        ("“two words” don't 'stop", {}, ("two words", "don't", "'stop")),
        ('"--env" prod', {}, ("--env", "prod")),
        ("-x -- --1 1=2 =3", {}, ("-x", "--", "--1", "1=2", "=3")),
        ("a\n--b\nc", {"b": "c"}, ("a",)),
        ('""', {}, ("",)),
    ],
)
def test_any_options(text: str, options: dict[str, Any], arguments: tuple[str, ...]) -> None:
    assert Form().parse(text) == (options, arguments)


KINDS: Any = {"env": str, "count": int, "ratio": float, "force": bool}


@pytest.mark.parametrize(
    ("text", "options", "arguments"),
    [
        ("--env prod", {"env": "prod"}, ()),
        ("--force main", {"force": True}, ("main",)),
        ("--force=no", {"force": False}, ()),
        ("count=3 ratio=0.5", {"count": 3, "ratio": 0.5}, ()),
        ("--env --force", {"env": "--force"}, ()),
        ("other=1", {}, ("other=1",)),
    ],
)
def test_declared_options(text: str, options: dict[str, Any], arguments: tuple[str, ...]) -> None:
    assert Form(KINDS).parse(text) == (options, arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('main "secret', "quote is not closed"),
        ("--secret", r"don't know.*`--env`, `--count`, `--ratio`, `--force`"),
        ("--count secret", "`--count` takes a whole number"),
        ("--ratio=secret", "`--ratio` takes a number"),
        ("--force=secret", "`--force` takes no value"),
        ("--env", "`--env` takes a text"),
    ],
)
def test_what_is_wrong_is_told_without_repeating_it(text: str, says: str) -> None:
    with pytest.raises(WrongOptions, match=says) as caught:
        Form(KINDS).parse(text)
    assert "secret" not in str(caught.value)


@given(st.text(alphabet='ab-="“ \n', max_size=40))
def test_any_text_has_options_or_an_answer(text: str) -> None:
    for form in (Form(), Form(KINDS)):
        with suppress(WrongOptions):
            options, arguments = form.parse(text)
            assert all(isinstance(one, str) for one in (*options, *arguments))


@given(st.lists(st.text(alphabet="abc =-é\n", min_size=1, max_size=8), max_size=5))
def test_quoted_words_come_as_they_were(words: list[str]) -> None:
    assert Form().parse(" ".join(f'"{word}"' for word in words)) == ({}, tuple(words))
