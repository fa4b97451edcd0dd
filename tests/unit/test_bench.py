"""The benchmarks' own arithmetic, reports and plots; no timings."""

from __future__ import annotations

import doctest
import importlib
import json
import signal
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bench import frames, measure, plot, results
from bench.cases import CASES, Options
from bench.load import encode
from bench.peers.raw import cut
from bench.report import Curve, Goal, Report

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def report() -> Report:
    """Two figures over three rounds, a peer, goals of both kinds."""
    report = Report("ingest", "events into a queue & back")
    for mine, theirs, cpu in ((100.0, 10.0, 7.0), (120.0, 12.0, 9.0), (110.0, 8.0, 8.0)):
        report.add("events/s", "1/s", mine)
        report.add("CPU", "%", cpu)
        report.add_peer("slack_sdk <3", "events/s", "1/s", theirs)
    report.ratio_at_least("events/s", "slack_sdk <3", 20.0)
    report.at_most("CPU", 10.0)
    report.note("a note")
    report.curves.append(Curve("growth", "bots", "us", {"botfleet": [(100.0, 5.0), (1000.0, 5.5)]}, True))
    return report


class TestReport:
    def test_its_json_has_the_shape_that_machines_read(self, report: Report) -> None:
        found = json.loads(json.dumps(report.as_json()))
        assert list(found) == ["bench", "machine", "rounds", "figures", "peers", "goals"]
        assert found["rounds"] == 3
        assert found["figures"]["events/s"] == {"value": 110.0, "unit": "1/s"}
        assert found["peers"] == {"slack_sdk <3": {"events/s": {"value": 10.0, "unit": "1/s"}}}
        assert found["goals"] == [
            {"figure": "events/s, over slack_sdk <3", "value": 11.0, "must": ">= 20 x", "met": False},
            {"figure": "CPU", "value": 8.0, "must": "<= 10 %", "met": True},
        ]

    def test_what_is_kept_can_be_read_again(self, report: Report) -> None:
        again = Report.from_saved(json.loads(json.dumps(report.as_saved())))
        assert again.as_json() == report.as_json()
        assert again.table() == report.table()

    def test_a_goal_over_a_peer_that_was_not_there_is_left_out(self, report: Report) -> None:
        report.ratio_at_least("events/s", "Relax", 2.0)
        assert len(report.goals) == 2
        assert report.unmeasured == {"events/s, over Relax": ">= 2 x"}
        assert "not measured  events/s, over Relax" in report.table()
        assert Report.from_saved(report.as_saved()).unmeasured == report.unmeasured

    def test_a_peer_that_did_nothing_leaves_no_ratio(self, report: Report) -> None:
        report.add_peer("idle", "events/s", "1/s", 0.0)
        report.ratio_at_least("events/s", "idle", 2.0)
        assert "events/s, over idle" in report.unmeasured
        json.dumps(report.as_json(), allow_nan=False)

    def test_what_is_no_number_is_null_for_machines(self, report: Report) -> None:
        report.add("CPU", "%", float("inf"))
        report.add("CPU", "%", float("inf"))
        report.add("CPU", "%", float("inf"))
        found = json.loads(json.dumps(report.as_json(), allow_nan=False))
        assert found["figures"]["CPU"]["value"] is None

    def test_a_goal_that_is_not_on_the_median_says_so(self, report: Report) -> None:
        report.at_most("CPU", 12.0, 9.0)
        assert "met     CPU (greatest of 3 rounds)   9" in report.table()

    def test_one_round_is_one_round(self) -> None:
        report = Report("density", "memory")
        report.add("memory", "MB", 1.0)
        assert "(1 round)" in report.table()

    def test_the_table_tells_what_was_missed(self, report: Report) -> None:
        table = report.table()
        assert "MISSED  events/s, over slack_sdk <3  11" in table
        assert "note: a note" in table

    @pytest.mark.parametrize(
        ("value", "least", "met"), [(5.0, True, True), (4.9, True, False), (5.0, False, True)]
    )
    def test_a_bound_itself_is_met(self, value: float, least: bool, met: bool) -> None:
        assert Goal("one", value, least, 5.0).met is met

    def test_without_figures_there_is_still_a_report(self) -> None:
        empty = Report("handle-batch", "batches")
        assert empty.as_json()["figures"] == {}
        assert empty.rounds == 0
        assert "handle-batch" in empty.table()


