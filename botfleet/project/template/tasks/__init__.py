"""The bot's handlers: what you edit. Every module in this folder is loaded."""
