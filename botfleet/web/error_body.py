"""What programs are told of a refusal."""

from __future__ import annotations

from typing import Any

#: With it, Slack does not send again what was refused.
NO_RETRY = "X-Slack-No-Retry"


def error_body(code: str, message: str, detail: object = None) -> dict[str, Any]:
    """The JSON of a refusal, here and everywhere: `{"error": {"code", "message", "detail"}}`.

    Args:
        code: a stable name for programs.
        message: one sentence for people.
        detail: more about it, by code; None where there is nothing more to say.
    """
    return {"error": {"code": code, "message": message, "detail": detail}}
