"""JWT: a token that somebody signs for this job or process, as GitHub does for a workflow's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol
from urllib.parse import quote, urlsplit

import urllib3

from vault_estate.answers import BODY_BYTES, Answer
from vault_estate.auth.method import IssuedToken, checked, credential, logged_in
from vault_estate.errors import AuthenticationError, ConfigurationError, ProtocolError, VaultUnavailable
from vault_estate.guarded import NotPickled
from vault_estate.tls import Trust
from vault_estate.transport import Transport

GITHUB_URL, GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
"""What GitHub sets in a job with `permissions: id-token: write`."""
_ISSUER_SECONDS = 10.0


class IdentitySource(Protocol):
    """Who signs for this process."""

    @property
    def described(self) -> str:
        """For messages."""

    def read(self) -> str:
        """A signed token. Raises ConfigurationError or VaultUnavailable."""


@dataclass(frozen=True)
class IdentityFile:
    """A file that somebody else renews."""

    file: Path

    @property
    def described(self) -> str:
        """The file."""
        return f"the token in {self.file}"

    def read(self) -> str:
        """What it holds now. Raises ConfigurationError: nothing that can be one."""
        return credential(self.file, "JWT")


@dataclass(frozen=True, kw_only=True)
class GitHubIdentity(NotPickled):
    """GitHub's issuer, asked at each login."""

    environ: Mapping[str, str] = field(repr=False)
    audience: str
    """Which Vault's role is bound to."""
    trust: Trust = field(default_factory=Trust)
    """Whom to believe to be GitHub: the authorities of this machine."""

    @property
    def described(self) -> str:
        """GitHub."""
        return "GitHub's token of this job"

    def read(self) -> str:
        """A token for the audience. Raises ConfigurationError: this is no job that may have one. Raises
        VaultUnavailable: GitHub doesn't answer."""
        url, token = self.environ.get(GITHUB_URL, ""), self.environ.get(GITHUB_TOKEN, "")
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ConfigurationError(f"{GITHUB_URL} is no https URL; expected the job to have `id-token: write`")
        headers = {"Authorization": f"Bearer {checked(token, GITHUB_TOKEN)}", "Accept": "application/json"}
        asked = f"{parts.path}?{parts.query}&audience={quote(self.audience, safe='')}"
        try:
            with urllib3.HTTPSConnectionPool(
                parts.hostname, parts.port or 443, ssl_context=self.trust.context(), timeout=_ISSUER_SECONDS
            ) as pool:
                response = pool.urlopen("GET", asked, headers=headers, retries=False, redirect=False)
        except urllib3.exceptions.HTTPError:
            failed = VaultUnavailable(f"{parts.hostname}, which signs this job's token, does not answer")
        else:
            answer = Answer(status=response.status, headers=response.headers, body=response.data[:BODY_BYTES])
            return self._value(answer, parts.hostname)
        raise failed

    @staticmethod
    def _value(answer: Answer, host: str) -> str:
        try:
            value = answer.document().get("value") if answer.status == 200 else None
        except ValueError:
            value = None
        if not isinstance(value, str):
            raise ProtocolError(f"{host} gives no token for this job ({answer.status}); expected one")
        return checked(value, f"the token of {host}")


@dataclass(frozen=True, kw_only=True)
class JwtAuth:
    """By a signed token."""

    kind: ClassVar[str] = "jwt"
    repeats: ClassVar[bool] = True

    role: str
    identity: IdentitySource
    mount: str = "jwt"

    def log_in(self, transport: Transport) -> IssuedToken:
        """A token. Raises AuthenticationError: the role isn't for whoever the token names, or it has expired."""
        body = {"role": self.role, "jwt": self.identity.read()}
        what = f"{self.identity.described}, for role {self.role},"
        return logged_in(transport, self.mount, body, what, refused=AuthenticationError)
