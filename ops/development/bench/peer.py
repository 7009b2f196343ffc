"""The same ACL policies by OpenTofu or Terraform with the Vault provider, as something to compare with.

Owns the configuration it writes and runs. Refuses to install a tool: without one it says that nothing was compared.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac

from ops.development.bench.measuring import Sample, run
from ops.errors import EstateError

TOOLS = ("tofu", "terraform")
PROVIDER = "terraform-provider-vault"
_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "preview": ("plan", "-input=false"),
    "up": ("apply", "-input=false", "-auto-approve"),
    "refresh": ("apply", "-input=false", "-auto-approve", "-refresh-only"),
}
_INIT_SECONDS = 60
_LOGIN = "bench-tool"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool that can be compared with."""

    executable: Path
    version: str
    """As it names itself, for example ``OpenTofu v1.10.0``."""
    provider: Path | None
    """The Vault provider on PATH; None: the tool installs it from where it is configured to."""


def find() -> Tool | str:
    """The first tool on PATH, or why there is none."""
    for name in TOOLS:
        executable = shutil.which(name)
        if executable:
            provider = shutil.which(PROVIDER)
            return Tool(
                executable=Path(executable),
                version=_version(executable),
                provider=Path(provider) if provider else None,
            )
    return f"not run: neither {' nor '.join(TOOLS)} is on PATH"


def _version(executable: str) -> str:
    answer = subprocess.run([executable, "version"], capture_output=True, text=True, check=True, timeout=_INIT_SECONDS)
    return answer.stdout.splitlines()[0].strip()


def make_login(client: hvac.Client) -> str:
    """Make a login for the tool on a scratch server and log in; returns the token.

    Both tools' provider gives itself a child of its token, which the administrator's own login may not do.
    """
    rules = "\n".join(
        f'path "{path}" {{ capabilities = {json.dumps(capabilities)} }}'
        for path, capabilities in {
            "sys/policies/acl/*": ["create", "read", "update", "delete"],
            "sys/policy/*": ["create", "read", "update", "delete"],
            "auth/token/create": ["create", "update"],
        }.items()
    )
    client.write_data(f"sys/policies/acl/{_LOGIN}", data={"policy": rules})
    client.write_data(f"sys/auth/{_LOGIN}", data={"type": "approle"})
    # Bound to this machine instead of to a SecretID: the server is a scratch one and listens on loopback only.
    bound = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.1/32"], "token_policies": [_LOGIN]}
    client.write_data(f"auth/{_LOGIN}/role/tool", data={**bound, "token_ttl": "1h"})
    identity = client.read(f"auth/{_LOGIN}/role/tool/role-id")
    answer = client.write_data(f"auth/{_LOGIN}/login", data={"role_id": _document(identity)["data"]["role_id"]})
    return str(_document(answer)["auth"]["client_token"])


def _document(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        msg = "the server answered with nothing; expected a document"
        raise EstateError(msg)
    return answer


def configuration(texts: Mapping[str, str]) -> str:
    """The policies in the tool's JSON syntax. Address, token and authority come from the environment."""
    return json.dumps(
        {
            "terraform": {"required_providers": {"vault": {"source": "hashicorp/vault"}}},
            "resource": {
                # Both tools read `${` and `%{` in a string as their own.
                "vault_policy": {
                    name: {"name": name, "policy": text.replace("${", "$${").replace("%{", "%%{")}
                    for name, text in texts.items()
                }
            },
        }
    )


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A folder with the configuration, ready for operations."""

    tool: Tool
    directory: Path
    environment: Mapping[str, str]

    def operation(self, name: str) -> Sample:
        """Run one of `preview`, `up` and `refresh` as a whole process and measure it.

        Raises:
            EstateError: it failed.
        """
        return run(
            [str(self.tool.executable), *_OPERATIONS[name]], directory=self.directory, environment=self.environment
        )


def workspace(
    tool: Tool, directory: Path, texts: Mapping[str, str], *, address: str, ca_file: Path, token: str
) -> Workspace | str:
    """Write the configuration and make the tool ready, or say why that can't be done.

    Args:
        tool: as `find` found it.
        directory: an empty folder.
        texts: ACL policies by name.
        address: of the server.
        ca_file: what the server is verified with.
        token: may write ACL policies; it is handed over in the environment and written nowhere.
    """
    (directory / "main.tf.json").write_text(configuration(texts), encoding="utf-8")
    environment = {
        **os.environ,
        "VAULT_ADDR": address,
        "VAULT_CACERT": str(ca_file),
        "VAULT_TOKEN": token,
        "CHECKPOINT_DISABLE": "1",
        "TF_IN_AUTOMATION": "1",
    }
    made = Workspace(tool=tool, directory=directory, environment=environment)
    if tool.provider:
        settings = directory / "tool.rc"
        overrides = f'  dev_overrides {{\n    "hashicorp/vault" = "{tool.provider.parent}"\n  }}\n  direct {{}}\n'
        settings.write_text(f"provider_installation {{\n{overrides}}}\n", encoding="utf-8")
        environment["TF_CLI_CONFIG_FILE"] = str(settings)
        return made
    command = [str(tool.executable), "init", "-input=false", "-no-color"]
    try:
        answer = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=_INIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"not run: {tool.version} could not install hashicorp/vault within {_INIT_SECONDS} s"
    if answer.returncode != 0:
        return f"not run: {tool.version} can't install hashicorp/vault, and {PROVIDER} isn't on PATH"
    return made
