"""How the web role writes its log."""

from __future__ import annotations

import logging

FORMAT = "[%(asctime)s: %(levelname)s/%(name)s] %(message)s"


class OneLine(logging.Formatter):
    """Keeps each message on one line, without anything that a terminal would heed; tracebacks stay below.

    >>> record = logging.makeLogRecord({"msg": "a\\nb \\x1b[31mé", "levelname": "INFO"})
    >>> OneLine("%(levelname)s: %(message)s").format(record)
    'INFO: a\\\\nb \\\\x1b[31mé'
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return printable(super().formatMessage(record))


def printable(text: str) -> str:
    """A text with what is not printable written out as in Python.

    >>> printable("a\\r\\nb\\x00\\u202e")
    'a\\\\r\\\\nb\\\\x00\\\\u202e'
    """
    return (
        text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    )


def begin(level: str) -> None:
    """Writes the log of this process to standard error, from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
