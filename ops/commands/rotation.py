"""`./estate keys --rotate`: another pair takes the administrator's place while the old one can still log in.

Owns the order, which leaves no moment in which nobody has a key that works: the new pair is written down first,
encrypted; then the old one has Vault take the new certificate; then the new one proves that it logs in; only then the
stack's file changes. Stopped anywhere, the same command goes on from there. Refuses a server that takes neither pair:
its administrator is somebody else's.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import hvac

from composition import administrator_files
from composition.administrator_pair import Pair
from composition.private_files import private_directory, write_private
from ops.commands import session
from ops.commands.keys import Made, checked, cloud_platform, new_pair, told, write_pair
from ops.console import Console
from ops.errors import EstateError
from ops.keys import secrets_provider
from ops.keys.editing import EncryptedPair, with_pair
from ops.paths import Paths
from ops.platforms.driver import PlatformDriver
from ops.stack_file import StackFile
from ops.vault.endpoint import VaultEndpoint
from ops.vault.login import log_in

_KEPT_FIELDS = ("display_name", "token_policies", "token_ttl", "token_max_ttl", "token_bound_cidrs")
"""What the bootstrap gave the login besides its certificate."""


def rotate(paths: Paths, stack: str, console: Console) -> Made:
    """Replace the pair, in Vault and in the stack's file. Raises EstateError if the file holds no pair, the stack isn't
    built, or Vault takes neither the old nor the new one."""
    with session.locked(paths):
        platform = cloud_platform(paths, stack)
        file = platform.file
        administrator = file.settings.bootstrap.administrator
        if not (administrator.certificate_pem and administrator.private_key_secret):
            raise EstateError(f"Pulumi.{stack}.yaml holds no pair yet; expected one to replace: ./estate keys {stack}")
        name = administrator.private_key_secret
        endpoint = platform.find_endpoint(console)
        with secrets_provider.opened(paths, file, platform.backend, console) as held:
            old = checked(administrator.certificate_pem, held.decrypt(name))
            _keep_earlier(paths, stack, old, held.encrypt(name, old.private_key, old.certificate))
        # The plugin's files may be of another time, or on another machine.
        administrator_files.place(file.settings, stack, lambda _: old.private_key, paths.project)
        kept, new = next_pair(platform, console, name)

        def by_the_old(certificate: str) -> None:
            with log_in(endpoint) as client:
                _replace_certificate(client, f"auth/{endpoint.login.mount}/certs/{endpoint.login.role}", certificate)

        hand_over(paths, endpoint, stack, new, console=console, replace_certificate=by_the_old)
        return told(take_up(paths, file, kept, new), new, name, "rotated")


def take_up(paths: Paths, file: StackFile, kept: EncryptedPair, new: Pair) -> StackFile:
    """Have the stack's file and the provider's files hold the pair that Vault takes now; the file as it is then."""
    write_pair(file, kept)
    changed = cloud_platform(paths, file.stack).file
    administrator_files.place(changed.settings, file.stack, lambda _: new.private_key, paths.project)
    _prepared(paths, file.stack).unlink()
    return changed


def _keep_earlier(paths: Paths, stack: str, old: Pair, kept: EncryptedPair) -> None:
    """A snapshot from before lets this pair in again, and no other: it is the way to put the present one there."""
    folder = private_directory(paths.own / stack / "earlier-administrators")
    write_private(folder / f"{old.fingerprint}.json", json.dumps(asdict(kept)).encode())


def earlier_pairs(platform: PlatformDriver, console: Console) -> Iterator[Pair]:
    """Pairs that were replaced in this checkout, the last first. Raises EstateError if one can't be decrypted."""
    paths, file = platform.paths, platform.file
    folder = paths.own / file.stack / "earlier-administrators"
    for one in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        kept = EncryptedPair(**json.loads(one.read_text(encoding="utf-8")))
        text = with_pair(file.path.read_text(encoding="utf-8"), kept)
        with secrets_provider.opened(paths, file, platform.backend, console, text) as held:
            yield checked(kept.certificate, held.decrypt(kept.name))


