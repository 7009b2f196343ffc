"""Certificate: a client certificate, shown while the connection is made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vault_estate.auth.method import IssuedToken, logged_in
from vault_estate.errors import AuthenticationError, ConfigurationError
from vault_estate.transport import Transport


@dataclass(kw_only=True)
class CertificateAuth:
    """By the certificate of the transport's `Trust`; files that changed are read again before a login."""

    kind: ClassVar[str] = "cert"
    repeats: ClassVar[bool] = True

    certificate_file: Path
    key_file: Path
    role: str | None = None
    """None: Vault looks for one that the certificate fits."""
    mount: str = "cert"
    _read_at: tuple[int, ...] | None = field(default=None, init=False, repr=False)

    def log_in(self, transport: Transport) -> IssuedToken:
        """A token. Raises AuthenticationError: no role takes the certificate."""
        written = self._written()
        if self._read_at is not None and written != self._read_at:
            transport.reload_certificates()
        self._read_at = written
        body = {"name": self.role} if self.role else {}
        what = f"the certificate {self.certificate_file}"
        return logged_in(transport, self.mount, body, what, refused=AuthenticationError)

    def _written(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in (self.certificate_file, self.key_file))
        except OSError as error:
            raise ConfigurationError(
                f"client certificate {error.filename} can't be read ({error.strerror}); expected PEM"
            ) from None
