"""A first, random value for each secret that has none. Refuses to replace one."""

import secrets
from collections.abc import Mapping, Sequence

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidRequest, VaultError

from ops.errors import EstateError
from ops.vault.api import call, reason


def seed_secrets(client: hvac.Client, wanted: Mapping[tuple[str, str], Sequence[str]]) -> list[tuple[str, str]]:
    """As the administrator write random values where no secret is yet; the secrets written. `wanted` has by mount and
    path the names of the values inside. Raises EstateError: the server refuses."""
    written = []
    for (mount, path), keys in wanted.items():
        body = {"options": {"cas": 0}, "data": {key: secrets.token_urlsafe(24) for key in keys}}
        try:
            call(client, "post", f"{mount}/data/{path}", body)
        except Forbidden:
            # The administrator may create, not overwrite: a secret that is there already is answered with a refusal.
            # Had the right to create been missing too, the check that reads the secret would say so.
            continue
        except InvalidRequest as error:
            if "check-and-set" not in str(error):
                raise EstateError(f"secret {mount}/{path}: {reason(error)}") from error
        except (VaultError, requests.RequestException) as error:
            raise EstateError(f"secret {mount}/{path}: {reason(error)}") from error
        else:
            written.append((mount, path))
    return written
