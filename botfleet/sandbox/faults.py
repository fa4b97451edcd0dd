"""What is to go wrong for a team: state that Web API and sockets consult. Pure, time comes in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Refusal:
    """A number of Web API calls that get a prepared answer instead of the real one.

    Attributes:
        error: what the answer's ``error`` says.
        count: calls still to be answered so.
        method: the only method concerned, or None for any.
        status: the answer's HTTP status.
        retry_after: the ``Retry-After`` header in seconds, or None for no such header.
        as_html: answer a proxy's error page instead of JSON, as Slack's edge does for a 5xx.
    """

    error: str
    count: int
    method: str | None = None
    status: int = 200
    retry_after: int | None = None
    as_html: bool = False


@dataclass(slots=True)
class TeamFaults:
    """The faults of one team. Times are of the monotonic clock."""

    slow: float = 0.0  # seconds added to every Web API answer
    refusals: list[Refusal] = field(default_factory=list)
    refuse_sockets_until: float = 0.0
    silent_until: float = 0.0  # for connections that are opened meanwhile

    def take_refusal(self, method: str) -> Refusal | None:
        """Use up one prepared answer for a call of `method`, the oldest first."""
        for refusal in self.refusals:
            if refusal.method in (None, method):
                refusal.count -= 1
                if refusal.count <= 0:
                    self.refusals.remove(refusal)
                return refusal
        return None

    def refuses_sockets(self, now: float) -> bool:
        """Whether a websocket upgrade is answered 503 at this moment."""
        return now < self.refuse_sockets_until

    def silences(self, now: float) -> bool:
        """Whether a connection that opens at this moment stays silent."""
        return now < self.silent_until

    def summary(self, now: float) -> dict[str, object]:
        """Name the faults that are on, for the state."""
        shown = {
            "slow": self.slow,
            "refuse": max(0.0, self.refuse_sockets_until - now),
            "silent": max(0.0, self.silent_until - now),
            "refusals": [
                {"method": refusal.method, "error": refusal.error, "count": refusal.count}
                for refusal in self.refusals
            ],
        }
        return {name: value for name, value in shown.items() if value}
