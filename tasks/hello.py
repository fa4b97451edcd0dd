"""Small talk: `@bot hi`, `@bot help`, `@bot ping`; in a direct message without the `@bot`."""

from __future__ import annotations

from botfleet import Client, Event, command

COMMANDS = {
    "hi": "I greet you",
    "help": "I say what I can do",
    "ping": "I say pong, so that you know I am there",
}


@command("hi", "hello")
def hi(event: Event, client: Client) -> None:
    """Greets whoever greets the bot."""
    client.reply(f"Hi <@{event.user}>!")


@command("help")
def help(event: Event, client: Client) -> None:
    """Says what the bot can do."""
    lines = [f"• `{name}`: {what}" for name, what in COMMANDS.items()]
    client.reply("\n".join(["This is what I can do:", *lines]))


@command("ping")
def ping(event: Event, client: Client) -> None:
    """Answers, so that one sees that the bot is there."""
    client.reply("pong")
