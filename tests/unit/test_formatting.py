from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from botfleet import formatting as f

#: What Slack reads a meaning into, mixed with anything else.
texts = st.text(st.one_of(st.sampled_from("<>&|*_~`#@! \n"), st.characters(exclude_categories=["Cs"])))


@given(texts)
def test_what_was_escaped_comes_back(text: str) -> None:
    assert f.unescape(f.escape(text)) == text


@given(texts)
def test_nothing_is_read_into_what_was_escaped(text: str) -> None:
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", f.escape(text))


words = st.text(st.characters(codec="utf-8", categories=["L", "N"], include_characters="<>&"), min_size=1)


@example("&0")
@example(">")
@given(words)
def test_a_style_around_plain_words_goes_without_a_trace(text: str) -> None:
    for style in (f.bold, f.italic, f.strike):
        assert f.to_plain(style(f.escape(text))) == text
        assert f.to_plain(f.bold(f.italic(style(f.escape(text))))) == text
    assert f.to_plain(f.code(text)) == text
    assert f.to_plain(f.code_block(text)) == text


@given(words)
def test_a_label_is_what_a_link_says(label: str) -> None:
    assert f.to_plain(f.link("https://example.com/?a=1&b=2", label)) == label


@given(texts)
def test_a_label_cannot_end_its_link(label: str) -> None:
    made = f.link("https://example.com/a|b>c", label)
    assert (made.count("<"), made.count(">")) == (1, 1)
    assert made.count("|") == (1 if label else 0)


def test_styles_end_with_their_line() -> None:
    assert f.bold("one\n\ntwo") == "*one*\n\n*two*"
    assert f.quote("one\ntwo") == "> one\n> two"


def test_code_cannot_end_itself() -> None:
    assert f.code("a `b`").count("`") == 2
    assert f.code_block("a ``` b").count("```") == 2


def test_mentions() -> None:
    assert [f.user("U1"), f.channel("C1"), f.group("S1")] == ["<@U1>", "<#C1>", "<!subteam^S1>"]
    assert [f.here(), f.mention_channel(), f.everyone()] == ["<!here>", "<!channel>", "<!everyone>"]


@pytest.mark.parametrize(
    "when",
    [
        1_700_000_000,
        1_700_000_000.5,
        datetime(2023, 11, 14, 22, 13, 20),
        datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        datetime(2023, 11, 15, 0, 13, 20, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_date_is_the_readers(when: float | datetime) -> None:
    assert f.date(when, "{date}") == "<!date^1700000000^{date}|2023-11-14 22:13 UTC>"


def test_a_date_may_be_a_link_with_words_of_its_own() -> None:
    made = f.date(0, "on {date} ^|>", fallback="long ago", url="https://example.com")
    assert made == "<!date^0^on {date}  ¦&gt;^https://example.com|long ago>"
    assert f.to_plain(made) == "long ago"


@pytest.mark.parametrize(
    ("mrkdwn", "plain"),
    [
        ("*bold* _italic_ ~gone~ `code`", "bold italic gone code"),
        ("*_both_*", "both"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("* no bold*", "* no bold*"),
        ("<@U1> <@U1|alice> <#C1|general> <#C1>", "@U1 @alice #general #C1"),
        ("<!here> <!subteam^S1|@team> <!date^0^{date}|1970>", "@here @team 1970"),
        (
            "<https://a.b|label> <https://a.b> <mailto:a@b.c|a@b.c> <mailto:a@b.c>",
            "label https://a.b a@b.c a@b.c",
        ),
        ("&lt;b&gt; &amp;lt;", "<b> &lt;"),
        ("> quoted\n&gt; so too", "quoted\nso too"),
        ("```\ncode\n```", "code"),
        ("a < b", "a < b"),
    ],
)
def test_plain_text(mrkdwn: str, plain: str) -> None:
    assert f.to_plain(mrkdwn) == plain


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**bold** __bold__ *it* _it_ ~~gone~~ `a < b`", "*bold* *bold* _it_ _it_ ~gone~ `a &lt; b`"),
        ("***both***", "_*both*_"),
        ("**one\ntwo**", "*one*\n*two*"),
        ("# Big **deal**\ntext", "*Big deal*\n\ntext"),
        ("[a *b*](https://a.b/?x=1&y=2 'title')", "<https://a.b/?x=1&amp;y=2|a b>"),
        ("<https://a.b>", "<https://a.b|https://a.b>"),
        ("![cat](https://a.b/c.png)", "<https://a.b/c.png|cat>"),
        ("- one\n- two\n  - three", "• one\n• two\n  • three"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("> said\n> so", "> said\n> so"),
        ("```py\nx = 1 < 2\n```", "```\nx = 1 &lt; 2\n```"),
        ("    indented", "```\nindented\n```"),
        ("one\n\n---\n\ntwo", "one\n\n———\n\ntwo"),
        ("a & b < c <b>html</b> <!channel>", "a &amp; b &lt; c &lt;b&gt;html&lt;/b&gt; &lt;!channel&gt;"),
        ("one  \ntwo", "one\ntwo"),
        ("| a | b |\n|---|---|\n| 1 | 22 |", "```\na  b\n-  --\n1  22\n```"),
        ("", ""),
    ],
)
def test_from_markdown(markdown: str, mrkdwn: str) -> None:
    assert f.from_markdown(markdown) == mrkdwn


@given(texts)
def test_any_text_is_markdown(text: str) -> None:
    assert not re.search(r"<!(here|channel|everyone)", f.from_markdown(text))


words_of_lines = st.lists(st.text("abcxyz", min_size=1), min_size=1).map(" ".join)


@given(st.lists(words_of_lines, min_size=1).map("\n\n".join))
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert f.from_markdown(text) == text
    assert f.to_plain(f.from_markdown(text)) == text


def test_in_a_block_of_code_nothing_is_a_style() -> None:
    assert f.to_plain("see *this*:\n```\n&gt; *p _q_\n```\n&gt; a quote\n``` open *end*") == (
        "see this:\n> *p _q_\na quote\n``` open end"
    )
