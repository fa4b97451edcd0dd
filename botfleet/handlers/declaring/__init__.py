"""How a bot's author declares handlers, timers and hooks."""
