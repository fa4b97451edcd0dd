"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "botfleet.configuration",
        "botfleet.embedded",
        "botfleet.cli_web",
        "botfleet.holder.placement",
        "botfleet.holder.process",
        "botfleet.overview.handlers",
        "botfleet.overview.holders",
        "botfleet.handlers.sending.counting",
        "botfleet.publishing.lag",
        "botfleet.reports",
        "botfleet.slack.reconnects",
        "botfleet.store.redis_client",
        "botfleet.unheld",
        "botfleet.up.reload",
        "botfleet.watching",
        "botfleet.web.dashboard.glance",
        "botfleet.web.dashboard.plots",
        "botfleet.web.install.flow",
        "botfleet.web.install.refusals",
        "botfleet.web.problems",
        "botfleet.web.sign_in",
        "botfleet.web.wording",
    ],
)
def test_the_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
