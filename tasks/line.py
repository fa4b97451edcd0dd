"""A line to stand in, one for each channel: `@bot number`, `@bot next`."""

from __future__ import annotations

from botfleet import Client, Event, Match, command


# In order, as said: of one channel only one is run at a time, so nobody comes between looking and calling.
@command("number", "next", ordered="channel")
def line(event: Event, client: Client, match: Match) -> None:
    """Gives you a number in this channel's line.

    `next` calls whose turn it is.
    """
    given, called = f"line:{client.id}:{event.channel}:given", f"line:{client.id}:{event.channel}:called"
    if match.command == "number":
        client.reply(f"<@{event.user}>, you are number {client.storage.advance(given, 1) + 1}.")
    elif client.storage.advance(called, 0) < client.storage.advance(given, 0):
        client.reply(f"Number {client.storage.advance(called, 1) + 1}, please!")
    else:
        client.reply("Nobody is waiting.")
