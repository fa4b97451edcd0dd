"""``python -m botfleet.sandbox``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .apps import URLS, app_urls
from .model import BOT_NAME
from .server import run
from .service import CODE_LIFETIME, PATIENCE, RETRY_DELAYS, Options


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sandbox; give the exit status."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    given["app"] = _app(given)
    logging.basicConfig(
        level=given.pop("log_level").upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    options = Options(**given)
    if options.keyfile is not None and options.certfile is None:
        parser.error("--key needs --cert")
    return run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m botfleet.sandbox", description="A local Slack.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=0, help="port to listen on; 0, the default, takes a free one"
    )
    parser.add_argument("--teams", type=_count, default=2, help="teams at first (default: %(default)s)")
    parser.add_argument(
        "--bot-name", default=BOT_NAME, metavar="NAME", help="its user (default: %(default)s)"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="keep added teams and tokens in this file")
    parser.add_argument(
        "--cert", type=Path, dest="certfile", metavar="FILE", help="PEM certificate, for https and wss"
    )
    parser.add_argument("--key", type=Path, dest="keyfile", metavar="FILE", help="the certificate's key")
    parser.add_argument("--limits", action="store_true", help="enforce Slack's rate limits")
    parser.add_argument(
        "--url-lifetime", type=float, default=30.0, metavar="SECONDS", help="life of an rtm.connect URL"
    )
    _add_app(parser)
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="write the start-up line there, too")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent process does")
    parser.add_argument(
        "--log-level",
        default="warning",
        choices=("debug", "info", "warning", "error"),
        help="(default: %(default)s)",
    )
    return parser


def _add_app(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("its app, which is installed by OAuth and told of events by HTTP")
    for name in ("app-id", "client-id", "client-secret", "signing-secret"):
        group.add_argument(f"--{name}", metavar="TEXT", help="default: a fake one, which /sandbox/app shows")
    group.add_argument("--app-url", type=_url, metavar="URL", help="its web role; stands for the three below")
    for kind in URLS:
        group.add_argument(f"--{kind}-url", type=_url, metavar="URL", help=f"default: APP_URL/slack/{kind}")
    group.add_argument(
        "--redirect-url",
        type=_url,
        action="append",
        dest="redirect_urls",
        metavar="URL",
        help="what a redirect_uri has to begin with; may be repeated (default: any will do)",
    )
    group.add_argument("--enterprise", metavar="NAME", help="an organisation with two teams of its own")
    group.add_argument(
        "--retry-delays",
        type=_delays,
        default=RETRY_DELAYS,
        metavar="SECONDS,…",
        help="before each further try of an event (default: 0,60,300)",
    )
    group.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="in which it has to answer (default: %(default)g)",
    )
    group.add_argument(
        "--code-lifetime",
        type=float,
        default=CODE_LIFETIME,
        metavar="SECONDS",
        help="life of an OAuth code (default: %(default)g)",
    )


def _app(given: dict[str, Any]) -> dict[str, Any]:
    """Take what is about the app out of the options that were given."""
    base = given.pop("app_url")
    urls = {} if base is None else app_urls(base)
    names = ("app_id", "client_id", "client_secret", "signing_secret", "redirect_urls")
    named = {name: given.pop(name) for name in (*names, *(f"{kind}_url" for kind in URLS))}
    return urls | {name: value for name, value in named.items() if value is not None}


def _url(text: str) -> str:
    if text.startswith(("http://", "https://")):
        return text
    raise argparse.ArgumentTypeError(f"{text!r}: expected an http or https URL")


def _delays(text: str) -> tuple[float, ...]:
    try:
        delays = tuple(float(one) for one in text.split(",") if one)
    except ValueError:
        delays = (-1.0,)
    if any(not 0 <= delay <= 86_400 for delay in delays):
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds, separated by commas")
    return delays


def _port(text: str) -> int:
    if text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: expected 0 to 65535")


def _count(text: str) -> int:
    if text.isdigit() and 0 < int(text) <= 100_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 to 100000")


if __name__ == "__main__":
    sys.exit(main())
