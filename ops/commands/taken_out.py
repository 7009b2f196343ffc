"""What stays on a server although no setting names it any more, since the official provider sends nothing where it was.

Owns the reset of these, on the server, before the engine begins: an `up` that is killed after it does it once more. Of
all that an estate declares it is the password policy of a database's connection
(tests/engine/fake_providers/test_vault_requests.py looks for more). Plain `pulumi up` doesn't do it.
"""

from collections.abc import Mapping
from typing import Any

from ops.engine import connections, recovery
from ops.platforms.driver import PlatformDriver
from ops.vault.login import log_in


def reset(platform: PlatformDriver, deployment: Mapping[str, Any]) -> None:
    """Have connections make passwords as the server does by itself, where a policy went. Raises EstateError."""
    database = platform.file.settings.database
    built = connections.built(deployment)
    left = [
        name
        for name, wanted in (database.connections if database else {}).items()
        if wanted.password_policy is None and name in built and built[name].password_policy
    ]
    if database is None or not left:
        return
    with log_in(platform.endpoint(recovery.address_in(deployment))) as client:
        for name in left:
            # The rest stays as it is, and need not be tried.
            body = {"password_policy": "", "verify_connection": False}
            client.write_data(f"{database.path}/config/{name}", data=body)