@pytest.mark.parametrize("name", ["frames", "measure", "plot", "report"])
def test_the_examples_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"bench.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


class TestMeasure:
    def test_percentiles_take_the_nearest_rank(self) -> None:
        values = [float(n) for n in range(1, 101)]
        found = [measure.percentile(values, share) for share in (0.01, 0.5, 0.99, 1.0)]
        assert found == [1.0, 50.0, 99.0, 100.0]

    def test_spread_of_one_round_is_nothing(self) -> None:
        assert measure.spread([3.0]) == 0.0

    def test_the_machine_is_told(self) -> None:
        assert "cores" in measure.machine()


class TestFrames:
    def test_no_two_messages_have_the_same_time(self) -> None:
        stamps = frames.Stamps()
        sent = [raw for _, raw in frames.flood([1, 2, 3], 1000, 0.0, stamps)]
        assert len({json.loads(raw)["ts"] for raw in sent} | {stamps.now().decode()}) == 1001

    def test_unwanted_frames_are_mixed_evenly_and_the_last_is_wanted(self) -> None:
        sent = [raw for _, raw in frames.flood(list(range(500)), 1000, 0.9, frames.Stamps())]
        wanted = [n for n, raw in enumerate(sent) if json.loads(raw)["type"] == "message"]
        assert wanted == list(range(9, 1000, 10))

    def test_what_is_encoded_is_cut_again(self) -> None:
        payloads = [b"x" * size for size in (1, 125, 126, 300, 70)]
        stream = b"".join(map(encode, payloads))
        found: list[bytes] = []
        rest = cut(stream + stream[:50], found)
        assert found == payloads[:5] + payloads[:1]
        assert rest == stream[3:50]


class TestPlot:
    def test_bars_are_well_formed_and_labelled(self) -> None:
        rows = [
            plot.Bar("botfleet", 60_000.0, [55_000.0, 60_000.0, 61_000.0], True, 50_000.0),
            plot.Bar("a <peer> & co", 1200.0, [1200.0], False),
        ]
        root = ElementTree.fromstring(plot.bars("ingest: events/s", "1/s", rows))
        texts = [element.text for element in root.iter(f"{SVG}text")]
        assert {"ingest: events/s", "1/s", "a <peer> & co", "60,000", "1,200"} <= set(texts)
        assert len(list(root.iter(f"{SVG}circle"))) == 3

    def test_no_bar_leaves_the_page(self) -> None:
        rows = [plot.Bar("botfleet", 43.0, [43.0, 99.0], True, 120.0)]
        root = ElementTree.fromstring(plot.bars("t", "ms", rows))
        width = float(root.attrib["width"])
        places = [
            float(e.attrib[name]) for e in root.iter() for name in ("x", "x2", "cx") if name in e.attrib
        ]
        assert max(places) <= width

    @pytest.mark.parametrize("logarithmic", [True, False])
    def test_lines_are_well_formed(self, logarithmic: bool) -> None:
        curve = Curve("latency", "ms", "%", {"a": [(0.5, 1.0), (700.0, 99.0)]}, logarithmic)
        root = ElementTree.fromstring(plot.lines(curve))
        assert {element.text for element in root.iter(f"{SVG}text")} >= {"latency", "ms", "%", "a"}

    def test_nothing_measured_is_no_error(self) -> None:
        ElementTree.fromstring(plot.bars("t", "ms", [plot.Bar("none", 0.0, [0.0], True)]))


