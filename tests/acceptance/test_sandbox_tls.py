"""`botfleet sandbox` with a certificate, from the command line."""

from __future__ import annotations

import json

from bench.slack import make_certificate

from ..waiting import eventually
from .fleet import Folder, free_port


def test_it_speaks_tls_to_whoever_trusts_its_certificate(folder: Folder) -> None:
    certificate, port = make_certificate(folder.path), free_port()
    files = ("--cert", str(certificate), "--key", str(folder.path / "bench.key"))
    sandbox = folder.start("sandbox", "botfleet", "sandbox", "--port", str(port), "--teams", "1", *files)
    eventually(lambda: "\n" in sandbox.output, 10.0)
    ready = json.loads(sandbox.output)
    assert ready["api_url"] == f"https://127.0.0.1:{port}/api/"
    assert "certificate verify failed" in folder.botfleet("sandbox", "join", "--url", ready["url"], expect=1)
    folder.environment["SSL_CERT_FILE"] = str(certificate)
    assert "zoe" in folder.botfleet("sandbox", "join", "--name", "zoe", "--url", ready["url"])
    assert sandbox.stop() == 0


def test_a_key_alone_is_wrong_usage(folder: Folder) -> None:
    assert "--key needs --cert" in folder.botfleet("sandbox", "--key", "key.pem", expect=2)
