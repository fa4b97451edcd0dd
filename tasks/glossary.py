"""A glossary: `@bot define shard`, of the words in glossary.toml beside this file."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path

from botfleet import Client, Match, command

WORDS: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())


@command("define")
def define(client: Client, match: Match) -> None:
    """Says what a word means.

    `define` alone lists the words that I know.
    """
    word = match.expression.casefold().rstrip("?")
    if not word:
        client.reply(f"I know these words: {', '.join(sorted(WORDS))}.")
    elif word in WORDS:
        client.reply(f"*{word}*: {WORDS[word]}")
    elif near := get_close_matches(word, WORDS, n=1):
        client.reply(f"I don't know that word. Do you mean *{near[0]}*?")
    else:
        client.reply("I don't know that word, sorry. `define` lists those that I know.")
