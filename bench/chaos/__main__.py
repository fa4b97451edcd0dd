"""`python -m bench.chaos NAME [--quick] [--json] [--write]`; NAME may be `all` or `list`.

Ends with 1 where a goal was missed, or a scenario did not come to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time

from ..__main__ import end_as_interrupted
from ..processes import BenchError
from . import page
from .scenarios import SCENARIOS


def main() -> int:
    """Runs the command line; returns the exit status."""
    chosen = _parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end_as_interrupted)
    if chosen.name == "list":
        print("\n".join(f"{one.name:<16} {one.title}" for one in SCENARIOS.values()))
        return 0
    names = list(SCENARIOS) if chosen.name == "all" else [chosen.name]
    held = [_play(name, chosen.quick, chosen.json, chosen.write) for name in names]
    if chosen.write:
        # Not on standard output, whose last line is the JSON.
        print(page.write(), file=sys.stderr)
    return 0 if all(held) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("name", choices=[*SCENARIOS, "all", "list"], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="the same, smaller, in under 40 s each")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    parser.add_argument("--write", action="store_true", help="keep the figures, and write bench/CHAOS.md")
    chosen = parser.parse_args()
    if chosen.quick and chosen.write:
        parser.error("--write keeps what the goals are meant for; a --quick run is smaller")
    return chosen


def _play(name: str, quick: bool, as_json: bool, write: bool) -> bool:
    """Plays one scenario; returns whether all goals are met."""
    print(f"{name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        report = SCENARIOS[name].play(quick)
    except BenchError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return False
    if quick:
        report.note("A quick run: smaller than what the goals are meant for")
    print(f"\n{report.table()}\n\n  took {time.monotonic() - began:.0f} s\n", flush=True)
    if write:
        page.keep(report)
    if as_json:
        print(json.dumps(report.as_json()), flush=True)
    return report.met


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        os._exit(130)
