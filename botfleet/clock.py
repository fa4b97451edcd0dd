"""Time and chance, injected wherever something decides on them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

#: Seconds since the epoch; what is stored or shown.
Clock = Callable[[], float]
#: Seconds from any fixed point, never going back; what deadlines are reckoned in.
MonotonicClock = Callable[[], float]
#: A number in [0, 1), as `random.random` gives.
Chance = Callable[[], float]

wall_clock: Clock = time.time
monotonic_clock: MonotonicClock = time.monotonic
chance: Chance = random.random
