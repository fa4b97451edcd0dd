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
        The limit in force.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError) as exc:
            # macOS has a lower limit of its own for what it calls unlimited.
            logger.debug("The limit of open files stays at %s: %s", soft, exc)
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
