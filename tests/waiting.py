"""Waiting for conditions, with a deadline, in place of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout: float = 5.0, interval: float = 0.01) -> T:
    """Returns the condition's first true value; an assertion fails when there is none in time.

    The condition may raise AssertionError for "not yet"; the last one is what is reported.
    """
    deadline = time.monotonic() + timeout
    while True:
        problem = None
        try:
            if value := condition():
                return value
        except AssertionError as exc:
            problem = exc
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s") from problem
        time.sleep(interval)
