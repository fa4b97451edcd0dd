"""What came in by HTTP, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass
class Outcomes:
    """What a process has answered since it started: each request is one of these."""

    # Answered with 200
    #: Given to the broker, which may have had it already.
    taken: int = 0
    #: For no handler.
    unwanted: int = 0
    #: For a team that has no bot here.
    unknown_team: int = 0
    #: For a bot that is stopped, or has its events from elsewhere.
    not_served: int = 0
    #: Of a kind that this release does not know.
    unknown_kind: int = 0
    #: Slack verified an address, or a certificate.
    verified: int = 0
    #: Slack said that it leaves events out, for there are too many.
    rate_limited: int = 0

    # Refused, so that Slack does not come again
    unsigned: int = 0
    bad_signature: int = 0
    too_old: int = 0
    malformed: int = 0
    too_large: int = 0
    unknown_namespace: int = 0

    # Refused, so that Slack comes again
    #: The broker or the store is away.
    failed: int = 0
    too_slow: int = 0
    not_configured: int = 0
    defects: int = 0

    #: Went away before all of its request was there.
    gone: int = 0

    def by_name(self) -> dict[str, int]:
        """All of them."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}


@dataclass
class Counters:
    """What a process has seen since it started; written by its loop alone.

    What was published, how many of that were copies, and how long it took, `ConfirmedPublisher` says.
    """

    outcomes: Outcomes = field(default_factory=Outcomes)
    #: Events, slash commands and interactive payloads whose signature was good.
    received: int = 0
    #: Of these, what Slack sent again.
    retries: int = 0
    #: Bots that were marked as dead, for their app was uninstalled or their token revoked.
    deactivated: int = 0
