"""Whom a client believes to be Vault: addresses and the TLS context.

Owns what an address may look like and which authorities count. Refuses the environment's (`REQUESTS_CA_BUNDLE`,
`SSL_CERT_FILE`, proxies), any TLS before 1.2, and `http://` to another machine.
"""

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from vault_estate.errors import ConfigurationError

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+")
"""A name in ASCII, as DNS has it, or a number."""
_PORTS = {"https": 443, "http": 80}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(text: str, setting: str = "address") -> str:
    """An address as `scheme://host:port`.
    Raises ConfigurationError: it is none, or would send a token in the clear."""
    wanted = "an https URL without a path, as https://vault.example.com:8200"
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise ConfigurationError(f"{setting} is {_shown(text)}; expected {wanted}") from None
    if not text.isprintable() or not _is_plain(parts):  # urlsplit drops line ends
        raise ConfigurationError(f"{setting} is {_shown(text)}; expected {wanted}")
    host = str(parts.hostname)
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"{setting} is {_shown(text)}; expected https (http only to this machine itself)")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _is_plain(parts: SplitResult) -> bool:
    return (
        bool(_HOST.fullmatch(parts.hostname or ""))
        and parts.path in ("", "/")
        and not (parts.query or parts.fragment or parts.username)
    )


def _shown(text: str) -> str:
    """Without a user and password, which a URL could hold."""
    return repr(text if "@" not in text else f"…@{text.rpartition('@')[2]}")


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What a server is verified with, and what this client shows of itself."""

    ca_certificate: str | None = None
    """PEM; None: the authorities that this machine's OpenSSL was built to trust."""
    ca_file: Path | None = None
    """As `ca_certificate`, in a file that is read at each start."""
    ca_folder: Path | None = None
    """As `ca_certificate`, in a folder that `openssl rehash` made."""
    server_name: str | None = None
    """What the certificate has to say, if not the address's host."""
    certificate_file: Path | None = None
    """PEM of a client certificate."""
    key_file: Path | None = field(default=None, repr=False)
    """Its private key."""

    def context(self) -> ssl.SSLContext:
        """A new context. Raises ConfigurationError: a file or a certificate can't be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._load_authorities(context)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            said = getattr(error, "reason", None) or getattr(error, "strerror", None) or "no certificate"
            where = f"CA {self.ca_file or self.ca_folder}" if self.ca_file or self.ca_folder else "CA certificate"
            raise ConfigurationError(f"{where} can't be used ({said}); expected PEM") from None
        if self.certificate_file is not None:
            try:
                # Without a password function OpenSSL would ask on the terminal.
                context.load_cert_chain(self.certificate_file, self.key_file, password=lambda: "")
            except OSError as error:
                said = getattr(error, "reason", None) or error.strerror
                raise ConfigurationError(
                    f"client certificate {self.certificate_file} can't be used ({said}); expected it and its key, "
                    "both PEM, without a password"
                ) from None
        return context

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        if self.ca_certificate is not None:
            context.load_verify_locations(cadata=self.ca_certificate)
        elif self.ca_file is not None or self.ca_folder is not None:
            context.load_verify_locations(cafile=self.ca_file, capath=self.ca_folder)
        else:
            # Not load_default_certs: that follows SSL_CERT_FILE and SSL_CERT_DIR.
            built_in = ssl.get_default_verify_paths()
            file, folder = Path(built_in.openssl_cafile), Path(built_in.openssl_capath)
            context.load_verify_locations(
                cafile=file if file.is_file() else None, capath=folder if folder.is_dir() else None
            )
