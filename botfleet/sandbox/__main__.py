"""``python -m botfleet.sandbox``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from .model import BOT_NAME
from .server import run
from .service import Options


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sandbox; give the exit status."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
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
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="write the start-up line there, too")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent process does")
    parser.add_argument(
        "--log-level",
        default="warning",
        choices=("debug", "info", "warning", "error"),
        help="(default: %(default)s)",
    )
    return parser


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