def put_in(platform: PlatformDriver, endpoint: VaultEndpoint, pair: Pair, certificate: str) -> None:
    """Have a pair that Vault takes put another certificate in its own place. Raises EstateError if it takes it not."""
    folder = private_directory(platform.paths.own / platform.file.stack)
    files = {folder / "earlier.crt": pair.certificate, folder / "earlier.key": pair.private_key}
    login = replace(
        endpoint.login,
        **dict(zip(("certificate_file", "private_key_file"), map(str, files), strict=True)),
    )
    try:
        for file, content in files.items():
            write_private(file, content.encode())
        with log_in(replace(endpoint, login=login)) as client:
            _replace_certificate(client, f"auth/{login.mount}/certs/{login.role}", certificate)
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _prepared(paths: Paths, stack: str) -> Path:
    return paths.own / stack / "next-administrator.json"


def next_pair(platform: PlatformDriver, console: Console, name: str) -> tuple[EncryptedPair, Pair]:
    """The pair that is to come: the one an interrupted run has written down, or a new one."""
    paths, file, backend = platform.paths, platform.file, platform.backend
    prepared = _prepared(paths, file.stack)
    if prepared.is_file():
        console.say("an earlier rotation did not end: going on with its pair")
        try:
            kept = EncryptedPair(**json.loads(prepared.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise EstateError(
                f"{prepared} can't be read; expected what an interrupted rotation wrote. Nothing knows that pair but it"
            ) from None
        text = with_pair(file.path.read_text(encoding="utf-8"), kept)
        with secrets_provider.opened(paths, file, backend, console, text) as held:
            return kept, checked(kept.certificate, held.decrypt(kept.name))
    new = new_pair()
    with secrets_provider.opened(paths, file, backend, console) as held:
        kept = held.encrypt(name, new.private_key, new.certificate)
    private_directory(prepared.parent)
    write_private(prepared, json.dumps(asdict(kept)).encode())
    console.say(f"the new pair is written down, encrypted: {prepared}")
    return kept, new


def hand_over(
    paths: Paths,
    endpoint: VaultEndpoint,
    stack: str,
    new: Pair,
    *,
    console: Console,
    replace_certificate: Callable[[str], None],
) -> None:
    """Have Vault know the new certificate, and prove that the new pair logs in."""
    folder = private_directory(paths.own / stack)
    certificate, key = folder / "next-administrator.crt", folder / "next-administrator.key"
    files = {key: new.private_key, certificate: new.certificate}
    login = replace(endpoint.login, certificate_file=str(certificate), private_key_file=str(key))
    successor = replace(endpoint, login=login)
    try:
        for file, content in files.items():
            write_private(file, content.encode())
        # Whatever is wrong besides the pair, the old one meets next, in its own words.
        with contextlib.suppress(EstateError), log_in(successor):
            console.say("Vault takes the new pair already")
            return
        replace_certificate(new.certificate)
        with log_in(successor):
            console.say("Vault takes the new pair, and the old one no longer")
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _replace_certificate(client: hvac.Client, role: str, certificate: str) -> None:
    """Put a certificate in the place of the login's, and leave everything else of the login alone."""
    before = _read_role(client, role)
    body = {field: before[field] for field in _KEPT_FIELDS if before.get(field)}
    client.write_data(role, data={**body, "certificate": certificate})
    after = _read_role(client, role)
    if str(after["certificate"]).strip() != certificate.strip() or any(after[name] != body[name] for name in body):
        raise EstateError(f"{role} reads back changed; expected the new certificate and everything else as before")


def _read_role(client: hvac.Client, role: str) -> Mapping[str, Any]:
    answer: Any = client.read(role)
    if not answer:
        raise EstateError(f"{role} is gone; expected the login that the bootstrap made")
    found: Mapping[str, Any] = answer["data"]
    return found
