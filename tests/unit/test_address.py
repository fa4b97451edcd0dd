"""Whether a text speaks to the bot."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from botfleet.slack.address import MAX_NAME, addressed, folded

ALIASES = [
    folded(name) for name in (":robot_face:", "🤖", "Bötchen", "Straße", "ボット", "bot", "bot two", "C-3PO")
]


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (":robot_face: ping", "ping"),
        (":Robot_Face:ping", "ping"),
        (":robot_face:: ping", "ping"),
        (":robot_faces: ping", None),
        ("🤖 ping", "ping"),
        ("🤖ping", "ping"),
        ("🤖\ufe0f, ping", "ping"),
        ("BÖTCHEN ping", "ping"),
        ("bötchens ping", None),
        ("STRASSE: ping", "ping"),
        ("straße ping", "ping"),
        ("strasse\nping", "ping"),
        ("straßen ping", None),
        ("ボット、ping", "ping"),
        ("ボット： ping", "ping"),
        ("ボットping", None),
        ("c-3po ping", "ping"),
        ("@bot ping", "ping"),
        ("bot_1 ping", None),
        ("bot two ping", "ping"),
        ("bot two", ""),
        ("a bot", None),
        ("", None),
    ],
)
def test_aliases(text: str, rest: str | None) -> None:
    assert addressed(text, "U0", "pingbot", False, ALIASES) == rest


def test_without_a_name_nobody_is_addressed_by_it() -> None:
    assert addressed("ping", "", "", False) is None
    assert addressed(": ping", "", "", False, ["", "x"]) is None


NAMES = st.text(min_size=1, max_size=MAX_NAME).filter(
    lambda name: folded(name) == name.casefold() and name == name.strip() and not name.startswith(("@", "<@"))
)
RESTS = st.text(max_size=30).map(str.lstrip).filter(lambda rest: rest == "" or not rest.isspace())


@given(NAMES, RESTS, st.sampled_from([" ", ": ", ", ", "\n", " \t "]), st.sampled_from([str, str.upper]))
def test_any_name_in_any_case_addresses(name: str, rest: str, between: str, change: object) -> None:
    said = str.upper(name) if change is str.upper and name.upper().casefold() == name.casefold() else name
    assert addressed(f"{said}{between}{rest}", "U0", "", False, [folded(name)]) == rest.lstrip()


@given(st.text(max_size=300), NAMES, st.booleans())
def test_what_is_returned_is_an_end_of_the_text(text: str, name: str, is_dm: bool) -> None:
    rest = addressed(text, "U0", "pingbot", is_dm, [folded(name)])
    assert rest is None or text.endswith(rest)
