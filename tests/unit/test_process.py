"""What a holder's process sets for itself; in processes of their own, for it can't be undone."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )


LIMITS = """
import logging, resource
logging.basicConfig(format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))
from botfleet.holder.process import raise_open_files
print(raise_open_files({connections}), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    done = run(LIMITS.format(connections=100))
    assert done.stdout.strip() == "512 (512, 512)"
    assert done.stderr == ""


@pytest.mark.parametrize("connections", [400, 10_000])
def test_a_limit_that_is_too_low_is_told(connections: int) -> None:
    warned = run(LIMITS.format(connections=connections)).stderr
    assert f"may open 512 files, too few for BOTFLEET_MAX_CONNECTIONS={connections}" in warned
    assert str(connections + 200) in warned


MACOS = """
import resource
limits = {limits}

def setrlimit(kind, wanted):
    if not 0 <= wanted[0] <= 10_240:
        raise ValueError("current limit exceeds maximum limit")
    limits[:] = wanted

resource.getrlimit = lambda kind: tuple(limits)
resource.setrlimit = setrlimit
import logging
logging.basicConfig(format="%(message)s")
from botfleet.holder.process import raise_open_files
print(raise_open_files({connections}), limits)
"""


@pytest.mark.parametrize(
    ("limits", "connections", "found", "told"),
    [
        ("[256, resource.RLIM_INFINITY]", 1000, "1200 [1200, -1]", False),
        ("[256, 100_000]", 1000, "1200 [1200, 100000]", False),
        ("[5000, resource.RLIM_INFINITY]", 1000, "5000 [5000, -1]", False),
        ("[256, resource.RLIM_INFINITY]", 20_000, "256 [256, -1]", True),
    ],
)
def test_where_the_hard_limit_is_refused_what_is_needed_is_tried(
    limits: str, connections: int, found: str, told: bool
) -> None:
    """As on macOS, which has a lower limit of its own for what it calls unlimited."""
    done = run(MACOS.format(limits=limits, connections=connections))
    assert done.stdout.strip() == found
    assert ("too few" in done.stderr) is told


def test_the_collector_leaves_alone_what_was_loaded() -> None:
    code = (
        "import gc\n"
        "from botfleet.holder.process import calm_garbage_collector\n"
        "calm_garbage_collector()\n"
        "print(gc.get_freeze_count() > 1000, gc.isenabled())"
    )
    assert run(code).stdout.split() == ["True", "True"]
