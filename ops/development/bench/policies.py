"""The estate that is compared with other tools: nothing but ACL policies, which every tool can declare.

Owns their text, so that both sides are given the same. Takes the place of `__main__.py` in a scratch copy.
"""

import pulumi
import pulumi_vault as vault

import settings
from components.render.acl import AclPolicy, AclRule, Capability, render
from components.vault.acl import AclPolicies, AclPoliciesArgs
from composition.local import CA_CERTIFICATE_FILE

PROGRAM = """\
\"\"\"Nothing but ACL policies, for a comparison.\"\"\"

import ops.development.bench.policies

ops.development.bench.policies.declare({count})
"""
"""Text of a scratch copy's program; `count` is how many policies."""


def policies(count: int) -> dict[str, AclPolicy]:
    """So many policies of an application's usual size, by name."""
    names = [f"application-{number:05d}" for number in range(1, count + 1)]
    return {name: _policy(name) for name in names}


def texts(count: int) -> dict[str, str]:
    """The same policies as Vault gets them, by name."""
    return {name: render(policy) for name, policy in policies(count).items()}


def declare(count: int) -> None:
    """Declare them with a provider of their own."""
    wanted = settings.load(pulumi.Config())
    administrator = wanted.bootstrap.administrator.files(pulumi.get_stack())
    provider = vault.Provider(
        "vault",
        address=f"https://127.0.0.1:{wanted.local.api_port}",
        ca_cert_file=CA_CERTIFICATE_FILE,
        # Not a dictionary: the SDK hands its keys on as they are spelt, and the provider spells them otherwise.
        auth_login_cert=vault.ProviderAuthLoginCertArgs(
            cert_file=administrator.certificate, key_file=administrator.private_key, name="administrator"
        ),
        skip_child_token=True,
    )
    args = AclPoliciesArgs(policies=policies(count))
    AclPolicies("acl", args, pulumi.ResourceOptions(providers=[provider]))


def _policy(name: str) -> AclPolicy:
    granted = {
        f"secret/data/{name}/development/*": ("read",),
        f"secret/metadata/{name}/development/*": ("list", "read"),
        f"database/creds/{name}": ("read",),
        f"transit/encrypt/{name}": ("update",),
        f"transit/decrypt/{name}": ("update",),
    }
    return AclPolicy(
        name=name,
        prefixes=(f"secret/data/{name}/development", f"secret/metadata/{name}/development"),
        rules=tuple(
            AclRule(path=path, capabilities=frozenset(Capability(word) for word in words))
            for path, words in granted.items()
        ),
    )
