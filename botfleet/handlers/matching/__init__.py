"""Whether an event is for a handler, and what the handler finds in it."""
