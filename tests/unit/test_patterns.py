"""Regular expressions that can't hang a worker."""

from __future__ import annotations

import re
import time

import pytest

from botfleet.handlers.matching.patterns import TIME_LIMIT, Budget, Pattern, TooSlow

CATASTROPHIC = r"(?:a|aa)+$"


@pytest.mark.parametrize("search", ["search", "match", "finds"])
def test_a_search_ends_in_time(search: str) -> None:
    before = time.monotonic()
    with pytest.raises(TooSlow):
        getattr(Pattern(CATASTROPHIC), search)("a" * 500 + "b")
    assert TIME_LIMIT * 0.9 < time.monotonic() - before < 10 * TIME_LIMIT


def test_several_searches_share_their_time() -> None:
    budget = Budget()
    with pytest.raises(TooSlow):
        Pattern(CATASTROPHIC).search("a" * 500 + "b", budget.left)
    with pytest.raises(TooSlow):
        Pattern("a").search("a", budget.left)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (re.compile("b", re.IGNORECASE), "aB", "B"),
        (re.compile("a.b", re.DOTALL), "a\nb", "a\nb"),
        (re.compile("^b", re.MULTILINE), "a\nb", "b"),
        (re.compile("a b # that", re.VERBOSE), "ab", "ab"),
        (re.compile(r"\w+", re.ASCII), "éa", "a"),
        (r"\w+", "éa", "éa"),
        ("(?i)b", "aB", "B"),
        ("x", "y", None),
    ],
)
def test_flags_mean_what_they_do_for_re(pattern: str | re.Pattern[str], text: str, found: str | None) -> None:
    match = Pattern(pattern).search(text)
    assert (match and match[0]) == found


@pytest.mark.parametrize(
    "pattern", ["dep|deploy", re.compile("dep|deploy  # both", re.VERBOSE), "(?i)dep|deploy"]
)
def test_a_word_ends_where_white_space_begins(pattern: str | re.Pattern[str]) -> None:
    word = Pattern(pattern, ignore_case=True, is_word=True)
    assert [found and found[0] for found in map(word.match, ["DEPLOY now", "dep", "deploys", "a dep"])] == [
        "DEPLOY",
        "dep",
        None,
        None,
    ]


def test_finds_are_those_of_re() -> None:
    for pattern in (r"\d", r"(\d)", r"(\d)(\w)"):
        assert Pattern(pattern).finds("1a 2b") == tuple(re.findall(pattern, "1a 2b"))


def test_what_is_no_pattern() -> None:
    with pytest.raises(ValueError, match="missing"):
        Pattern("(")
