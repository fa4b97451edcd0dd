"""Slack's method limits, for a sandbox that is started with ``--limits``. Pure, time comes in.

The rates are Slack's documented tiers. How much bursting Slack allows is not documented: the bursts
here are this sandbox's choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """A sustained rate and what may come at once.

    Attributes:
        per_minute: calls allowed per minute in the long run.
        burst: calls allowed at once after a pause.
    """

    per_minute: float
    burst: int


TIER_1 = Limit(1, 3)
TIER_2 = Limit(20, 20)
TIER_3 = Limit(50, 50)
TIER_4 = Limit(100, 100)
POST = Limit(60, 5)
SPECIAL = Limit(200, 200)  # auth.test: "hundreds of requests per minute"

METHOD_LIMITS = {
    "rtm.connect": TIER_1,
    "rtm.start": TIER_1,
    "auth.test": SPECIAL,
    "bots.info": TIER_3,
    "chat.getPermalink": SPECIAL,
    "chat.postMessage": POST,
    "chat.postEphemeral": TIER_4,
    "chat.update": TIER_3,
    "chat.delete": TIER_3,
    "files.completeUploadExternal": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "reactions.add": TIER_3,
    "reactions.remove": TIER_2,
    "conversations.list": TIER_2,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.open": TIER_3,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "team.info": TIER_3,
    "auth.revoke": TIER_3,
}
SOCKET_WRITES = Limit(60, 10)
SOCKET_PATIENCE = 20
"""Writes above the limit that a socket survives: error frames first, then the connection is closed."""


class Bucket:
    """A token bucket."""

    __slots__ = ("filled", "limit", "since")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit = limit
        self.filled = float(limit.burst)
        self.since = now

    def take(self, now: float) -> float:
        """Take one, or give the seconds until there will be one.

        >>> bucket = Bucket(Limit(per_minute=60, burst=1), now=0.0)
        >>> bucket.take(0.0), bucket.take(0.25), bucket.take(1.25)
        (0.0, 0.75, 0.0)
        """
        rate = self.limit.per_minute / 60
        self.filled = min(self.limit.burst, self.filled + (now - self.since) * rate)
        self.since = now
        if self.filled >= 1:
            self.filled -= 1
            return 0.0
        return (1 - self.filled) / rate


class MethodLimits:
    """Counts calls per method and team, and chat.postMessage per channel."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str, str], Bucket] = {}

    def retry_after(self, method: str, team_id: str, channel: str, now: float) -> int:
        """Count a call. 0 lets it pass; else the seconds for ``Retry-After``."""
        limit = METHOD_LIMITS.get(method)
        if limit is None:
            return 0
        key = (method, team_id, channel if limit is POST else "")
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(limit, now)
        return math.ceil(bucket.take(now))
