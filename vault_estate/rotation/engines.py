"""What Vault's own engines rotate, asked to do it now: they do by themselves as often as the estate's settings say.

Owns the requests. There is no run to go on with: each is one step, inside Vault.
"""

from urllib.parse import quote

from vault_estate.errors import ConfigurationError
from vault_estate.manifest import ClientManifest
from vault_estate.session import Session
from vault_estate.transport import Repeat


def rotate_transit_key(session: Session, manifest: ClientManifest, key: str) -> str:
    """A new version of a transit key, by which is encrypted from now on; the ones before still decrypt. What was done.
    Raises ConfigurationError: the manifest has no such key. Raises VaultEstateError: Vault refuses."""
    manifest.transit_key(key)
    mount = manifest.transit.mount if manifest.transit else ""
    path = f"{mount}/keys/{quote(key, safe='/')}/rotate"
    version = (session.request("POST", path, body={}, repeat=Repeat.UNSENT).get("data") or {}).get("latest_version")
    return f"version {version}" if version else "a new version"


def rotate_static_role(session: Session, manifest: ClientManifest, role: str) -> str:
    """A new password of a database user whose login Vault keeps; the one before ends at once. What was done.
    Raises ConfigurationError: the manifest has no such static role. Raises VaultEstateError: Vault refuses."""
    database = manifest.database
    roles = database.static_roles if database else {}
    if database is None or role not in roles:
        # Not shown: whatever was put there by mistake.
        raise ConfigurationError(f"--static-role names none; expected one of: {', '.join(sorted(roles)) or 'none is'}")
    path = f"{database.mount}/rotate-role/{quote(role, safe='/')}"
    session.request("POST", path, body={}, repeat=Repeat.UNSENT)
    return f"a new password of {roles[role].username}"


def rotate_database_root(session: Session, manifest: ClientManifest, connection: str) -> str:
    """A new password of the user by which Vault itself reaches a database; afterwards only Vault knows it. What was
    done. Raises ConfigurationError: the application has no database. Raises VaultEstateError: Vault refuses."""
    if manifest.database is None:
        raise ConfigurationError(
            f"--database-root is given; expected an application with databases: {manifest.application}"
        )
    path = f"{manifest.database.mount}/rotate-root/{quote(connection, safe='')}"
    session.request("POST", path, body={}, repeat=Repeat.UNSENT)
    return "a new password, which only Vault knows"
