"""How much is said: counted in batches, told by `@bot stats`, and begun anew at midnight."""

from __future__ import annotations

from collections import Counter

from botfleet import Client, Event, Store, Timer, command, every, on


@on("message", batch=500, linger=1)
def count(events: list[Event], storage: Store) -> None:
    """Counts the messages of all teams, many at once."""
    for bot, said in Counter(event.key for event in events).items():
        storage.advance(f"said:{bot}", said)


@command("stats")
def stats(client: Client) -> None:
    """Says how many messages I heard today."""
    client.reply(f"I heard {client.storage.advance(f'said:{client.id}', 0)} messages since midnight (UTC).")


@every("0 0 * * *")
def midnight(timer: Timer) -> None:
    """Begins a new day."""
    for client in timer.clients():
        said = client.storage.advance(f"said:{client.id}", 0)
        client.storage.advance(f"said:{client.id}", -said)
