"""The port of each server's node by which a load balancer reaches that server.

Owns its number and its service. Refuses to pass on to another node: a load balancer counts a node as healthy by the
server that is there.
"""

from typing import Any

from ..release import Flavor
from ..traffic import API_PORT
from .names import RELEASE, labels

NODE_PORT = 30_820
"""Within the range that Kubernetes keeps for such ports, 30000 to 32767 (Kubernetes, Service: type NodePort)."""
SERVICE = f"{RELEASE}-outside"
"""The service's name."""


def service(flavor: Flavor) -> dict[str, Any]:
    """Its specification. What comes in keeps its address, which the network policy and Vault's own limits judge."""
    return {
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "publishNotReadyAddresses": False,
        "selector": labels(flavor),
        "ports": [
            {"name": "https", "protocol": "TCP", "port": API_PORT, "targetPort": API_PORT, "nodePort": NODE_PORT}
        ],
    }
