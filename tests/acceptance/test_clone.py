"""`make up` from a fresh clone, as in the README's first lines. It installs from the network."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import IN_CI, require
from .fleet import ROOT, Folder, running_in

pytestmark = pytest.mark.skipif(
    not (IN_CI or os.environ.get("BOTFLEET_TEST_CLONE")),
    reason="installs from the network; BOTFLEET_TEST_CLONE=1 runs it",
)
#: With the installation, on a fresh machine.
SECONDS_TO_CONVERSATION = 90.0


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Folder]:
    """A clone of HEAD: what is not committed is not in it."""
    require("make")
    path = tmp_path / "botfleet"
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", str(path)], check=True, timeout=60)
    with Folder(path) as folder:
        yield folder


@pytest.mark.timeout(300)
def test_a_fresh_clone(clone: Folder) -> None:
    began = time.monotonic()
    up = clone.start("make", "make", "up")
    up.says("Ready after", 240.0)
    installed = time.monotonic() - began
    up.says("Ctrl-C ends", 60.0)
    took = time.monotonic() - began
    print(f"up after {installed:.0f} s, the conversation was held after {took:.0f} s")
    for said in ("@botfleet hi", "Hi <@", "pong", "*holder*: ", "`ping`: Says", "dave joins", "Welcome!"):
        assert said in up.output
    assert took < SECONDS_TO_CONVERSATION
    up.interrupt()
    # make itself reports an interrupt as an error, where it is still there to do so.
    assert up.wait(10.0) in (0, 2, -2)
    assert running_in(clone.path) == []
    assert "Traceback" not in up.output
