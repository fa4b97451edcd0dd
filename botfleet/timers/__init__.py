"""When timers are due, and which of them are due now."""
