"""What the command line prints: plain tables that a person can read and `awk` can cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from .fleet import BotReport, Result
from .model import STATES, HolderInfo
from .overview import holder_state

if TYPE_CHECKING:
    from .inventory import HandlerReport, TimerReport

_COLOURS = {
    "connected": "green",
    "connecting": "yellow",
    "rate_limited": "yellow",
    "disconnected": "red",
    "token_revoked": "red",
    "stopped": "bright_black",
}

#: The head of `holders_table`.
HOLDER_COLUMNS = [
    "HOLDER",
    "HOST",
    "PID",
    "UP",
    "STATE",
    "SHARDS",
    "LEADS",
    "BOTS",
    "CONNECTED",
    "EVENTS/S",
    "PUBLISHED",
    "UNSENT",
    "DROPPED",
]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lays out rows in columns, two spaces apart.

    >>> print(table(["TEAM", "STATUS"], [["T1", "connected"], ["T00002", "stopped"]]))
    TEAM    STATUS
    T1      connected
    T00002  stopped
    """
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(click.unstyle(line[n])) for line in lines) for n in range(len(head))]
    padded = ([_pad(*pair) for pair in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - len(click.unstyle(cell)))


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "bot"), plural(0, "bot")
    ('1 bot', '0 bots')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def ago(seconds: float) -> str:
    """A span of time in its two largest units.

    >>> ago(4.2), ago(75), ago(90061)
    ('4s', '1m15s', '1d1h')
    """
    span = timedelta(seconds=max(0, int(seconds)))
    hours, rest = divmod(span.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(span.days, "d"), (hours, "h"), (minutes, "m"), (left, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return "".join(f"{count}{unit}" for count, unit in parts[:2] if count or len(parts) == 1) or "0s"


def state(word: str) -> str:
    """A bot's state in its colour."""
    return click.style(word, fg=_COLOURS.get(word))


def bots_table(bots: Sequence[BotReport], now: float) -> str:
    """The bots, a line each."""
    return table(
        ["TEAM", "NAMESPACE", "NAME", "STATUS", "SINCE", "HOLDER", "ERROR"],
        (
            [
                bot.team_id,
                bot.namespace or "-",
                bot.team_name or "-",
                state(bot.status),
                ago(now - bot.since) if bot.since else "-",
                bot.holder or ("by HTTP" if bot.transport == "http" else "-"),
                _trouble(bot, now),
            ]
            for bot in bots
        ),
    )


def _trouble(bot: BotReport, now: float) -> str:
    again = f" (again in {ago(bot.retry_at - now)})" if bot.retry_at > now else ""
    return f"{bot.error}{again}" if bot.error else "-"


def counts_line(counts: dict[str, int]) -> str:
    """How many bots there are, by state, the known states in their usual order."""
    total = sum(counts.values())
    parts = [f"{counts[one]} {state(one)}" for one in STATES if counts.get(one)]
    return plural(total, "bot") + (f": {', '.join(parts)}" if parts else "")


def result_line(result: Result) -> str:
    """What became of one argument."""
    if result.ok:
        return "  ".join([result.team_id or "-", state(result.status) if result.status else "done"])
    return "  ".join([result.team_id or "-", click.style("failed", fg="red"), result.error or ""])


def holders_table(holders: Sequence[HolderInfo], now: float) -> str:
    """The holders, a line each."""
    return table(
        HOLDER_COLUMNS,
        (
            [
                one.name,
                one.host,
                str(one.pid),
                ago(now - one.since),
                holder_state(one),
                *map(str, (one.shards, one.led, one.bots, one.connected, f"{one.rate:g}")),
                *map(str, (one.published, one.unsent, one.dropped)),
            ]
            for one in holders
        ),
    )


def handlers_table(handlers: Sequence[HandlerReport]) -> str:
    """The handlers, a line each."""
    return table(
        ["HANDLER", "ROLE", "STATE", "RUNS", "FAILED", "LATE", "QUEUE", "WANTS"],
        (
            [
                one.handler,
                one.group,
                _kept(one.state),
                *map(str, (one.runs, one.failed, one.late)),
                one.queue or "-",
                one.wants,
            ]
            for one in handlers
        ),
    )


def timers_table(timers: Sequence[TimerReport], now: float) -> str:
    """The timers, a line each."""
    return table(
        ["TIMER", "STATE", "PLAN", "LAST RUN", "QUEUE"],
        (
            [
                one.timer,
                _kept(one.state),
                one.plan,
                "-" if one.last_run is None else ago(now - one.last_run),
                one.queue or "-",
            ]
            for one in timers
        ),
    )


def _kept(state: str) -> str:
    """Whether what is declared is announced, in colour."""
    return click.style(state, fg="green" if state == "ok" else "yellow")
