"""What a user writes today: slack_sdk's RTM client, a socket each, with `.delay()` in its listener.

python -m bench.peers.slack_sdk_rtm --api URL --broker URL --queue NAME --bots N --first N
"""

from __future__ import annotations

import argparse
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from celery import Celery
from slack_sdk.rtm_v2 import RTMClient

from .. import frames


def make_client(api: str, bot: int, task: Any) -> RTMClient:
    """One bot's client. With a single worker it has four threads; more make it slower here."""
    client = RTMClient(token=frames.token_of(bot), base_url=api, concurrency=1)

    @client.on("message")
    def listen(client: RTMClient, event: dict[str, Any]) -> None:
        task.delay(event)

    return client


def make_task(broker: str, queue: str) -> Any:
    """The Celery task that the listener calls."""
    app = Celery("bench", broker=broker)
    app.conf.task_default_queue = queue

    @app.task(name="bench.handle", ignore_result=True)  # type: ignore[untyped-decorator]
    def handle(event: dict[str, Any]) -> None:
        """Does nothing."""

    return handle


def main() -> None:
    """Connects, says so, and runs until it is killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.slack_sdk_rtm")
    for name in ("--api", "--broker", "--queue"):
        parser.add_argument(name, required=True)
    parser.add_argument("--bots", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    task = make_task(options.broker, options.queue)
    numbers = range(options.first, options.first + options.bots)
    clients = [make_client(options.api, bot, task) for bot in numbers]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(RTMClient.connect, clients))
    print(json.dumps({"ready": len(clients)}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
