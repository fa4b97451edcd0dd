"""Signing in, in tests."""

from __future__ import annotations

import re

from httpx2 import Response
from starlette.testclient import TestClient


def sign_in(client: TestClient, key: str, **fields: str) -> Response:
    """Signs in as the page's form does."""
    return client.post("/sign-in", data={"key": key, **fields})


def csrf_of(client: TestClient, path: str = "/dashboard") -> str:
    """What a page's forms have to be sent with."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]
