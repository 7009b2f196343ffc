"""What the engine and its children see: variables, helpers on PATH, where the state is.

Owns the engine's environment. Refuses it the variables that belong to another Vault.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from composition.private_files import create_private, write_private
from ops.engine.finding import Engine, search_path_with
from ops.errors import EstateError

_SHIMS = {
    "pulumi-resource-pulumi-python": "pulumi.dynamic",
    # Without a Python language host on PATH the engine takes this one for policy packs; with one, it takes the host.
    "pulumi-analyzer-policy-python": "pulumi.policy",
}
_FOREIGN = ("VAULT_", "BAO_", "TERRAFORM_VAULT_")
"""Variables that point Vault's clients at some server. Ours is named by the settings; these would change how the
provider talks to it (`VAULT_SKIP_VERIFY`, `VAULT_NAMESPACE`) or hand it another server's token (`VAULT_TOKEN`)."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Where a stack's state is, and what encrypts the secrets in it. None of it: the user's own Pulumi login."""

    state: Path | None = None
    passphrase_file: Path | None = None

    def prepare(self) -> None:
        """Make what isn't there yet.
        Raises EstateError where there is a state, and no passphrase: another one wouldn't open its secrets."""
        if self.state:
            self.state.mkdir(parents=True, exist_ok=True)
        if self.passphrase_file:
            if self.state and not self.passphrase_file.exists() and any(self.state.glob(".pulumi/stacks/**/*.json")):
                raise EstateError(
                    f"{self.passphrase_file} is missing, while {self.state} holds secrets that only it opens; expected "
                    "the file, from a copy"
                )
            create_private(self.passphrase_file, secrets.token_urlsafe(32).encode())


def environment(
    engine: Engine, backend: Backend, shims: Path, attached: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables the engine and its children see, `attached` for it to use the fake providers among them.

    Writes the two one-line helpers that the engine looks up on PATH into the folder `shims`.
    """
    _write_shims(shims)
    variables = {
        **os.environ,
        "PATH": search_path_with(engine, shims),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Each operation would otherwise look for newer plugins: 2.5 s without a network (measured).
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_ERROR_OUTPUT_STRING": "true",
        # The collector of the engine and its plugins: 22 of 181 MB less at 1,000 resources, for 0.3 s of their 3.6.
        "GOGC": os.environ.get("GOGC", "50"),
        **(attached or {}),
    }
    if backend.state:
        # Beside each file the backend keeps one of attributes, which it doesn't write in one step: an engine that is
        # killed then leaves an empty one, and "failed to load checkpoint: EOF" (gocloud.dev, fileblob/attrs.go).
        variables["PULUMI_BACKEND_URL"] = f"file://{backend.state}?metadata=skip"
    if backend.passphrase_file:
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(backend.passphrase_file)
        # The salt stays in the state, so that a committed stack file needn't change (ADR 7).
        variables["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
        # Elsewhere they may belong to the Vault that encrypts the stack's secrets (`hashivault://`).
        foreign = [name for name in variables if name.startswith(_FOREIGN)]
        for name in ("PULUMI_CONFIG_PASSPHRASE", *foreign):
            variables.pop(name, None)
    return variables


def pack_program(shims: Path, pack: Path) -> Path:
    """A program that runs a policy pack, to be named to the engine in place of the pack's folder.

    With the folder the engine hands the pack all of the stack's config, decrypted, in one environment variable, which
    Linux limits to 128 KiB; a few hundred applications are more. A program gets none of it.
    """
    program = shims / "vault-estate-policies"
    _write_script(program, f'{_helper("pulumi.policy")} "$1" {shlex.quote(str(pack))}')
    return program


def _write_shims(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in _SHIMS.items():
        _write_script(folder / name, f'{_helper(module)} "$@"')


def _helper(module: str) -> str:
    """The command that runs a helper's module and ends it with the engine, also when that is killed."""
    return shlex.join([sys.executable, "-u", str(Path(__file__).with_name("lifeline.py")), module])


def _write_script(file: Path, command: str) -> None:
    """Write a one-line shell script, in one step and only when it is another one than before."""
    text = f"#!/bin/sh\nexec {command}\n"
    if not file.is_file() or file.read_text() != text:
        write_private(file, text.encode(), mode=0o755)


@contextmanager
def process_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """While the block runs, this process has these variables and no others: the inline program, the Automation API and
    clients of servers read some from it."""
    before = dict(os.environ)
    for name in before.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
