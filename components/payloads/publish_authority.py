"""Publish who signs the servers' certificate: the `ca.crt` of their Secret, into a ConfigMap of another namespace.

Run in the servers' namespace as `python3 publish_authority.py CERTIFICATES NAMESPACE NAME`, with Python 3.9 and its
standard library, by a service account that may change that one ConfigMap. A Secret can't be mounted elsewhere, and this
one holds the servers' private key; the pod is given the one file that everybody may read.

It prints one sentence on standard error when it fails. Exit codes: 0 done; 1 Kubernetes refused; 2 no certificates.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import sys
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where Kubernetes puts a pod's own credential
CERTIFICATES = re.compile(r"(?:-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?)+")
SECONDS = 30


def publish(certificates: str, namespace: str, name: str) -> str:
    """Have the ConfigMap hold them; empty, or why it was refused. Raises OSError or HTTPException for no answer."""
    wanted = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"ca.crt": certificates},
    }
    headers = {
        "Authorization": f"Bearer {(ACCOUNT / 'token').read_text(encoding='ascii')}",
        "Content-Type": "application/apply-patch+yaml",  # JSON is YAML; what others wrote into it stays
    }
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}?fieldManager=publish-authority&force=true"
    try:
        connection.request("PATCH", path, json.dumps(wanted), headers)
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    return "" if response.status == 200 else f"{response.status} {response.reason}"


def main(arguments: list[str]) -> int:
    """Run; returns the exit code."""
    try:
        file, namespace, name = arguments
        certificates = Path(file).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        print(f"publish_authority: {error}", file=sys.stderr)
        return 2
    if not CERTIFICATES.fullmatch(certificates):
        print(f"publish_authority: {file} holds something else than certificates", file=sys.stderr)
        return 2
    try:
        refused = publish(certificates, namespace, name)
    except (OSError, http.client.HTTPException) as error:
        refused = str(error) or type(error).__name__
    if refused:
        print(f"publish_authority: ConfigMap {name} in {namespace}: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
