"""Real servers for tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: Whether a missing system package is a failure.
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


def require(program: str) -> Path:
    """Finds a program of the system; without it the test is skipped, or fails in CI."""
    found = shutil.which(program)
    if found is not None:
        return Path(found)
    reason = f"{program} is not installed"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
