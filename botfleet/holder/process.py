"""What a process that keeps many sockets sets for itself: open files, threads, memory."""

from __future__ import annotations

import gc
import logging
import resource
import sys

logger = logging.getLogger(__name__)

#: Open files beside the sockets: broker, store, logs, pool, libraries; generously.
_OTHER_FILES = 200
#: Collections of the youngest objects happen each time so many more were made than freed. Events are made
#: and freed by the hundred thousand and never in cycles; with Python's own figure looking through those
#: that wait took a quarter of the holder's time under load.
_GC_THRESHOLDS = (100_000, 50, 100)
#: Seconds that a thread may keep the interpreter to itself.
_SWITCH_INTERVAL = 0.0005


def raise_open_files(connections: int) -> int:
    """Raises the soft limit of open files to the hard one, and warns where that is not enough.

    Args:
        connections: sockets that are to be kept.

    Returns:
        The limit in force; see `connections_that_fit`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS refuses what it calls unlimited, and more than a limit of the kernel's.
    for wanted in (hard, connections + _OTHER_FILES):
        if _is_below(soft, wanted):
            soft = _try_to_raise(soft, wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < connections + _OTHER_FILES:
        logger.warning(
            "This process may open %s files, too few for BOTFLEET_MAX_CONNECTIONS=%s: raise its hard limit "
            "(ulimit -Hn, LimitNOFILE) to %s, or lower the setting",
            soft,
            connections,
            connections + _OTHER_FILES,
            extra={"action": "limits.files"},
        )
    return soft


def connections_that_fit(wanted: int, limit: int) -> int:
    """How many of the wanted connections a limit of open files leaves room for; at least one.

    >>> connections_that_fit(10_000, 1024), connections_that_fit(10_000, 100), connections_that_fit(500, 1024)
    (824, 1, 500)
    >>> connections_that_fit(10_000, resource.RLIM_INFINITY)
    10000
    """
    return wanted if limit == resource.RLIM_INFINITY else max(1, min(wanted, limit - _OTHER_FILES))


def _is_below(limit: int, wanted: int) -> bool:
    # Unlimited is -1 on Linux.
    return limit != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or limit < wanted)


def _try_to_raise(soft: int, wanted: int, hard: int) -> int:
    """Sets the soft limit; returns the one that is in force then."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError) as exc:
        logger.debug("The limit of open files stays at %s: %s", soft, exc)
        return soft
    return wanted


def shorten_turns() -> None:
    """Has threads give way to each other sooner than after Python's 5 ms.

    The publisher needs the interpreter for a moment only, twice in each push; behind a busy reactor it would
    wait 5 ms each time, with the broker idle meanwhile.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)


def calm_garbage_collector() -> None:
    """Has the collector leave what was loaded alone, and look at the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
