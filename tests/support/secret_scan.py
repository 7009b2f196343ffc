"""Looks for secrets in what isn't to have any: a stack's cluster, its state, and what its commands said.

Owns which secrets of a sandbox of kind `eks` are looked for, in every form that a text may have of them. What may hold
secrets isn't looked at: Secrets of the cluster, key shares in AWS, files below `.estate` that are their owner's only.
Key shares are opened as their operators do, once the role of emergencies has handed them out.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from components.render.aws.role_policies import key_shares
from fake_providers import nodes
from fake_providers.machines import MachineError
from ops.sandbox.cluster_services import ClusterServices
from ops.vault.key_shares import open_with

_MANY_SECONDS = 120.0


def forms(secret: bytes) -> list[str]:
    """How a text may have a secret: as it is, or in base64 by itself. Of a key in several lines one of the middle: the
    first may be that of every key of its kind."""
    whole = secret.strip().decode("ascii")
    lines = [line for line in whole.splitlines() if line and not line.startswith("-")]
    # Without its end, which depends on a last line break.
    return [lines[len(lines) // 2], base64.b64encode(secret.strip()).decode()[:-4]]


def of_sandbox(services: ClusterServices, cluster: nodes.Cluster, kept: Any) -> Mapping[str, bytes]:
    """Every secret that is known here, by what it is. `kept` reads key shares: a client of Secrets Manager."""
    own = services.paths.own
    found = {
        "the seal's token": services.seal.token_file.read_bytes(),
        "the database's first password": services.postgres.password_file.read_bytes(),
    }
    for file in sorted(own.rglob("*")):
        if file.is_file() and file.suffix in {".key", ".asc"} and b"PRIVATE KEY" in (content := file.read_bytes()):
            found[str(file.relative_to(own))] = content
    for operator, share in _key_shares(services, kept):
        found[f"the key share of {operator}"] = share.encode()
        # As servers hand it out beside the hexadecimal digits.
        found[f"the key share of {operator} in base64"] = base64.b64encode(bytes.fromhex(share))
    for one in _secrets(cluster):
        for name, encoded in (one.get("data") or {}).items():
            if name.endswith(".key"):
                found[f"{one['metadata']['name']} {name}"] = base64.b64decode(encoded)
    return found


def _key_shares(services: ClusterServices, kept: Any) -> Iterator[tuple[str, str]]:
    """Each operator, and their share in the clear. The record's tag names the ones that count."""
    folder = key_shares(services.stack)
    tags = {one["Key"]: one["Value"] for one in kept.describe_secret(SecretId=f"{folder}/record")["Tags"]}
    counts = dict(fact.split("=", 1) for fact in tags["vault-estate:complete"].split())["shares"]
    document = json.loads(kept.get_secret_value(SecretId=f"{folder}/{counts}")["SecretString"])
    for file in sorted((services.paths.own / services.stack / "operators").glob("*/private.asc")):
        share = open_with(document, file, lambda _: "")
        assert share is not None
        yield file.parent.name, share


def _secrets(cluster: nodes.Cluster) -> Iterator[Mapping[str, dict[str, str]]]:
    yield from json.loads(cluster.kubectl("get", "secrets", "--all-namespaces", "--output", "json"))["items"]


def places(services: ClusterServices, cluster: nodes.Cluster) -> Mapping[str, str]:
    """Every text that isn't to have one, by what it is."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "--output", "name").split()
    listed = ",".join(kind for kind in kinds if kind != "secrets")
    whole = ["--all-namespaces", "--output", "json"]
    found = {"the cluster's objects and events": cluster.kubectl("get", listed, *whole, seconds=_MANY_SECONDS)}
    for pod in json.loads(cluster.kubectl("get", "pods", *whole))["items"]:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        with suppress(MachineError):  # it is gone by now
            asked = ["logs", "--namespace", namespace, name, "--all-containers", "--ignore-errors"]
            found[f"logs of {namespace}/{name}"] = cluster.kubectl(*asked)
    state = services.directory / "state"
    for file in sorted(one for one in state.rglob("*") if one.is_file()):
        found[f"state {file.relative_to(state)}"] = file.read_bytes().decode(errors="replace")
    return found


def holding(secret: bytes, places: Mapping[str, str]) -> list[str]:
    """The places that have a secret in any form."""
    wanted = forms(secret)
    return [place for place, text in places.items() if any(form in text for form in wanted)]
