"""Whether an application can get its next SecretID, and only response-wrapped."""

import hvac
from hvac.exceptions import Forbidden

from ops.vault.api import call
from ops.vault.checks.outcome import CheckError
from settings.grants import RenewalGrant

_WRAP = "60s"


def check(client: hvac.Client, grant: RenewalGrant) -> None:
    """Get one, and destroy it. Raises CheckError: it comes in the clear, too, or from elsewhere."""
    path = f"{grant.mount}/role/{grant.name}/secret-id"
    wrapped = call(client, "post", path, {}, wrap_ttl=_WRAP)["wrap_info"]
    if wrapped["creation_path"] != path:
        raise CheckError(f"it was made at {wrapped['creation_path']}")
    found = call(client, "post", "sys/wrapping/unwrap", {"token": wrapped["token"]})["data"]
    call(client, "post", f"{path}/destroy", {"secret_id": found["secret_id"]})
    try:
        found = call(client, "post", path, {})["data"]
    except Forbidden:
        return
    call(client, "post", f"{path}/destroy", {"secret_id": found["secret_id"]})
    raise CheckError("it comes in the clear, too; expected it response-wrapped only")
