"""Copies of the project with the stack `dev` as it is committed, and a way to its sandbox."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hvac
import yaml

from ops.console import Console
from ops.paths import ROOT
from ops.platforms.registry import platform_of
from ops.sandbox.services import SandboxServices
from ops.stack_file import read
from ops.vault.login import log_in
from tests.support.checkouts import KEY, Checkout, copy_code
from tests.support.operated_machines import OperatedMachine
from tests.support.servers import call

STACK = "dev"


class DevCheckout(Checkout):
    """One copy, in which `dev` is brought up with `--sandbox`."""

    @property
    def stack_file(self) -> Path:
        """The stack's file."""
        return self.directory / f"Pulumi.{STACK}.yaml"

    @property
    def sandbox(self) -> SandboxServices:
        """The services of its sandbox."""
        return SandboxServices(paths=self.paths, stack=STACK)

    @property
    def node(self) -> OperatedMachine:
        """The machine Vault runs on."""
        return OperatedMachine.find(self.sandbox.machines, f"vault-{STACK}")

    def written(self) -> dict[str, Any]:
        """The settings in the stack's file and its base."""
        return dict(read(self.paths, STACK).written)

    def change(self, **sections: Any) -> None:
        """Put other top-level settings in the stack's file, beside what its base says; None takes one out."""
        document = yaml.safe_load(self.stack_file.read_text())
        whole = self.written() | sections
        document["config"][KEY] = {name: value for name, value in whole.items() if value is not None}
        self.stack_file.write_text(yaml.safe_dump(document, sort_keys=False))

    def answered(self, *arguments: str, timeout: float = 400, given: str = "") -> dict[str, Any]:
        """Run a command with --sandbox and --json, and what is piped into it, which must succeed; its document."""
        done = self.run(*arguments, "--sandbox", "--json", timeout=timeout, given=given)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def secret(self, application: str, mount: str, path: str) -> dict[str, Any]:
        """A secret with its metadata, read as an application that logs in with a wrapped SecretID."""
        with self.logged_in(application) as client:
            found: dict[str, Any] = call(client, "get", f"{mount}/data/{path}")["data"]
        return found

    @contextmanager
    def logged_in(self, application: str) -> Iterator[hvac.Client]:
        """A client of an application, for as long as the block runs."""
        issued = self.answered("secret-id", application, "--stack", STACK)
        console = Console(as_json=True)
        with platform_of(self.paths, read(self.paths, STACK), sandbox=True).ready("use", console) as platform:
            endpoint = platform.find_endpoint(console)
            with log_in(endpoint) as administrator:
                role_id = call(administrator, "get", f"auth/approle/role/{application}/role-id")["data"]["role_id"]
            client = hvac.Client(url=endpoint.address, token=issued["wrapping_token"], verify=str(endpoint.ca_file))
            secret_id = call(client, "post", "sys/wrapping/unwrap")["data"]["secret_id"]
            client.token = ""
            client.auth.approle.login(role_id, secret_id)
            yield client
            client.auth.token.revoke_self()


@contextmanager
def dev_checkout(folder: Path) -> Iterator[DevCheckout]:
    """Make a copy below `folder`; at the end nothing of its sandbox is left."""
    directory = folder / "estate"
    copy_code(directory)
    shutil.copy(ROOT / f"Pulumi.{STACK}.yaml", directory)
    made = DevCheckout(directory=directory)
    try:
        yield made
    finally:
        made.sandbox.remove()
