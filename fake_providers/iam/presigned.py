"""A signed address of AWS' token service, by which somebody proves to others who they are: `GetCallerIdentity`.

Owns whether its signature is good: made with the secret of its access key, of all headers that it names, and fifteen
minutes old at most, whatever the address itself says of that (aws-iam-authenticator, pkg/token/token.go). The rules of
the signature are AWS' own (AWS General Reference, Signature Version 4).
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

LASTS = timedelta(minutes=15)
DATE = "%Y%m%dT%H%M%SZ"
_ALGORITHM = "AWS4-HMAC-SHA256"
_SIGNATURE = "X-Amz-Signature"


@dataclass(frozen=True)
class Presigned:
    """The parameters of one."""

    parameters: Mapping[str, str]

    @classmethod
    def read(cls, query: str) -> "Presigned | None":
        """None where an address isn't signed."""
        found = dict(parse_qsl(query, keep_blank_values=True))
        return cls(found) if _SIGNATURE in found else None

    @property
    def access_key(self) -> str:
        """Whose secret it is to be signed by."""
        return self.parameters.get("X-Amz-Credential", "").partition("/")[0]

    @property
    def token(self) -> str | None:
        """The session's; None: it is of no session."""
        return self.parameters.get("X-Amz-Security-Token")

    @property
    def is_of_identity(self) -> bool:
        """Whether it asks who signed it, of the token service."""
        service = self.parameters.get("X-Amz-Credential", "").split("/")[3:]
        return service == ["sts", "aws4_request"] and self.parameters.get("Action") == "GetCallerIdentity"

    def is_expired(self, now: datetime) -> bool:
        """Whether it is too old, or says no time."""
        try:
            signed = datetime.strptime(self.parameters.get("X-Amz-Date", ""), DATE).replace(tzinfo=UTC)
        except ValueError:
            return True
        return now > signed + LASTS

    def is_signed_by(self, secret: str, headers: Mapping[str, str]) -> bool:
        """Whether the signature is that of this request; names of headers are in small letters."""
        return hmac.compare_digest(self.parameters[_SIGNATURE], self._signature(secret, headers))

    def _signature(self, secret: str, headers: Mapping[str, str]) -> str:
        named = self.parameters.get("X-Amz-SignedHeaders", "")
        pairs = sorted((_quoted(name), _quoted(value)) for name, value in self.parameters.items() if name != _SIGNATURE)
        request = [
            "GET",
            "/",
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{headers.get(name, '').strip()}" for name in named.split(";")),
            "",
            named,
            hashlib.sha256(b"").hexdigest(),
        ]
        scope = self.parameters.get("X-Amz-Credential", "").partition("/")[2]
        digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
        text = "\n".join([_ALGORITHM, self.parameters.get("X-Amz-Date", ""), scope, digest])
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
