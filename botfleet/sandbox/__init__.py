"""A local Slack: Web API, RTM sockets and faults on demand, in a process of its own.

It imports nothing of botfleet, so that it can stand in judgement over it. Start it with
``python -m botfleet.sandbox``; drive it over HTTP under ``/sandbox/`` or with `SandboxControl`.
The facts about Slack that it follows are those of Slack's documentation; where Slack says nothing,
the code says so.
"""

from __future__ import annotations

from .client import Posted, SandboxControl, SandboxError, SandboxTimeout
from .process import SandboxProcess

__all__ = ["Posted", "SandboxControl", "SandboxError", "SandboxProcess", "SandboxTimeout"]
