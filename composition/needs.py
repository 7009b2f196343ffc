"""Which servers Vault itself reaches, wherever it runs: what its contents name. Owns no resource."""

from collections.abc import Iterator

from components.render.traffic import Need, need_of_url
from settings import Settings


def of_contents(settings: Settings) -> Iterator[Need]:
    """Databases, who vouches for logins, and where audit goes. A pod's own cluster isn't among them."""
    for name, connection in settings.database.connections.items() if settings.database else ():
        yield Need(host=connection.host, port=connection.port, reason=f"database {name}")
    if settings.kubernetes and settings.kubernetes.host:
        yield need_of_url(settings.kubernetes.host, "Kubernetes logins")
    issuers = {"JWT logins": settings.jwt, "logins of tenants": settings.tenants.issuer if settings.tenants else None}
    for reason, jwt in issuers.items():
        if jwt and not jwt.jwt_validation_pubkeys:
            yield need_of_url(jwt.oidc_discovery_url or jwt.jwks_url or "", reason)
    if settings.people and settings.people.oidc:
        yield need_of_url(settings.people.oidc.discovery_url, "logins of people")
    for name, device in settings.audit.items():
        yield from device.needs(name)
