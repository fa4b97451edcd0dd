"""Whether a request comes from the sandbox's own page, a program, or another site's page in a browser. Pure.

The sandbox takes orders from anybody who reaches it, and anything on the machine does, a browser among them.
Two ways lead from a stranger's page to here: it has the browser send something (CSRF), which shows in
headers that only browsers send; or its name is made to point here (DNS rebinding), which shows in ``Host``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

PRIVATE = (".localhost", ".internal", ".cluster.local")
"""Endings of names that no stranger can have in the DNS."""


def refusal(method: str, host: str, headers: Mapping[str, str], listening: str) -> str | None:
    """Say why a request is refused, or None.

    Args:
        method: HTTP's.
        host: the header ``Host``, with or without a port.
        headers: the others.
        listening: the name or address that the sandbox was told to listen on.
    """
    if not is_own_host(host, listening):
        return "the header Host names a site in the internet: expected an address, or a name without a dot"
    if method not in SAFE_METHODS and not _is_own_page(host, headers):
        return "the request comes from another site's page"
    return None


def is_own_host(host: str, listening: str) -> bool:
    """Whether a ``Host`` is one that no stranger's page can have.

    >>> [is_own_host(host, "127.0.0.1") for host in ("127.0.0.1:80", "[::1]:80", "localhost", "sandbox:80")]
    [True, True, True, True]
    >>> is_own_host("evil.example:80", "127.0.0.1")
    False
    """
    name = _name(host)
    if name == listening.lower() or name.endswith(PRIVATE):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and "." not in name and ":" not in name
    return True


def _is_own_page(host: str, headers: Mapping[str, str]) -> bool:
    # Of the two, Sec-Fetch-Site can't be lost: a Referrer-Policy makes "null" of the Origin of forms.
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
