"""How many messages wait in the broker's queues, and whether the broker answers at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from .errors import BotfleetError
from .store.redis_client import client_of

#: Between a queue's name and a priority in the name of a list; kombu's.
_PRIORITY_MARK = "\x06\x16"


class Depths:
    """Looks into the broker's queues. Safe to use from several threads.

    Args:
        app: whose broker.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def read(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages wait in each queue, by name; none in one that is not there.

        Raises:
            BotfleetError: the broker does not answer.
        """
        with _translated():
            if self._redis is not None:
                return self._read_redis(self._redis, queues)
            with self._app.connection_for_read() as connection:
                connection.ensure_connection(max_retries=1)
                return {queue: _length(connection, queue) for queue in queues}

    def unacked(self) -> int | None:
        """How many messages workers have fetched and not yet done; None where the broker does not tell.

        Raises:
            BotfleetError: the broker does not answer.
        """
        if self._redis is None:
            return None
        with _translated():
            fetched: Any = self._redis.hlen(f"{self._prefix}unacked")
            return int(fetched)

    def ping(self) -> None:
        """Returns when the broker answers.

        Raises:
            BotfleetError: it does not.
        """
        with _translated():
            if self._redis is not None:
                self._redis.ping()
                return
            with self._app.connection_for_read() as connection:
                connection.ensure_connection(max_retries=1)

    @cached_property
    def _redis(self) -> redis.Redis | None:
        # Not by kombu, which looks for queues without their prefix.
        url: str = self._app.conf.broker_url
        return client_of(url) if urlsplit(url).scheme.startswith(("redis", "unix")) else None

    @property
    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = self._app.conf.broker_transport_options
        return options

    @property
    def _prefix(self) -> str:
        return str(self._options.get("global_keyprefix", ""))

    def _read_redis(self, client: redis.Redis, queues: Sequence[str]) -> dict[str, int]:
        marks = ["", *(f"{_PRIORITY_MARK}{step}" for step in self._options.get("priority_steps", ()) if step)]
        with client.pipeline(transaction=False) as pipeline:
            for queue in queues:
                for mark in marks:
                    pipeline.llen(f"{self._prefix}{queue}{mark}")
            lengths: list[int] = pipeline.execute()
        groups = (lengths[start : start + len(marks)] for start in range(0, len(lengths), len(marks)))
        return dict(zip(queues, map(sum, groups), strict=True))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, redis.RedisError, OSError) as exc:
        raise BotfleetError(f"the broker does not answer ({type(exc.__cause__ or exc).__name__})") from exc


def _length(connection: Any, queue: str) -> int:
    # A channel each: RabbitMQ closes the one on which a queue was asked for that is not there.
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0
