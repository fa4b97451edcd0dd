"""What `bench/chaos` reckons: accounts, windows, the page; no processes."""

from __future__ import annotations

import doctest
import json
import time
from pathlib import Path

import pytest

from bench.chaos import account, page, scenarios
from bench.chaos.account import Account, Handled, Said, heard
from bench.chaos.load import Notes, wait_for_all
from bench.chaos.scenarios import SCENARIOS, most_in_a_second
from bench.report import Report


def said(*numbers: int, teams: int = 2) -> list[Said]:
    """Messages a second apart, to the teams in turn."""
    return [Said(f"T{number % teams}", str(number), float(number)) for number in numbers]


def handled(messages: list[Said], delay: float = 0.1) -> list[Handled]:
    return [Handled(one.team, one.number, one.at + delay) for one in messages]


class TestAccount:
    def test_what_was_handled_once_is_neither_missed_nor_doubled(self) -> None:
        messages = said(*range(6))
        found = Account(messages, handled(messages), 2.0)
        assert (found.handled, found.missed, found.doubled) == (6, [], 0)
        assert found.longest_gap == 0.0
        assert found.longest_delay == pytest.approx(0.1)

    def test_what_was_missed_makes_a_gap(self) -> None:
        messages = said(*range(10))
        found = Account(messages, handled([one for one in messages if one.number not in "46"]), 2.0)
        assert [one.number for one in found.missed] == ["4", "6"]
        assert (found.handled, found.longest_gap) == (8, 4.0)

    def test_a_team_of_which_nothing_was_handled_had_a_gap_from_end_to_end(self) -> None:
        messages = said(*range(10))
        assert Account(messages, handled(messages[1::2]), 2.0).longest_gap == 6.0

    def test_runs_beyond_the_first_are_doubled(self) -> None:
        messages = said(*range(4))
        again = handled(messages[:1], 5.0)
        found = Account(messages, [*again, *handled(messages), *again], 2.0)
        assert (found.handled, found.doubled) == (4, 2)
        assert found.longest_delay == pytest.approx(0.1)

    def test_the_same_number_in_another_team_is_another_message(self) -> None:
        found = Account([Said("T1", "1", 0.0)], [Handled("T2", "1", 0.1)], 1.0)
        assert len(found.missed) == 1

    def test_heard_is_what_a_socket_got(self) -> None:
        messages = [Said("T1", "1", 0.0), Said("T1", "2", 1.0, heard=False)]
        report = Report("kill", "a fault")
        Account(messages, [], 1.0).add_to(report)
        assert heard(messages) == messages[:1]
        assert report.value("missed") == 2
        assert report.value("missed of those heard") == 1

    def test_nothing_sent_is_no_error(self) -> None:
        empty = Account([], [], 1.0)
        assert (empty.handled, empty.doubled, empty.longest_gap, empty.longest_delay) == (0, 0, 0.0, 0.0)


class TestNotes:
    def test_half_a_line_is_read_when_it_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "notes"
        notes = Notes(path)
        assert notes.look() == []
        path.write_text("T1 load1.1 12.5\nT2 loa")
        assert notes.look() == [Handled("T1", "load1.1", 12.5)]
        path.write_text("T1 load1.1 12.5\nT2 load1.2 13.0\n")
        assert notes.look() == [Handled("T1", "load1.1", 12.5), Handled("T2", "load1.2", 13.0)]

    def test_what_nobody_heard_is_not_waited_for(self, tmp_path: Path) -> None:
        path = tmp_path / "notes"
        path.write_text("T1 1 12.5\n")
        messages = [Said("T1", "1", 12.0), Said("T1", "2", 13.0, heard=False)]
        wait_for_all(messages, Notes(path), lambda: 0, quiet=60.0)

    def test_what_does_not_come_is_given_up_when_all_is_quiet(self, tmp_path: Path) -> None:
        waiting = [5, 3, 0]
        began = time.monotonic()
        wait_for_all(
            said(1), Notes(tmp_path / "none"), lambda: waiting.pop(0) if len(waiting) > 1 else 0, quiet=0.3
        )
        assert 0.3 <= time.monotonic() - began < 5.0
        assert waiting == [0]


def test_the_most_in_a_second() -> None:
    assert most_in_a_second([]) == 0
    assert most_in_a_second([3.0, 0.0, 1.0, 2.0]) == 1
    assert most_in_a_second([0.0, 0.99, 1.0, 1.5, 1.98, 1.99]) == 4


def test_each_scenario_has_a_title() -> None:
    assert len(SCENARIOS) == 10
    assert all(one.title for one in SCENARIOS.values())


def test_the_examples_are_right() -> None:
    for module in (account, scenarios):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0


class TestPage:
    @pytest.fixture
    def report(self) -> Report:
        made = Report("kill", "one of 3 holders is killed")
        messages = said(*range(10))
        Account(messages, handled(messages[1:]), 2.0).add_to(made)
        made.at_most("missed", 0)
        made.at_most("doubled", 0)
        made.note("a note")
        return made

    def test_it_has_a_row_and_a_section_for_each_fault(self, report: Report, tmp_path: Path) -> None:
        page.keep(report, tmp_path)
        assert "written" in page.write(tmp_path, tmp_path / "CHAOS.md")
        text = (tmp_path / "CHAOS.md").read_text()
        assert "| [kill](#kill) | 10 | 9 | 1 | 0 | 0.1 s | 0.1 s | **missed** |" in text
        assert "| missed | 1 events | ≤ 0 events | **missed** |" in text
        assert "| doubled | 0 events | ≤ 0 events | met |" in text
        assert "- a note." in text

    def test_its_json_is_that_of_the_benchmarks(self, report: Report) -> None:
        found = json.loads(json.dumps(report.as_json()))
        assert list(found) == ["bench", "machine", "rounds", "figures", "peers", "goals"]
        assert found["figures"]["missed"] == {"value": 1.0, "unit": "events"}
        assert found["goals"][0] == {"figure": "missed", "value": 1.0, "must": "<= 0 events", "met": False}

    def test_nothing_kept_is_no_page(self, tmp_path: Path) -> None:
        assert "--write" in page.write(tmp_path, tmp_path / "CHAOS.md")
        assert not (tmp_path / "CHAOS.md").exists()
