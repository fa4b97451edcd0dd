"""Reactions: :bookmark: under a message has it sent to you; who thanks the bot gets a smile."""

from __future__ import annotations

from botfleet import Client, Event, command, reaction


@reaction("bookmark")
def bookmark(event: Event, client: Client) -> None:
    """Sends a link to the message to whoever marked it."""
    client.dm(event.user, f"You marked this: {event.permalink}")


@command("thanks", "thank you", hidden=True)
def smile(client: Client) -> None:
    """Smiles."""
    client.react("blush")
