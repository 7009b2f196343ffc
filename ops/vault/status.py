"""What anybody may see of a stack's Vault: whether it answers and who it says it is, without logging in.

Owns one connection to the server and the words for what was found. Refuses to take a server at its word whose
certificate isn't vouched for: of such a one only the certificate is looked at.
"""

import datetime
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography import x509

from ops.vault.connection import connect
from ops.vault.endpoint import VaultEndpoint

TIME = "%Y-%m-%d %H:%M"
"""Form of a certificate's end."""
_SECONDS = 5.0
"""How long a server may take to answer one question."""


@dataclass(frozen=True, kw_only=True)
class VaultStatus:
    """One Vault as it was found. What couldn't be learnt is None."""

    address: str
    trouble: str | None = None
    """One sentence: why it isn't as it should be."""
    reachable: bool = False
    initialised: bool | None = None
    sealed: bool | None = None
    version: str | None = None
    seal: str | None = None
    cluster_id: str | None = None
    """Told by an open server only."""
    is_known_cluster: bool | None = None
    """Whether it is the one that the stack exports."""
    certificate_ends: str | None = None
    """UTC."""
    certificate_lifetime_seconds: int | None = None
    """From its beginning to its end."""
    certificate_days: int | None = None
    """Whole days until then; negative once it is over."""

    def rows(self) -> list[list[str]]:
        """For people."""
        cluster = self.cluster_id or ("told once it is open" if self.sealed else None)
        if self.is_known_cluster is not None:
            cluster = f"{cluster} ({'the one' if self.is_known_cluster else 'not the one'} that the stack exports)"
        days = None if self.certificate_days is None else f"{self.certificate_ends}, {self.certificate_days} days left"
        return [
            ["address", self.address],
            ["reachable", _word(self.reachable, "✓", "failed")],
            ["initialised", _word(self.initialised, "✓", "failed")],
            ["seal", " ".join(filter(None, [_word(self.sealed, "sealed", "open"), self.seal and f"({self.seal})"]))],
            ["version", self.version or "unknown"],
            ["cluster", cluster or "unknown"],
            ["certificate's end", days or "unknown"],
        ]


def _word(found: bool | None, yes: str, no: str) -> str:
    return "unknown" if found is None else yes if found else no


def ask(endpoint: VaultEndpoint, known_cluster: str | None = None) -> VaultStatus:
    """Ask the server who it is, and compare its cluster with the one that the stack exports, if that is known."""
    found = VaultStatus(address=endpoint.address)
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
    except FileNotFoundError:
        return replace(
            found, trouble=f"{endpoint.ca_file} is missing, which vouches for it; expected it where `up` keeps it"
        )
    except (ssl.SSLError, OSError) as error:
        return replace(found, trouble=f"{endpoint.ca_file} can't be read as a certificate: {error.strerror or error}")
    try:
        certificate, status = _asked(endpoint.address, context)
    except ssl.SSLCertVerificationError as error:
        return _unverified(found, endpoint, error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return replace(
            found, trouble=f"{endpoint.address} does not answer ({_reason(error)}); expected a running Vault"
        )
    return _judged(_with_end(replace(found, reachable=True), certificate), status, known_cluster)


def _judged(found: VaultStatus, status: Mapping[str, object], known_cluster: str | None) -> VaultStatus:
    if not isinstance(status.get("sealed"), bool):
        return replace(found, trouble=f"{found.address} does not answer as a Vault does; expected a Vault there")
    told = str(status.get("cluster_id") or "") or None
    found = replace(
        found,
        initialised=bool(status.get("initialized")),
        sealed=bool(status["sealed"]),
        version=str(status.get("version") or "") or None,
        seal=str(status.get("type") or "") or None,
        cluster_id=told,
        is_known_cluster=told == known_cluster if told and known_cluster else None,
    )
    if not found.initialised:
        return replace(
            found, trouble=f"{found.address} is not initialised; expected one that its first boot initialised"
        )
    if found.is_known_cluster is False:
        return replace(found, trouble=f"{found.address} is cluster {told}, but the stack exports {known_cluster}")
    return found


def _asked(address: str, context: ssl.SSLContext) -> tuple[bytes, Mapping[str, object]]:
    """The certificate that the server shows, and what it says of its seal."""
    connection = connect(address, context, _SECONDS)
    try:
        connection.connect()
        certificate = connection.sock.getpeercert(binary_form=True) or b""
        if context.verify_mode is ssl.CERT_NONE:
            return certificate, {}
        connection.request("GET", "/v1/sys/seal-status")
        status = json.loads(connection.getresponse().read())
        return certificate, status if isinstance(status, dict) else {}
    finally:
        connection.close()


def _unverified(found: VaultStatus, endpoint: VaultEndpoint, error: ssl.SSLCertVerificationError) -> VaultStatus:
    """A server whose certificate is wrong; nothing but the certificate is asked for."""
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    who = endpoint.ca_file or "the system's store"
    said = f"{found.address} shows a wrong certificate, by {who}: {error.verify_message}; nothing was asked of it"
    try:
        certificate, _ = _asked(endpoint.address, careless)
        return replace(_with_end(found, certificate), trouble=said)
    except (OSError, http.client.HTTPException, ValueError):
        return replace(found, trouble=said)


def _with_end(found: VaultStatus, certificate: bytes) -> VaultStatus:
    shown = x509.load_der_x509_certificate(certificate)
    end = shown.not_valid_after_utc
    return replace(
        found,
        certificate_ends=end.strftime(TIME),
        certificate_lifetime_seconds=int((end - shown.not_valid_before_utc).total_seconds()),
        certificate_days=(end - datetime.datetime.now(datetime.UTC)).days,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:.0f} s"
    if isinstance(error, socket.gaierror):
        return "its name is unknown"
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error) or type(error).__name__
