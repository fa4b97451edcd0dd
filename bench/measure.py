"""Figures from numbers, and numbers from /proc."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_LIBRARIES = ("botfleet", "celery", "kombu", "redis", "hiredis", "websocket-client", "slack_sdk", "picows")


def median(values: Sequence[float]) -> float:
    """The middle value.

    >>> median([3.0, 1.0, 2.0])
    2.0
    """
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """How far apart the rounds lie: (largest - smallest) / median; 0 for a single one.

    >>> spread([9.0, 10.0, 11.0])
    0.2
    """
    middle = median(values)
    return (max(values) - min(values)) / abs(middle) if middle else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all values do not exceed: the nearest rank.

    >>> percentile([5.0, 1.0, 4.0, 2.0, 3.0], 0.5), percentile([1.0, 2.0], 0.99)
    (3.0, 2.0)
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def cpu_seconds(pid: int, children: bool = False) -> float:
    """CPU time that a process has used, with its living children where asked for; seconds."""
    pids = [pid, *(_children(pid) if children else ())]
    return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def resident(pid: int) -> int:
    """Resident memory of a process (VmRSS), bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def proportional(pid: int) -> int:
    """A process's share of memory (PSS): pages that several use are counted in parts; bytes."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def machine() -> str:
    """What the figures were measured on, one line."""
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    model = found[1].strip() if found else platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return f"{model}, {cores} cores, {memory / 2**30:.0f} GiB, {system}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """The libraries that the figures depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit that is measured, with a `+` where the code differs from it; `unknown` without Git."""
    try:
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "botfleet", "bench/**.py")
        return _git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