class TestResults:
    def test_the_page_has_goals_figures_and_plots(self, report: Report, tmp_path: Path) -> None:
        (tmp_path / "remarks").mkdir()
        (tmp_path / "remarks" / "ingest.md").write_text("What stands in the way.\n")
        results.keep(report, tmp_path)
        results.write(tmp_path)
        page = (tmp_path / "RESULTS.md").read_text()
        assert "| [ingest](#ingest) | CPU | 8 | ≤ 10 % | met |" in page
        assert "**missed**" in page
        assert "What stands in the way." in page
        pictures = sorted((tmp_path / "plots").glob("*.svg"))
        assert len(pictures) == 4, "events/s, CPU with its goal, the ratio with its goal, and the curve"
        for picture in pictures:
            ElementTree.parse(picture)
            assert f"(plots/{picture.name})" in page

    def test_the_page_says_what_a_goal_is_on_and_what_was_not_measured(
        self, report: Report, tmp_path: Path
    ) -> None:
        report.at_most("CPU", 12.0, 9.0)
        report.ratio_at_least("events/s", "Relax", 2.0)
        report.add("pings", "1/s", 1.0)
        results.keep(report, tmp_path)
        results.write(tmp_path)
        page = (tmp_path / "RESULTS.md").read_text()
        assert "| [ingest](#ingest) | CPU (greatest of 3 rounds) | 9 | ≤ 12 % | met |" in page
        assert "| [ingest](#ingest) | events/s, over Relax | – | ≥ 2 x | not measured |" in page
        assert "3 rounds, 20" in page
        assert "ingest: pings" not in page, "a bar beside nothing"

    def test_the_page_says_when_and_at_which_commits(self) -> None:
        kept = [
            {"bench": bench, "machine": "m", "versions": {"celery": "5"}, "date": date, **commit}
            for bench, date, commit in (
                ("ingest", "2026-11-20 16:11 UTC", {"commit": "abc"}),
                ("handle", "2026-11-20 17:08 UTC", {"commit": "abc"}),
                ("stages", "2026-11-20 15:00 UTC", {"commit": "abc"}),
            )
        ]
        assert results.measured(kept).endswith(
            "Measured 2026-11-20 15:00 UTC to 2026-11-20 17:08 UTC, all at commit abc."
        )
        kept[1]["commit"] = "def+"
        del kept[2]["commit"]
        which = "(abc: ingest; def+: handle; unknown: stages)"
        assert f"**at different commits** {which}" in results.measured(kept)

    def test_the_commit_is_kept(self, report: Report, tmp_path: Path) -> None:
        results.keep(report, tmp_path)
        assert json.loads((tmp_path / "results" / "ingest.json").read_text())["commit"] == measure.commit()

    def test_without_results_it_says_what_to_do(self, tmp_path: Path) -> None:
        assert "--write" in results.write(tmp_path)
        assert not (tmp_path / "RESULTS.md").exists()


class TestCommandLine:
    def test_every_case_has_a_title(self) -> None:
        from bench.cases import find, title_of

        assert all(title_of(name) and callable(find(name)) for name in CASES)

    def test_quick_runs_are_smaller(self) -> None:
        assert Options(quick=True).size(1000, 10) == 10
        assert len(Options(rounds=7).times(3)) == 7

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [(["nothing"], "invalid choice"), (["stages", "--quick", "--write"], "--quick run is smaller")],
    )
    def test_wrong_usage(
        self,
        arguments: list[str],
        said: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[Any],
    ) -> None:
        from bench import __main__ as command

        monkeypatch.setattr("sys.argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert ended.value.code == 2
        assert said in capsys.readouterr().err

    def test_the_json_is_the_last_line_where_the_page_is_written_too(
        self, report: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[Any]
    ) -> None:
        from bench import __main__ as command

        monkeypatch.setattr("sys.argv", ["bench", "ingest", "--json", "--write"])
        monkeypatch.setattr(command, "find", lambda name: lambda options: report)
        monkeypatch.setattr(command, "results", Mock(write=lambda: "written"))
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            assert command.main() == 0
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report.as_json()
