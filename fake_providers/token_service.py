"""Where Pod Identity of one cluster gets credentials: AWS' token service, or what stands in for it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TokenService:
    """AWS, as a cluster's pods and their agent reach it."""

    url: str
    region: str
    cluster: str
    """ARN of the cluster, with which sessions are tagged."""
    authority: bytes | None = None
    """Who signed its certificate, as PEM; None: one that is trusted anyway."""
