"""Which changed property makes a provider replace the object instead of changing it.

Owns nothing: the fake providers have each official provider's list. Refuses to guess: a type that none of them knows is
said to be changed.
"""


def replaces(type_: str, name: str) -> bool:
    """Whether another value of an input takes another object."""
    package, _, token = type_.partition(":")
    if package == "vault":
        from fake_providers.vault.table import TABLE  # noqa: PLC0415 - with it come hvac and gRPC

        entry = TABLE.get(token)
        return entry is not None and name in entry.table and entry.table[name].replaces
    if package == "hcloud":
        from fake_providers.hcloud import TYPES as HCLOUD  # noqa: PLC0415 - as above

        return token in HCLOUD and name in HCLOUD[token].replaces
    if package == "aws":
        from fake_providers.aws import TYPES as AWS  # noqa: PLC0415 - with it comes boto3

        return token in AWS and name in AWS[token].replaces
    return False
