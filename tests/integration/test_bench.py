"""The benchmarks as programs: what they print, and what becomes of a peer that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.cases import Options, ingest
from bench.peers import relax
from bench.processes import BenchError
from bench.report import Report
from bench.subject import Subject

ROOT = Path(__file__).resolve().parents[2]


def is_figure(value: Any) -> bool:
    return value.keys() == {"value", "unit"} and isinstance(value["value"], float)


def test_the_last_line_is_one_object_for_machines() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "stages", "--quick", "--rounds", "1", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == ["bench", "machine", "rounds", "figures", "peers", "goals"]
    assert (found["bench"], found["rounds"], found["peers"], found["goals"]) == ("stages", 1, {}, [])
    assert found["machine"]
    assert "2 parse" in found["figures"]
    assert all(map(is_figure, found["figures"].values()))


def test_a_peer_that_fails_is_noted_with_its_status(tmp_path: Path) -> None:
    program = tmp_path / "relax"
    program.write_text("#!/bin/sh\necho no such key >&2\nexit 3\n")
    program.chmod(0o755)
    report = Report("ingest", "events")
    with Subject() as subject:
        assert not ingest.run_relax(report, subject, str(program), Options(quick=True))
    [note] = report.notes
    assert note.startswith("Relax failed: relax has ended with status 3")
    assert "no such key" in note


def test_a_peer_that_is_no_program_is_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(relax.VARIABLE, "/nowhere/relax")
    with pytest.raises(BenchError, match="names '/nowhere/relax', which is no executable"):
        ingest.run(Options())
