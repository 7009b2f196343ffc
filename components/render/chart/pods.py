"""The servers' pods as settings say them: image, number, size.

Refuses an even number of pods, which loses its majority as early as one fewer, and an image that could become another.
"""

from typing import Annotated

from pydantic import AfterValidator, Field

from ...model import Form, Section, by_profile

_MOST_REPLICAS = 7
"""What HashiCorp advises at most for Raft (Integrated storage reference architecture): each one has to agree."""


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("expected an odd number, since an even one bears the loss of no more pods than one fewer")
    return value


Replicas = Annotated[int, Field(ge=1, le=_MOST_REPLICAS), AfterValidator(_odd)]
"""How many servers there are."""
Gibibytes = Annotated[int, Field(ge=10, le=16_384)]
"""Size of a volume; 16 TiB is gp3's largest (AWS, EBS volume types)."""


class ServerImage(Section):
    """The server's container image. Its digest decides; the server's version stands beside it for people and labels."""

    repository: Annotated[
        str,
        Form(
            r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9._-]+)+",
            "a registry and a repository such as docker.io/hashicorp/vault",
        ),
    ]
    """With its registry, which is never left to a default."""
    digest: Annotated[str, Form(r"sha256:[0-9a-f]{64}", "a digest: sha256:, and 64 hexadecimal digits in lower case")]
    """Of the image, or of its index of architectures."""


class ServerPods(Section):
    """The servers in a cluster. More than one share their data by Raft."""

    image: ServerImage
    replicas: Replicas = by_profile(development=1, staging=3, production=5)
    """How many servers. Three bear the loss of one, five of two."""
    cpu_millicores: Annotated[int, Field(ge=100)] = 500
    """What each is sure to get. There is no limit: a throttled leader loses its lead."""
    memory_mebibytes: Annotated[int, Field(ge=256)] = 1_024
    """What each is sure to get, and never more, so that no other pod's growth ends it."""
    data_gibibytes: Gibibytes = 20
    """Of Raft's volume. It can grow and not shrink."""
    audit_gibibytes: Gibibytes = 20
    """Of the audit log's volume. Vault stops answering when it is full."""
