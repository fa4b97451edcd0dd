"""Bare `apply_async` in a loop, one process: no Slack, no sockets, only what Celery takes for a message.

    python -m bench.peers.apply_async --broker URL --queue NAME

Each line on standard input is `{"events": N}`; the answer says how long it took.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from .. import frames
from .slack_sdk_rtm import make_task


def make_envelope(bot: int, number: int, stamp: bytes) -> dict[str, Any]:
    """An event in botfleet's envelope, as the holder's messages carry it."""
    return {
        "id": f"{frames.team_id(bot)}:C{1 + number % 13:08}:message:{stamp.decode()}",
        "type": "message",
        "subtype": None,
        "team_id": frames.team_id(bot),
        "namespace": "",
        "bot_user_id": f"UB{bot:08}",
        "transport": "rtm",
        "received_at": time.time(),
        "backfilled": False,
        "payload": json.loads(frames.message(bot, number, stamp)),
    }


def main() -> None:
    """Runs until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.apply_async")
    parser.add_argument("--broker", required=True)
    parser.add_argument("--queue", required=True)
    options = parser.parse_args()
    task = make_task(options.broker, options.queue)
    stamps = frames.Stamps()
    task.apply_async(args=[make_envelope(0, 0, stamps.next())])  # Connects.
    print(json.dumps({"ready": 1}), flush=True)
    for line in sys.stdin:
        number = json.loads(line)["events"]
        envelopes = [make_envelope(n % 500, n, stamps.next()) for n in range(number)]
        began, cpu = time.monotonic(), time.process_time()
        for envelope in envelopes:
            task.apply_async(args=[envelope])
        ended = time.monotonic()
        print(json.dumps({"seconds": ended - began, "cpu": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main()
