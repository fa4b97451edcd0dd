from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet.handlers.sending.splitting import LIMIT, split

limits = st.integers(20, 60)
texts = st.text(st.one_of(st.sampled_from("ab \n"), st.characters()), max_size=400)


def without_space(text: str) -> str:
    return re.sub(r"[ \n]", "", text)


@given(texts, limits)
def test_nothing_is_lost_and_every_piece_fits(text: str, limit: int) -> None:
    pieces = split(text.replace("`", ""), limit)
    assert all(len(piece) <= limit for piece in pieces)
    assert without_space("".join(pieces)) == without_space(text.replace("`", ""))


@given(st.lists(st.text("ab ", max_size=15)).map("\n".join), limits)
def test_lines_stay_whole_where_they_fit(text: str, limit: int) -> None:
    assert "\n".join(split(text, limit)) == text


@given(st.lists(st.text("abc", min_size=1, max_size=9), max_size=50).map(" ".join), limits)
def test_words_stay_whole_where_they_fit(text: str, limit: int) -> None:
    assert " ".join(split(text, limit)) == text


@given(
    st.lists(st.sampled_from(["<@U12345>", "<https://a.b|x y>", "&amp;", "a", " "]), max_size=60).map(
        "".join
    ),
    limits,
)
def test_entities_stay_whole(text: str, limit: int) -> None:
    for piece in split(text, limit):
        assert re.sub(r"<[^<>]*>|&amp;", "", piece).strip("a ") == ""


@pytest.mark.parametrize(
    "sign",
    [
        "\N{MAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
        "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}",
        "e\N{COMBINING ACUTE ACCENT}",
        "\ud83d\ude00",
    ],
)
def test_signs_stay_whole(sign: str) -> None:
    pieces = split("x" + sign * 40, 20)
    assert len(pieces) > 1
    assert all(re.fullmatch(f"x?(?:{sign})+", piece) for piece in pieces)


def test_code_is_closed_and_opened_again() -> None:
    lines = [f"line {number:03}" for number in range(30)]
    pieces = split("See:\n```\n" + "\n".join(lines) + "\n```\nthat's all", 100)
    assert len(pieces) > 2
    assert all(piece.count("```") == 2 for piece in pieces)
    assert all(len(piece) <= 100 for piece in pieces)
    assert re.findall(r"line \d+", "".join(pieces)) == lines


def test_what_can_be_cut_nowhere_is_cut_anywhere() -> None:
    assert split("x" * 45, 20) == ["x" * 20, "x" * 20, "x" * 5]
    assert split("<" + "x" * 44, 20) == ["<" + "x" * 19, "x" * 20, "x" * 5]
    assert split("<" + "x" * 43 + ">", 20)[0] == "<" + "x" * 19


def test_the_limit_is_slacks() -> None:
    assert split("x" * LIMIT) == ["x" * LIMIT]
    assert len(split("x" * (LIMIT + 1))) == 2
