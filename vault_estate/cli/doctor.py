"""`vault-estate doctor`: where each thing is taken from and why, and what works of it. Shows no value.

Owns the questions, and their order: each is asked only if those before it were answered well enough.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vault_estate import manifest
from vault_estate.client import VaultClient
from vault_estate.errors import SecretNotFound, VaultEstateError
from vault_estate.manifest import ClientManifest
from vault_estate.models import VaultHealth
from vault_estate.opening import VaultClientConfig, opened


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """One thing that was looked at."""

    subject: str
    found: str
    why: str = ""
    """Where it is from, or what is wrong with it."""
    well: bool = True

    def __str__(self) -> str:
        mark = "ok" if self.well else "no"
        return f"{mark}  {self.subject:<9}  {self.found}{f' ({self.why})' if self.why else ''}"


def look(environ: Mapping[str, str] = os.environ) -> Iterator[Symptom]:
    """Everything that a client would use here, one by one."""
    file = manifest.find(environ)
    try:
        found = opened(VaultClientConfig(), environ=environ)
        client = VaultClient(environ=environ)
    except VaultEstateError as error:
        yield Symptom(
            subject="manifest", found=str(file or "none"), why=_named(environ), well=file is None or _is_good(environ)
        )
        yield Symptom(subject="settings", found=str(error), well=False)
        return
    whose = f"{found.manifest.application}, {found.manifest.environment}" if found.manifest else _named(environ)
    yield Symptom(subject="manifest", found=str(file or "none"), why=whose)
    for address in found.transport.addresses:
        yield Symptom(subject="address", found=address, why=found.address_from)
    yield Symptom(subject="login", found=found.chosen.method.kind, why=_login(found.chosen.why, found.chosen.read_from))
    with client:
        health = client.health()
        yield _vault(health)
        if health.reachable and not health.sealed and found.manifest:
            yield from _secrets(client, found.manifest)


def _named(environ: Mapping[str, str]) -> str:
    return f"neither {manifest.VARIABLE} nor {manifest.FILE} here" if manifest.find(environ) is None else ""


def _is_good(environ: Mapping[str, str]) -> bool:
    try:
        manifest.load(environ=environ)
    except VaultEstateError:
        return False
    return True


def _login(why: str, read_from: tuple[str, ...]) -> str:
    return f"{why}; from {', '.join(read_from)}"


def _vault(health: VaultHealth) -> Symptom:
    if not health.reachable:
        return Symptom(subject="vault", found="doesn't answer", well=False)
    state = "sealed" if health.sealed else "unsealed" if health.initialized else "not initialized"
    return Symptom(subject="vault", found=f"version {health.version}, {state}", well=state == "unsealed")


def _secrets(client: VaultClient, known: ClientManifest) -> Iterator[Symptom]:
    for name, place in known.secrets.items():
        try:
            values = client.get_secret(name)
        except SecretNotFound:
            yield Symptom(subject="secret", found=name, why=f"nobody gave {', '.join(place.keys)} yet", well=False)
        except VaultEstateError as error:
            yield Symptom(subject="secret", found=name, why=str(error), well=False)
        else:
            missing = [key for key in place.keys if key not in values]
            why = f"nobody gave {', '.join(missing)} yet" if missing else f"version {values.version}"
            yield Symptom(subject="secret", found=name, why=why, well=not missing)
