"""The load as the benchmarks see it: starts the process, tells it what to send, asks what it has seen."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .processes import BenchError, Child, bench_environment, bench_module, wait_until

_START = 10.0


class Sent(NamedTuple):
    """What a flood was; times are monotonic seconds, the same clock in all processes."""

    began: float
    ended: float
    #: CPU seconds of the load.
    cpu: float
    events: int

    @property
    def rate(self) -> float:
        """Frames a second that the load wrote."""
        return self.events / max(self.ended - self.began, 1e-9)


class FakeSlack:
    """The load's process.

    Args:
        folder: for its log and certificate.
        tls: serve TLS, with a certificate that `certificate` holds.

    Attributes:
        api_url: for BOTFLEET_SLACK_API_URL.
        sockets_url: where the websockets are: `…/rtm/NUMBER`.
        certificate: for SSL_CERT_FILE; None without TLS.
    """

    def __init__(self, folder: Path, tls: bool = False) -> None:
        self.certificate = make_certificate(folder) if tls else None
        arguments = []
        if self.certificate is not None:
            arguments = ["--certificate", str(self.certificate), "--key", str(folder / "bench.key")]
        command = bench_module("load", *arguments)
        self.child = Child("load", command, folder, bench_environment(), talks=True)
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        try:
            where = self.child.hear(_START)
        except BaseException:
            self.child.kill()
            raise
        self.api_url: str = where["api"]
        self.sockets_url: str = where["sockets"]

    def status(self) -> dict[str, Any]:
        """`sockets`, `requests`, `opened`, `closed`, `pings`, `first_request`, `last_opened`."""
        return self.wait_for(self.begin("status"))

    def reset(self) -> None:
        """Has the counts begin anew."""
        self.wait_for(self.begin("reset"))

    def flood(self, events: int, timeout: float = 120.0, **how: Any) -> Sent:
        """Sends a flood; see `Load.flood`."""
        return self.sent(self.begin("flood", events=events, **how), events, timeout)

    def sent(self, number: int, events: int, timeout: float = 120.0) -> Sent:
        """Waits for the end of a flood that `begin` began."""
        answer = self.wait_for(number, timeout)
        return Sent(answer["began"], answer["ended"], answer["cpu"], events)

    def begin(self, command: str, **how: Any) -> int:
        """Begins something; `wait_for` takes the number."""
        self._number += 1
        self.child.tell(id=self._number, do=command, **how)
        return self._number

    def wait_for(self, number: int, timeout: float = 30.0) -> dict[str, Any]:
        """Waits for the end of what `begin` began."""
        while number not in self._answers:
            answer = self.child.hear(timeout)
            self._answers[answer.pop("id")] = answer
        answer = self._answers.pop(number)
        if "error" in answer:
            raise BenchError(f"the load: {answer['error']}")
        return answer

    def wait_for_sockets(self, number: int, timeout: float, client: Child | None = None) -> None:
        """Waits until so many sockets are open."""
        wait_until(
            f"{number} sockets are open", lambda: self.status()["sockets"] >= number, timeout, 0.05, client
        )

    def wait_for_no_sockets(self, timeout: float = 30.0) -> None:
        """Waits until a client that has ended is really gone."""
        wait_until("no socket is open", lambda: self.status()["sockets"] == 0, timeout)

    def close(self) -> None:
        """Ends the process."""
        self.child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def make_certificate(folder: Path) -> Path:
    """Makes a self-signed certificate for 127.0.0.1, good for two days, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "bench.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "bench.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
