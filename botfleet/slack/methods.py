"""What can be told of a method of Slack's Web API by its name."""

from __future__ import annotations

#: Last parts of the names of methods that change nothing.
_READS = frozenset(
    (
        *("accessLogs", "billableInfo", "conversations", "get", "getPermalink", "getPresence", "history"),
        *("identity", "info", "integrationLogs", "list", "listConnectInvites", "lookup", "lookupByEmail"),
        *("members", "replies", "teamInfo", "test"),
    )
)
#: Methods that, done twice, leave everything as if done once.
_REPEATABLE = frozenset(
    (
        *("chat.update", "conversations.join", "conversations.mark", "conversations.open"),
        *("reactions.add", "reactions.remove", "users.setPresence", "views.publish"),
    )
)
#: First parts of the names of methods whose answers hold tokens, or URLs that are tickets into a team.
_SECRET_FAMILIES = frozenset(("admin", "apps", "auth", "oauth", "openid", "rtm", "tooling"))
#: Methods that Slack takes about once a second for each channel.
_POSTS = frozenset(("chat.postMessage", "chat.meMessage"))


def is_read(method: str) -> bool:
    """Whether a method changes nothing, so that it may be called again, and by anybody.

    >>> is_read("users.info"), is_read("search.messages"), is_read("chat.postMessage")
    (True, True, False)
    """
    return method.startswith("search.") or method.rpartition(".")[2] in _READS


def is_repeatable(method: str) -> bool:
    """Whether a call that perhaps was done may simply be done again.

    >>> is_repeatable("users.info"), is_repeatable("reactions.add"), is_repeatable("chat.postMessage")
    (True, True, False)
    """
    return is_read(method) or method in _REPEATABLE


def answers_secrets(method: str) -> bool:
    """Whether a method's answer must not be kept.

    >>> answers_secrets("oauth.v2.access"), answers_secrets("chat.postMessage")
    (True, False)
    """
    return method.partition(".")[0] in _SECRET_FAMILIES or method == "files.getUploadURLExternal"


def is_post(method: str) -> bool:
    """Whether a method says something in a channel, which Slack limits for each channel.

    >>> is_post("chat.postMessage"), is_post("chat.update")
    (True, False)
    """
    return method in _POSTS
