"""Pulumi components: where Vault runs (`platform`), what is inside it (`vault`), the pure text of both (`render`).

Built as a wheel it is called `pulumi_vault_estate`, so no import inside names it. A cloud's SDK is loaded by modules of
that cloud's folder, and by nothing else.
"""

__all__ = ["aws", "hetzner", "https", "kubernetes", "model", "platform", "render", "vault"]
