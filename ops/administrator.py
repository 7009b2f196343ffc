"""The administrator's own connection to a Vault, for what a command does beside the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import hvac
import requests
from hvac import exceptions

from ops.errors import EstateError

LOGIN_ROLE = "administrator"
_SECONDS = 30


@contextmanager
def administrator(address: str, ca_file: Path, certificate: Path, private_key: Path) -> Iterator[hvac.Client]:
    """Log in with the administrator's certificate; the token is revoked at the end.

    Raises:
        EstateError: the server is away, sealed, not the one this certificate belongs to, or refuses it.
    """
    client = hvac.Client(url=address, verify=str(ca_file), cert=(str(certificate), str(private_key)), timeout=_SECONDS)
    try:
        answer = client.write_data("auth/cert/login", data={"name": LOGIN_ROLE})
    except requests.exceptions.SSLError:
        msg = f"{address} is not the server of this estate: {ca_file} did not sign its certificate"
        raise EstateError(msg) from None
    except requests.exceptions.RequestException:
        msg = f"{address} does not answer; expected a running Vault"
        raise EstateError(msg) from None
    except exceptions.VaultDown:
        msg = f"Vault at {address} is sealed; expected it unsealed"
        raise EstateError(msg) from None
    except exceptions.VaultError as error:
        msg = f"Vault at {address} refuses the administrator's certificate {certificate}: {error}"
        raise EstateError(msg) from None
    client.token = cast("dict[str, Any]", answer)["auth"]["client_token"]
    try:
        yield client
    finally:
        client.auth.token.revoke_self()
        client.adapter.close()
