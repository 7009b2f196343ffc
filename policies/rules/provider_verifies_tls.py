"""Rule: the provider talks to Vault over verified TLS. Owns what counts as verified.

Refuses to quote an address: it may hold a user and a password.
"""

from collections.abc import Iterator

from .rule import Resource, Rule


def _check(resource: Resource) -> Iterator[str]:
    if not resource.has_inputs:
        return
    if resource.known("address"):
        address = resource.get("address")
        if not address:
            yield "it names no address, so it would follow whatever VAULT_ADDR says"
        elif not str(address).lower().startswith("https://"):
            yield "its address is not https"
    # A provider's inputs arrive as JSON text; any spelling of "no" but the usual ones is taken for "yes".
    for name in ("skipTlsVerify", "skipTLSVerify"):
        if resource.known(name) and str(resource.get(name) or "false").strip().lower() not in {"false", "0", "null"}:
            yield f"{name} is set"


RULE = Rule(
    name="provider-verifies-tls",
    sentence="A Vault provider has an https address of its own and verifies the server's certificate.",
    remediation=(
        "Pass an explicit provider with address='https://…' and ca_cert_file, without skip_tls_verify, "
        "and unset VAULT_SKIP_VERIFY where the program runs."
    ),
    source="HashiCorp, Production hardening: end-to-end TLS",
    types=("pulumi:providers:vault",),
    check=_check,
)
