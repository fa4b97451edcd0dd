"""Benchmarks of the real product, beside what a user would pick instead; `python -m bench list`."""
