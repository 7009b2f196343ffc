"""The cluster's DNS: services by their names, and names of what stands in for servers outside.

Owns the objects of CoreDNS. Answers nothing else: there is no outside.
"""

import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

import yaml

from fake_providers.nodes.images import ClusterImage
from fake_providers.nodes.network import NAMES_SERVICE

NAMESPACE, NAME = "kube-system", "coredns"


def objects(image: ClusterImage, addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    """CoreDNS, which also knows these names by their addresses. Other names make other pods, so that whoever waits for
    the rollout knows that they are known."""
    text = importlib.resources.files(__package__).joinpath("names.yaml").read_text(encoding="utf-8")
    found = {one["kind"]: one for one in yaml.safe_load_all(text)}
    hosts = "".join(f"{address} {name}\n" for name, address in sorted(addresses.items()))
    found["ConfigMap"]["data"]["hosts"] = hosts
    found["Service"]["spec"]["clusterIP"] = NAMES_SERVICE
    template = found["Deployment"]["spec"]["template"]
    template["metadata"]["annotations"] = {"names": json.dumps(dict(addresses), sort_keys=True)}
    template["spec"]["containers"][0]["image"] = image.reference
    return list(found.values())
