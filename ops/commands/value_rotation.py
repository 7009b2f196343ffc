"""`./estate rotate`: new values for an application's secrets, by the login of whoever works there.

Owns the way from a stack to the library's runner, which does it. Works by the person's own login: the server decides
who may, and its audit log says who did. Refuses an application that the settings don't name.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac

from ops import stack_file
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people.session import may_not, person
from ops.vault.turns import PATIENCE_SECONDS
from settings.client_manifest import client_manifest
from vault_estate.auth.token import TokenAuth
from vault_estate.errors import PermissionDenied, VaultEstateError
from vault_estate.manifest import ClientManifest
from vault_estate.rotation import RotationOutcome, Runner, schedule
from vault_estate.rotation.printing import to_standard_error
from vault_estate.rotation.schedule import ScheduledSecret
from vault_estate.session import Session
from vault_estate.tls import Trust
from vault_estate.transport import Patience, Transport

_TOKEN = "token"  # noqa: S105 - a name
_NOBODYS_ROLE_ID = "none"
"""The document has to have one; whoever works here has a token."""


@dataclass(frozen=True, kw_only=True)
class RotatedApplication:
    """Whose secrets, of which stack."""

    paths: Paths
    stack: str
    application: str
    sandbox: bool = False


def look(place: RotatedApplication, console: Console) -> Sequence[ScheduledSecret]:
    """Every secret that has a rotation, and how it is. Raises EstateError."""
    with _opened(place, console, f"see how secrets of {place.application} are rotated") as (session, manifest):
        return [schedule.look(session, manifest, name) for name in schedule.names(manifest)]


def rotate_due(place: RotatedApplication, console: Console) -> Sequence[RotationOutcome]:
    """Whatever is due, was cut off, or is at the end of its grace; what fails is told in its outcome.
    Raises EstateError: nothing could be looked at."""
    with _opened(place, console, f"rotate secrets of {place.application}") as (session, manifest), to_standard_error():
        return Runner(session, manifest).rotate_due()


def rotate(
    place: RotatedApplication, name: str, keys: Sequence[str], console: Console, *, now: bool = False
) -> RotationOutcome:
    """New values for one secret; `now` ends those before at once. Raises EstateError."""
    with _opened(place, console, f"rotate {name} of {place.application}") as (session, manifest), to_standard_error():
        return Runner(session, manifest).rotate(name, *keys, now=now)


def abandon(place: RotatedApplication, name: str, console: Console, *, by_hand: bool = False) -> RotationOutcome:
    """Give up a run whose new values nobody has; `by_hand`, one whose program can't succeed. Raises EstateError."""
    with _opened(place, console, f"rotate {name} of {place.application}") as (session, manifest), to_standard_error():
        return Runner(session, manifest).abandon(name, by_hand=by_hand)


@contextmanager
def _opened(place: RotatedApplication, console: Console, what: str) -> Iterator[tuple[Session, ClientManifest]]:
    settings = stack_file.read(place.paths, place.stack).settings
    if place.application not in settings.applications:
        raise EstateError(f"APP is {place.application!r}; expected one of: {', '.join(settings.applications)}")
    with person(place.paths, place.stack, console, sandbox=place.sandbox) as client:
        manifest = client_manifest(
            settings, place.application, address=client.url, ca_certificate=None, role_id=_NOBODYS_ROLE_ID
        )
        transport = _transport(client)
        try:
            yield Session(transport, TokenAuth(variable=_TOKEN, environ={_TOKEN: client.token})), manifest
        except PermissionDenied:
            raise EstateError(may_not(client, what, place.application)) from None
        except VaultEstateError as error:
            raise EstateError(str(error)) from None
        finally:
            transport.close()


def _transport(client: hvac.Client) -> Transport:
    """To the same server, believing the same authority, and as patient where a rate limit turns it away."""
    verified = client.session.verify
    trust = Trust(ca_file=Path(verified)) if isinstance(verified, str) else Trust()
    return Transport([client.url], trust=trust, patience=Patience(deadline_seconds=PATIENCE_SECONDS))
