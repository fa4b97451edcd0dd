"""`python -m bench NAME [--quick] [--json] [--rounds N] [--write]`; NAME may be `all`, `list`, `results`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from types import FrameType

from . import results
from .cases import CASES, Options, find, title_of
from .processes import BenchError
from .report import Report


def main() -> int:
    """Runs the command line; returns the exit status."""
    chosen = _parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_as_interrupted)
    if chosen.name == "list":
        print("\n".join(f"{name:<16} {title_of(name)}" for name in CASES))
        return 0
    if chosen.name == "results":
        print(results.write())
        return 0
    names = list(CASES) if chosen.name == "all" else [chosen.name]
    options = Options(quick=chosen.quick, rounds=chosen.rounds)
    done = [_run(name, options, chosen.json, chosen.write) for name in names]
    if chosen.write:
        # Not on standard output, whose last line is the JSON.
        print(results.write(), file=sys.stderr)
    return 0 if all(done) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=[*CASES, "all", "list", "results"], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="the same, smaller, in under 40 s each")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    parser.add_argument("--rounds", type=_rounds, help="how often each thing is measured")
    parser.add_argument("--write", action="store_true", help="keep the figures, and write bench/RESULTS.md")
    chosen = parser.parse_args()
    if chosen.quick and chosen.write:
        parser.error("--write keeps what the goals are meant for; a --quick run is smaller")
    return chosen


def _rounds(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError("takes 1 to 100")
    return number


def _run(name: str, options: Options, as_json: bool, write: bool) -> bool:
    """Runs one benchmark; returns whether it came to its end (not: whether its goals are met)."""
    print(f"{name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        report: Report = find(name)(options)
    except BenchError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return False
    if options.quick:
        report.note("A quick run: smaller than what the goals are meant for")
    print(f"\n{report.table()}\n\n  took {time.monotonic() - began:.0f} s\n", flush=True)
    if write:
        results.keep(report)
    if as_json:
        print(json.dumps(report.as_json(), allow_nan=False), flush=True)
    return True


def end_as_interrupted(number: int, frame: FrameType | None) -> None:
    """Ends on a signal as on Ctrl-C, so that every `with` ends what it began."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        os._exit(130)
