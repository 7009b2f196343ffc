"""The administrator's own connection to a Vault, for what a command does beside the engine."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import hvac
import requests
from hvac import exceptions

from ops.errors import EstateError
from ops.vault import turns
from ops.vault.endpoint import VaultEndpoint

_SYSTEM_STORE = "an authority of the system's store"


@contextmanager
def log_in(endpoint: VaultEndpoint) -> Iterator[hvac.Client]:
    """Log in as the administrator; the token is revoked at the end.
    Raises EstateError: the server is away, sealed, not the one this login belongs to, or refuses it; or it refused
    what the block asked of it."""
    address, login = endpoint.address, endpoint.login
    client = turns.client(address, endpoint.ca_file, cert=(login.certificate_file, login.private_key_file))
    client.token = _token(client, endpoint)
    try:
        yield client
    except exceptions.VaultError as error:
        raise EstateError(f"Vault at {address} refused a step: {_sentence(error)}") from None
    except requests.exceptions.RequestException:
        raise EstateError(f"Vault at {address} went away at work; expected a running Vault") from None
    finally:
        # A server that is gone can't revoke; the token's short life ends it then.
        with suppress(exceptions.VaultError, requests.exceptions.RequestException):
            client.auth.token.revoke_self()
        client.adapter.close()


def refuse_without_pair(endpoint: VaultEndpoint, stack: str) -> None:
    """Raises EstateError: a half of the administrator's pair isn't there."""
    for file in endpoint.login.files:
        if not Path(file).is_file():
            raise EstateError(f"{file} is missing; expected it back, or a new pair: ./estate regain {stack} --new-pair")


def _token(client: hvac.Client, endpoint: VaultEndpoint) -> str:
    address, login = endpoint.address, endpoint.login
    try:
        answer = client.write_data(f"auth/{login.mount}/login", data={"name": login.role})
        return str(cast("dict[str, Any]", answer)["auth"]["client_token"])
    except requests.exceptions.SSLError:
        authority = endpoint.ca_file or _SYSTEM_STORE
        msg = f"{address} shows a certificate that {authority} did not sign; expected the server of this estate"
        raise EstateError(msg) from None
    except requests.exceptions.RequestException:
        raise EstateError(f"{address} does not answer; expected a running Vault") from None
    except exceptions.VaultDown:
        raise EstateError(f"Vault at {address} is sealed; expected it unsealed") from None
    except exceptions.VaultNotInitialized:
        msg = f"Vault at {address} is not initialised; expected one that `./estate up` bootstrapped"
        raise EstateError(msg) from None
    except exceptions.VaultError as error:
        msg = f"Vault at {address} refuses the administrator's certificate {login.certificate_file}: {_sentence(error)}"
        raise EstateError(msg) from None
    except OSError as error:
        # The requests library's own words, which name the file.
        raise EstateError(f"the administrator's files can't be read: {error}; expected a whole pair") from None
    except (KeyError, TypeError, AttributeError, ValueError):
        raise EstateError(f"{address} does not answer as a Vault does; expected a Vault there") from None


def _sentence(error: exceptions.VaultError) -> str:
    """What the server said, on one line."""
    return " ".join(str(error).split())
