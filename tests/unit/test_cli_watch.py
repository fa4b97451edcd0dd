"""`botfleet events`: what is printed of what holders show."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from botfleet import cli_watch, watching
from botfleet.cli import fleet
from botfleet.model import HolderInfo, Shown, Sighting
from botfleet.store.memory import MemoryStore

from .bots import NOW, envelope

Show = Callable[..., Result]


def sighting(number: int = 1, text: str | None = None, **fields: Any) -> Sighting:
    return Sighting(
        **{
            "id": f"Ev{number}",
            "received_at": NOW + 0.25,
            "bot": "T1",
            "type": "message",
            "handlers": 2,
            "envelope": "" if text is None else json.dumps(envelope(text, id=f"Ev{number}")),
            **fields,
        }
    )


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Runs `botfleet events --follow` with options while a holder shows something."""

    def show(*shown: Shown | None, options: str = "") -> Result:
        def follow(store: object, **asked: Any) -> Iterator[Shown | None]:
            yield from shown
            raise KeyboardInterrupt

        store = MemoryStore(1)
        store.announce(HolderInfo(name="h1"), 60.0)
        monkeypatch.setattr(watching, "follow", follow)
        monkeypatch.setattr(cli_watch, "open_fleet", lambda: SimpleNamespace(store=store))
        return CliRunner().invoke(fleet, ["events", "--follow", *options.split()])

    return show


def lines(result: Result) -> list[list[str]]:
    """The cells of what is on stdout, after the head."""
    assert result.exit_code == 0, result.output
    return [line.split(maxsplit=7) for line in result.stdout.splitlines()[1:]]


def test_an_event_is_a_line(show: Show) -> None:
    found = show(
        None, Shown(holder="h1", sightings=(sighting(channel="C1", user="U1"), sighting(2, subtype="x")))
    )
    at = time.strftime("%H:%M:%S.250", time.localtime(NOW))
    assert lines(found) == [
        [at, "T1", "message", "C1", "U1", "2", "Ev1"],
        [at, "T1", "message/x", "-", "-", "2", "Ev2"],
    ]


def test_what_people_wrote_moves_no_cursor(show: Show) -> None:
    text = "a\x1b[2J\r\nb\u202ec" + "x" * 500
    (line,) = lines(show(Shown(holder="h1", sightings=(sighting(text=text, channel="C\x1b"),))))
    assert line[7].startswith("a [2J  b cxxx")
    assert len(line[7]) == 200
    assert line[3] == "C"


def test_what_is_no_event_is_said_apart(show: Show) -> None:
    found = show(Shown(holder="h1"), Shown(holder="h1", sightings=(sighting(),), skipped=7))
    assert found.stderr.splitlines() == ["h1 shows what comes in.", "… and 7 more that came too fast to h1"]
    assert len(lines(found)) == 1


def test_json_is_an_object_a_line(show: Show) -> None:
    shown = Shown(holder="h1", sightings=(sighting(channel="C1"), sighting(2, text="hö")))
    first, second = map(json.loads, show(shown, options="--json --text").stdout.splitlines())
    assert first == {
        "id": "Ev1",
        "received_at": NOW + 0.25,
        "bot": "T1",
        "type": "message",
        "subtype": None,
        "channel": "C1",
        "user": "",
        "handlers": 2,
    }
    assert second == envelope("hö", id="Ev2")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_ends_after_so_many(show: Show, count: int) -> None:
    stream = [
        Shown(holder="h1"),
        *(Shown(holder="h1", sightings=(sighting(n), sighting(-n))) for n in (1, 2)),
    ]
    assert len(lines(show(*stream, options=f"--count {count}"))) == count


def test_there_is_no_past() -> None:
    result = CliRunner().invoke(fleet, ["events"])
    assert result.exit_code == 2
    assert "--follow" in result.output
