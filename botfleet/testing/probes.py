"""The handler by which a test learns that a worker has taken what came before it; loaded beside the bot's."""

from __future__ import annotations

from .. import Client, Event, on

#: Slack knows no such event.
PROBE = "botfleet_test_probe"


def passed(number: int) -> str:
    """The store's counter (`Store.advance`) of the queues that a probe came through.

    >>> passed(7)
    'botfleet-test:probe:7'
    """
    return f"botfleet-test:probe:{number}"


@on(PROBE)
def mark(event: Event, client: Client) -> None:
    """Notes that everything before the probe was taken from one queue."""
    client.storage.advance(passed(int(event["number"])), 1)
