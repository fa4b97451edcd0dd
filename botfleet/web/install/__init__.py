"""Installations of a Slack app: from the button to the bot, by OAuth. No HTTP but in `endpoints.py`."""
