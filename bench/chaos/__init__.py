"""Faults in a fleet of real processes, under a counted load; `python -m bench.chaos list` names them."""
