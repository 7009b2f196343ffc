"""cert-manager in a cluster: its controller, and the kinds of objects that it reads.

Owns the objects that stand for the cloud's add-on. What is left out: its webhook, which refuses malformed objects and
fills in who asked; and every issuer but authorities, self-signed ones and Vault.
"""

import importlib.resources
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fake_providers.nodes.images import ClusterImage

NAMESPACE = "cert-manager"


def kinds(folder: Path) -> Iterator[dict[str, Any]]:
    """The definitions of its kinds, from files of its Go module."""
    for file in sorted(folder.glob("*.yaml")):
        yield from (one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one)


def controller(image: ClusterImage) -> list[dict[str, Any]]:
    """What makes certificates of what asks for them."""
    text = importlib.resources.files(__package__).joinpath("certificates.yaml").read_text(encoding="utf-8")
    found = list(yaml.safe_load_all(text))
    found[-1]["spec"]["template"]["spec"]["containers"][0]["image"] = image.reference
    return found
