"""The local platform as the commands use it: found from the settings, started, bootstrapped, administered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hvac

from components.render import acl
from components.render.administrator import administrator_policy
from ops.console import Console
from ops.errors import EstateError
from ops.keys.pgp import ensure_operator, read_public_key
from ops.local.bootstrap import bootstrap
from ops.local.openbao import wheel_version
from ops.local.servers import LocalPlatform
from ops.paths import Paths
from ops.vault.login import administrator
from settings import Settings


def platform_of(paths: Paths, settings: Settings) -> LocalPlatform:
    """The local platform the settings describe.

    Raises:
        EstateError: the settings describe another platform, or keep its files somewhere else than the platform does.
    """
    try:
        described = settings.local
    except ValueError as error:
        msg = f"{error}: this command works on the servers of this machine"
        raise EstateError(msg) from None
    local = LocalPlatform(
        paths.local,
        api_port=described.api_port,
        cluster_port=described.cluster_port,
        postgres_port=described.postgres_port,
    )
    wanted = settings.bootstrap.administrator
    for name, given, there in (
        ("certificate", wanted.certificate, local.administrator_certificate),
        ("private_key", wanted.private_key, local.administrator_key),
    ):
        if given is None or paths.project / given != there:
            expected = there.relative_to(paths.project)
            found = "not given" if given is None else repr(given)
            msg = f"bootstrap.administrator.{name} is {found}; expected {str(expected)!r} on the local platform"
            raise EstateError(msg)
    return local


@contextmanager
def administering(paths: Paths, settings: Settings) -> Iterator[hvac.Client]:
    """A client of the stack's administrator, for as long as the block runs."""
    local = platform_of(paths, settings)
    with administrator(
        local.address, local.ca_file, local.administrator_certificate, local.administrator_key
    ) as client:
        yield client


def claim(paths: Paths, stack: str) -> None:
    """Say that the local servers of this checkout are this stack's; there is one set of them.

    Raises:
        EstateError: they are another stack's.
    """
    owner = paths.own / "local-stack"
    if owner.is_file() and owner.read_text().strip() != stack:
        msg = (
            f"the local servers here are stack {owner.read_text().strip()!r}'s; expected that one, or another checkout "
            f"for {stack!r}"
        )
        raise EstateError(msg)
    paths.make_own()
    owner.write_text(f"{stack}\n")


def check_first_boot(paths: Paths, settings: Settings) -> None:
    """Look at what the first boot takes, before anything is started or shown.

    Raises:
        EstateError: another version of the server than the one that is here, or an operator's key that is none.
    """
    packaged = wheel_version()
    if settings.server.version != packaged:
        msg = f"server.version is {settings.server.version!r}; expected {packaged!r}, which the local server comes in"
        raise EstateError(msg)
    own = paths.local / "operator"
    for operator in settings.bootstrap.operators:
        if not (paths.project / operator.pgp_key).is_relative_to(own):
            read_public_key(operator.name, paths.project / operator.pgp_key)


def start_local(paths: Paths, settings: Settings, console: Console) -> LocalPlatform:
    """Start and bootstrap the local servers, as far as they are not yet.

    Raises:
        EstateError: a port is taken, the disk is full, a key can't encrypt, custody has no server any more, …
    """
    local = platform_of(paths, settings)
    check_first_boot(paths, settings)
    own = paths.local / "operator"
    console.say(f"local servers: OpenBao on {local.address}, PostgreSQL on 127.0.0.1:{local.postgres_port}")
    local.start()
    operators: list[tuple[str, Path]] = []
    for operator in settings.bootstrap.operators:
        key = paths.project / operator.pgp_key
        if key.is_relative_to(own):
            key = ensure_operator(own)
        operators.append((operator.name, key))
    fresh = bootstrap(
        local,
        policy=acl.render(administrator_policy()),
        operators=operators,
        threshold=settings.bootstrap.threshold,
        token_ttl_seconds=settings.bootstrap.administrator.token_ttl,
        told=console.say if not console.as_json else None,
    )
    if fresh:
        console.say("bootstrapped: shares in custody, administrator's login enabled, root token revoked and dead")
    if settings.database:
        own_databases = {
            connection.database
            for connection in settings.database.connections.values()
            if connection.port == local.postgres_port
        }
        local.ensure_databases(sorted(own_databases))
    return local
