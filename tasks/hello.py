"""The shortest bot: `@bot ping`. What it says to `hi`, `help` and `about` is built in."""

from __future__ import annotations

from botfleet import Client, command


@command("ping")
def ping(client: Client) -> None:
    """Says pong, so that you know I am there."""
    client.reply("pong")
