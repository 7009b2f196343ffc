"""Nothing but ACL policies, text for text the same by us and by OpenTofu or Terraform: something to compare with.

Owns the policies and both programs. Refuses to install a tool: without one it says that nothing was compared.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pulumi

import settings
from components.render.acl import AclPolicy, AclRule, Capability, render
from components.vault.acl import AclPolicies, AclPoliciesArgs
from components.vault.provider import administrator_provider
from composition.local import CA_CERTIFICATE_FILE
from ops.console import Console
from ops.development.bench.scratch import Measured, names, run
from ops.platforms.local import Local
from ops.vault.login import log_in

PROGRAM = "from ops.development.bench import peer\n\npeer.declare({count})\n"
"""Our program, in place of `__main__.py`; `count` is how many policies."""
_COMMANDS = {"preview": "plan", "up": "apply", "no-op up": "apply", "refresh": "apply -refresh-only"}


def policies(count: int) -> dict[str, AclPolicy]:
    """So many policies of an application's usual size, by name."""
    return {name: _policy(name) for name in names(count)}


def _policy(name: str) -> AclPolicy:
    own = (f"secret/data/{name}/development", f"secret/metadata/{name}/development")
    granted = {f"{own[0]}/*": "read", f"{own[1]}/*": "list read", f"database/creds/{name}": "read"}
    granted |= {f"transit/{action}/{name}": "update" for action in ("encrypt", "decrypt")}
    rules = [AclRule(path=path, capabilities=frozenset(map(Capability, granted[path].split()))) for path in granted]
    return AclPolicy(name=name, prefixes=own, rules=tuple(rules))


def declare(count: int) -> None:
    """Declare the policies, with a provider of their own."""
    wanted = settings.load(pulumi.Config())
    login = wanted.bootstrap.administrator.login(pulumi.get_stack())
    provider = administrator_provider(
        "vault",
        address=f"https://127.0.0.1:{wanted.local.api_port}",
        ca_certificate_file=CA_CERTIFICATE_FILE,
        certificate_file=login.certificate_file,
        private_key_file=login.private_key_file,
    )
    AclPolicies("acl", AclPoliciesArgs(policies=policies(count)), pulumi.ResourceOptions(providers=[provider]))


def configuration(count: int) -> str:
    """The policies in the tool's JSON syntax. Address, token and authority come from the environment."""
    # Both tools read `${` and `%{` in a string as their own.
    texts = {name: render(one).replace("${", "$${").replace("%{", "%%{") for name, one in policies(count).items()}
    return json.dumps(
        {
            "terraform": {"required_providers": {"vault": {"source": "hashicorp/vault"}}},
            "provider": {"vault": {"skip_child_token": True}},  # the administrator's token may not make one
            "resource": {"vault_policy": {name: {"name": name, "policy": text} for name, text in texts.items()}},
        }
    )


class Tool(NamedTuple):
    """A tool with a folder of its own. `version` is how it names itself, for example ``OpenTofu v1.10.0``."""

    executable: str
    version: str
    folder: Path

    @contextmanager
    def begun(self, count: int, local: Local) -> Iterator[Callable[[str], Measured]]:
        """With so many policies and no state: what measures one operation on a copy's server."""
        self.write(count)
        endpoint = local.find_endpoint(Console(as_json=True))
        with log_in(endpoint) as client:
            server = {"VAULT_ADDR": endpoint.address, "VAULT_CACERT": str(endpoint.ca_file)}
            yield partial(self.measure, {**server, "VAULT_TOKEN": client.token})

    def write(self, count: int) -> None:
        """Ask for so many policies, and forget the state."""
        (self.folder / "main.tf.json").write_text(configuration(count), encoding="utf-8")
        (self.folder / "terraform.tfstate").unlink(missing_ok=True)

    def measure(self, server: Mapping[str, str], operation: str) -> Measured:
        """Run one operation with variables that name the server, and measure it. Raises EstateError: it failed."""
        words = [*_COMMANDS[operation].split(), "-input=false"]
        words += ["-auto-approve"] if words[0] == "apply" else []
        return run([self.executable, *words], self.folder, {**os.environ, **server})


def find(folder: Path) -> Tool | str:
    """The first tool on PATH, with the Vault provider that its own configuration names; or why there is none."""
    executable = shutil.which("tofu") or shutil.which("terraform")
    if executable is None:
        return "neither tofu nor terraform is on PATH"
    said = subprocess.run([executable, "version"], capture_output=True, text=True, check=True).stdout
    tool = Tool(executable, said.splitlines()[0], folder)
    tool.write(1)
    # The first fails where the provider is one that was built (`dev_overrides`), and isn't needed then.
    for step in ("init", "validate"):
        done = subprocess.run([executable, step, "-no-color"], cwd=folder, capture_output=True, check=False)
    return tool if done.returncode == 0 else f"{tool.version} can't get the provider hashicorp/vault"
