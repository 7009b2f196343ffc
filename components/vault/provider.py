"""The provider that everything inside Vault is made with: it logs in as the administrator, by client certificate.

Owns what it is told, the same whoever runs the program. Refuses tokens, which would be in the state.
"""

import pulumi
import pulumi_vault as vault


def administrator_provider(
    name: str,
    *,
    address: pulumi.Input[str],
    ca_certificate_file: str | None,
    certificate_file: str,
    private_key_file: str,
    role: str = "administrator",
    mount: str = "cert",
    opts: pulumi.ResourceOptions | None = None,
) -> vault.Provider:
    """A provider of the Vault at `address`. Files are PEM, relative to the project's root; `ca_certificate_file` is of
    the listener's authority, None: the system's store. `role` is one of the `cert` auth method at `mount`."""
    return vault.Provider(
        name,
        address=address,
        ca_cert_file=ca_certificate_file,
        # Not a dictionary: the SDK hands its keys on as they are spelt, and the provider spells them otherwise.
        auth_login_cert=vault.ProviderAuthLoginCertArgs(
            cert_file=certificate_file,
            key_file=private_key_file,
            name=role,
            # The provider's own default, left out.
            mount=None if mount == "cert" else mount,
        ),
        # A child token lives 20 minutes at most and takes what it made with it when it dies.
        skip_child_token=True,
        # Given here, these are the same whoever runs the program; the SDK would take them from its environment
        # (VAULT_SKIP_VERIFY, VAULT_MAX_RETRIES, TERRAFORM_VAULT_MAX_TTL).
        skip_tls_verify=False,
        # Where a rate limit turns it away, it waits for its turn: a second, two, and so on.
        max_retries=12,
        max_lease_ttl_seconds=1_200,
        opts=opts,
    )
