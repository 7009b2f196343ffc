"""Pulumi components: where Vault runs (`platform`), what is inside it (`vault`), the pure text of both (`render`)."""
