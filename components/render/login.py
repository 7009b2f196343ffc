"""How whoever administers a Vault logs in. Owns the names of what that takes, and reads none of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CertificateLogin:
    """The administrator logs in with a client certificate."""

    certificate_file: str
    """PEM file of the public certificate; in a program relative to the project's root."""
    private_key_file: str
    """PEM file of its private key. Only the path is an input."""
    role: str = "administrator"
    """Of the `cert` auth method."""
    mount: str = "cert"
    """Where that method is, without `auth/`."""

    @property
    def files(self) -> tuple[str, ...]:
        """What has to be on this machine before anybody can log in."""
        return (self.certificate_file, self.private_key_file)
