from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet.slack.markup import mentioned, plain, referred, unescape

NAMES = {"U1": "alice", "U2": "R&amp;D <b>", "W3": "wu", "C1": "general"}

#: What people type, and what Slack makes of it.
typed = st.text(alphabet="<>&@#!|^ab1;lt gmp\n\U0001f600é", max_size=60)
ids = st.from_regex("[UWC][A-Z0-9]{0,10}", fullmatch=True)


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shown(text: str) -> str:
    return plain(text, lambda id_: NAMES.get(id_, id_), lambda id_: NAMES.get(id_, id_))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "hello"),
        ("<@U1>", "@alice"),
        ("<@U1|al>", "@al"),
        ("<@U9>: hi", "@U9: hi"),
        ("<@U2>", "@R&amp;D <b>"),
        ("<@u1> <@> <#>", "@u1 @ #"),
        ("<#C1>", "#general"),
        ("<#C1|lobby>", "#lobby"),
        ("<#C1|>", "#general"),
        ("<#C9>", "#C9"),
        ("<!here> <!channel|channel> <!everyone>", "@here channel @everyone"),
        ("<!subteam^S1|@ops> <!subteam^S2>", "@ops @S2"),
        ("<!date^1392734382^{date_short}|Feb 18, 2014>", "Feb 18, 2014"),
        ("<https://a.b/?x=1&amp;y=2>", "https://a.b/?x=1&y=2"),
        ("<https://a.b/|a &lt;b&gt;>", "a <b>"),
        ("<mailto:al@a.b|al@a.b> <mailto:al@a.b> <tel:123>", "al@a.b al@a.b 123"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; stays &quot;", "&lt; stays &quot;"),
        ("<never closed", "<never closed"),
        ("<>", "<>"),
        ("a > b <@U1> < c", "a > b @alice < c"),
        ("<<@U1>>", "<@alice>"),
    ],
)
def test_a_text_as_a_person_reads_it(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(typed)
def test_what_people_type_comes_back(text: str) -> None:
    assert shown(escape(text)) == unescape(escape(text)) == text
    assert mentioned(escape(text)) == []


@given(st.lists(st.tuples(typed, ids), max_size=5), typed)
def test_mentions_among_what_people_type(parts: list[tuple[str, str]], end: str) -> None:
    text = "".join(f"{escape(before)}<@{id_}>" for before, id_ in parts) + escape(end)
    assert mentioned(text) == list(dict.fromkeys(id_ for _, id_ in parts))
    assert plain(text, str.lower, str) == "".join(f"{before}@{id_.lower()}" for before, id_ in parts) + end


@given(st.text(max_size=200), st.text(alphabet="<>&@#!|^AUC1;lt ", max_size=100))
def test_any_text_can_be_shown(text: str, odd: str) -> None:
    for one in (text, odd):
        assert isinstance(shown(one), str)
        assert all(id_.isalnum() for id_ in mentioned(one))
        assert referred(one) is None or one.startswith(("<@", "<#"))
