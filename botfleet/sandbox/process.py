"""Starting and stopping a sandbox as a child process. Standard library only."""

from __future__ import annotations

import json
import os
import queue
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .client import SandboxControl, SandboxError

STOP_TIMEOUT = 5.0


class SandboxProcess:
    """A sandbox of one's own; it ends with `stop`, with the ``with`` block, or with this process.

    Attributes:
        url: where it listens.
        api_url: the Web API's base, for ``BOTFLEET_SLACK_API_URL`` or slack_sdk's ``base_url``.
        teams: ``team_id``, ``name`` and ``bot_token`` of each team at the start.
        control: the control endpoints' client.
        process: the child.
    """

    url: str
    api_url: str
    teams: list[dict[str, str]]
    control: SandboxControl

    def __init__(
        self,
        arguments: Sequence[str] = (),
        timeout: float = 20.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Start a sandbox and wait until it listens.

        Args:
            arguments: command line options of ``python -m botfleet.sandbox``.
            timeout: seconds to wait.
            context: for `control`, where the sandbox has a certificate.

        Raises:
            SandboxError: it ended at once, with its reason, or did not listen in time.
        """
        self._context = context
        command = [sys.executable, "-m", "botfleet.sandbox", "--with-parent", *arguments]
        # Unlike a pipe, a file never fills up, and nobody has to read it.
        self._stderr = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115, closed by stop()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=_environment(),
            # A terminal's Ctrl-C is for whoever runs the sandbox, and that one stops it in its turn.
            start_new_session=True,
        )
        try:
            self._adopt(json.loads(self._first_line(timeout)))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """End it and give its exit status; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._stderr.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _adopt(self, ready: dict[str, Any]) -> None:
        self.url = ready["url"]
        self.api_url = ready["api_url"]
        self.teams = ready["teams"]
        self.control = SandboxControl(self.url, context=self._context)

    def _first_line(self, timeout: float) -> str:
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        stdout = self.process.stdout
        assert stdout is not None
        threading.Thread(
            target=lambda: lines.put(stdout.readline()), name="sandbox-start", daemon=True
        ).start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            self.process.kill()  # the reading thread ends with the pipe
            raise SandboxError(f"the sandbox did not listen within {timeout:g} s") from None
        if not line:
            self.process.wait(STOP_TIMEOUT)
            self._stderr.seek(0)
            raise SandboxError(self._stderr.read().strip() or "the sandbox ended without a reason")
        return line


def _environment() -> dict[str, str]:
    # The child must find the same botfleet, installed or not.
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
