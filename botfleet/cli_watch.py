"""`botfleet events` and `botfleet replay`: what comes in, now and once more."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click

from .cli_common import as_json, open_fleet, print_json
from .cli_holders import NO_HOLDER

if TYPE_CHECKING:
    from .model import Shown, Sighting
    from .replay import Counts

#: The columns of `events`, and how wide they are; what is longer pushes the rest on.
_COLUMNS = {"TIME": 12, "BOT": 12, "TYPE": 22, "CHANNEL": 11, "USER": 11, "HANDLERS": 8, "ID": 0}
#: Letters of a text that are shown.
_TEXT = 200


@click.command()
@click.option("--follow", is_flag=True, help="Show what comes in from now on; botfleet keeps no events.")
@click.option("--team", "teams", multiple=True, metavar="TEAM", help="Only this team's; may be repeated.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only of this type; may be repeated.")
@click.option("--wanted", is_flag=True, help="Only those that a handler wants.")
@click.option("--text", is_flag=True, help="With what people wrote; with --json the whole envelope.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many events.")
@as_json
def events(
    follow: bool,
    teams: Sequence[str],
    types: Sequence[str],
    wanted: bool,
    text: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Show the events that come in, a line each, until Ctrl-C."""
    if not follow:
        raise click.UsageError("botfleet keeps no events; --follow shows those that come in from now on")
    from .watching import follow as watch

    show = _as_json if as_json else _as_line
    if not as_json:
        click.echo(_row(list(_COLUMNS), "TEXT" if text else ""))
    store = open_fleet().store
    if not store.holders():
        click.echo(NO_HOLDER, err=True)
    stream = watch(store, teams=teams, types=types, wanted=wanted, text=text)
    left = count
    with suppress(KeyboardInterrupt):
        for shown in stream:
            for sighting in shown.sightings[:left] if shown else ():
                click.echo(show(sighting))
            if shown:
                _say_besides(shown)
                left = None if left is None else left - len(shown.sightings)
            if left is not None and left <= 0:
                return


def _say_besides(shown: Shown) -> None:
    """To stderr, so that what is on stdout are events only."""
    if shown.skipped:
        click.echo(f"… and {shown.skipped} more that came too fast to {shown.holder}", err=True)
    elif not shown.sightings:
        click.echo(f"{shown.holder} shows what comes in.", err=True)


def _as_line(sighting: Sighting) -> str:
    from .watching import time_of

    kind = f"{sighting.type}/{sighting.subtype}" if sighting.subtype else sighting.type
    cells = [time_of(sighting), sighting.bot, kind, sighting.channel or "-", sighting.user or "-"]
    return _row([*cells, str(sighting.handlers), sighting.id], _text_of(sighting))


def _row(cells: Sequence[str], text: str) -> str:
    padded = (_printable(cell).ljust(width) for cell, width in zip(cells, _COLUMNS.values(), strict=True))
    return "  ".join([*padded, *([text] if text else [])])


def _text_of(sighting: Sighting) -> str:
    """What was said, in one line."""
    if not sighting.envelope:
        return ""
    text = json.loads(sighting.envelope)["payload"].get("text")
    return _printable(text[:_TEXT]) if isinstance(text, str) else ""


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor, or worse: people write it, and others may."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _as_json(sighting: Sighting) -> str:
    from .model import fields_of

    if sighting.envelope:
        return sighting.envelope
    shown: dict[str, Any] = fields_of(sighting)
    del shown["envelope"]
    return json.dumps(shown, ensure_ascii=False)


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--team", metavar="TEAM", help="Replay all events for this team's bot; bare ones need it.")
@click.option("--namespace", help="That bot's namespace.")
@click.option("--handler", metavar="NAME", help="Only for this handler, e.g. tasks.hello.ping.")
@click.option("--same-ids", is_flag=True, help="Leave out what the handlers have had lately.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="X times as fast as the events came; all at once without it.",
)
@click.option("--here", is_flag=True, help="Run this project's handlers in this process; nothing is sent.")
@click.option("--text", is_flag=True, help="With --here: show what they would have said.")
@as_json
def replay(file: Iterable[bytes], here: bool, text: bool, as_json: bool, **options: Any) -> None:
    """Feed the events recorded in FILE to the handlers once more; - reads standard input.

    A line is an envelope, as `events --follow --json --text` prints it, or a bare Slack event. Handlers do
    what they do for any event: they answer. With --here they only seem to.
    """
    if text and not here:
        raise click.UsageError("--text goes with --here")
    counts = _replay_here(file, text, options) if here else _replay(file, options)
    _say_replayed(counts, as_json)
    if counts.bad or counts.failed:
        sys.exit(1)


def _replay(file: Iterable[bytes], options: dict[str, Any]) -> Counts:
    """Through the broker."""
    from .celery import app
    from .publishing.router import wanted_by
    from .replay import Replay
    from .steps import make_sink

    with closing(make_sink(app)) as sink:
        wanted = wanted_by(app.fleet.store.subscriptions())
        return Replay(app.fleet, sink, wanted, **options).run(file, _tell_bad_line)


def _replay_here(file: Iterable[bytes], text: bool, options: dict[str, Any]) -> Counts:
    """In this process."""
    from .celery import app
    from .rehearsal import Rehearsal
    from .replay import Replay

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("botfleet.handlers.sending.shadow").setLevel(logging.DEBUG if text else logging.INFO)
    logging.getLogger("celery.app.trace").setLevel(logging.CRITICAL)  # Failures are told below.
    sink = Rehearsal(app, _tell_failure)
    # One after another, however long they take.
    replay = Replay(app.fleet, sink, sink.wanted, waiting=0, patience=math.inf, **options)
    counts = replay.run(file, _tell_bad_line)
    return dataclasses.replace(counts, failed=sink.failed)


def _tell_bad_line(number: int, why: str) -> None:
    click.echo(f"line {number}: {why}", err=True)


def _tell_failure(handler: str, what: str, exc: BaseException) -> None:
    click.echo(f"{handler} failed for {what}: {type(exc).__name__}: {exc}", err=True)


def _say_replayed(counts: Counts, as_json: bool) -> None:
    from . import tables

    if as_json:
        print_json(dataclasses.asdict(counts))
        return
    parts = [f"{counts.published} given to the handlers", f"{counts.events - counts.wanted} that none wants"]
    parts += [f"{counts.copies} left out, had lately"] if counts.copies else []
    parts += [f"{counts.failed} failed"] if counts.failed else []
    parts += [tables.plural(counts.bad, "bad line")] if counts.bad else []
    click.echo(f"{tables.plural(counts.events, 'event')}: {', '.join(parts)}.")
