"""A first value for what the estate may choose itself and nobody has given yet. Refuses to replace one."""

import secrets
from collections.abc import Mapping

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidRequest, VaultError

from ops.errors import EstateError
from ops.vault.api import call, reason
from vault_estate import origins

_RANDOM_BYTES = 24
"""In base64 32 characters."""


def seed_secrets(client: hvac.Client, wanted: Mapping[tuple[str, str], Mapping[str, str]]) -> list[tuple[str, str]]:
    """As the administrator write first values where no secret is yet, and note their origin; the secrets written.
    `wanted` has by mount and path what each value is made of, by its name. Raises EstateError: the server refuses."""
    written = []
    for (mount, path), first_values in wanted.items():
        try:
            if first_values and _create(client, mount, path, first_values):
                written.append((mount, path))
        except (VaultError, requests.RequestException) as error:
            raise EstateError(f"secret {mount}/{path}: {reason(error)}") from error
    return written


def _create(client: hvac.Client, mount: str, path: str, first_values: Mapping[str, str]) -> bool:
    """Whether the secret was made; False: it is there."""
    values = {key: text.replace("{random}", secrets.token_urlsafe(_RANDOM_BYTES)) for key, text in first_values.items()}
    try:
        call(client, "post", f"{mount}/data/{path}", {"options": {"cas": 0}, "data": values})
    except Forbidden:
        # The administrator may create, not overwrite: a secret that is there already is answered with a refusal.
        # Had the right to create been missing too, the check that reads the secret would say so.
        return False
    except InvalidRequest as error:
        if "check-and-set" not in str(error):
            raise
        return False
    notes = origins.noted({}, dict.fromkeys(values, "generated"), values, version=1, who=origins.UP)
    call(client, "patch", f"{mount}/metadata/{path}", {"custom_metadata": notes})
    return True
