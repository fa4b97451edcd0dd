"""Clients of Redis as botfleet uses them: bytes, deadlines, no retries of their own."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..errors import ConfigurationError

#: Seconds until an answer is late; half-open connections are found out by it.
SOCKET_TIMEOUT = 10.0
#: Longest single blocking wait: well below the socket's timeout; longer waits are made of several.
LONGEST_WAIT = 5.0
_CONNECT_TIMEOUT = 5.0
_HEALTH_CHECK_INTERVAL = 5


def client_of(url: str) -> redis.Redis:
    """Makes a redis-py client as `RedisStore` takes it: bytes, deadlines, no retries of its own.

    Raises:
        ConfigurationError: the URL can't be used; its text never shows the URL, which may hold a password.
    """
    try:
        client = redis.Redis.from_url(
            redis_py_url(url),
            decode_responses=False,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=SOCKET_TIMEOUT,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            health_check_interval=_HEALTH_CHECK_INTERVAL,
            **({} if urlsplit(url).scheme in ("unix", "redis+socket") else {"socket_keepalive": True}),
        )
        client.connection_pool.make_connection()  # Talks to nobody; finds options that don't exist.
    except (ValueError, TypeError):
        raise ConfigurationError(
            "BOTFLEET_STORE_URL",
            "is no usable URL; takes redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss://… or "
            "redis+socket:///PATH[?virtual_host=DB] (special characters of a password as %XX)",
        ) from None
    return client


def redis_py_url(url: str) -> str:
    """Turns kombu's form of a socket's URL, and Celery's names of TLS options, into redis-py's.

    >>> redis_py_url("redis+socket:///run/valkey.sock?virtual_host=2")
    'unix:///run/valkey.sock?db=2'
    >>> redis_py_url("rediss://cache:6380/0?ssl_cert_reqs=CERT_NONE")
    'rediss://cache:6380/0?ssl_cert_reqs=none'
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "redis+socket":
        parts = parts._replace(scheme="unix")
        if "virtual_host" in query:
            query["db"] = query.pop("virtual_host")
    if "ssl_cert_reqs" in query:
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].lower().removeprefix("cert_")
    # Not urlunsplit: it drops the slashes of an empty host for schemes that it does not know.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def address_of(client: redis.Redis) -> str:
    """What stands in errors: the address without user and password."""
    options = client.get_connection_kwargs()
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"
