"""Makes volumes for claims, whatever provisioner their class names: folders that every node of a zone has.

Run as a program, with a cluster's folder. Owns `zones/<zone>/` of that folder. As a cloud's disk does, a volume belongs
to a zone: its pod finds it on each of the zone's nodes, and on no other. It grows when its claim does. What a cloud's
disk does and this doesn't: a size is a number and no limit, nothing is encrypted, and two pods may have one at a time.
"""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fake_providers.nodes.api import Asked, ClusterApi, Object

_ZONE = "topology.kubernetes.io/zone"
_SELECTED = "volume.kubernetes.io/selected-node"
_BY = "pv.kubernetes.io/provisioned-by"
_BY_HAND = "kubernetes.io/no-provisioner"
_SECONDS = 0.5
"""Between two looks at the claims."""
PLACE = "/var/lib/volumes"
"""Where a node has its zone's."""


@dataclass(frozen=True)
class Seen:
    """What the API has."""

    claims: tuple[Object, ...]
    volumes: tuple[Object, ...]
    classes: Mapping[str, Object]
    zones: Mapping[str, str]
    """By node."""


def wanted(seen: Seen) -> Iterator[Object]:
    """Volumes to be made, for claims that wait for one and whose place is known."""
    there = {volume["metadata"]["name"] for volume in seen.volumes}
    for claim in seen.claims:
        kind = seen.classes.get(claim["spec"].get("storageClassName", ""))
        name = f"pvc-{claim['metadata']['uid']}"
        if claim["spec"].get("volumeName") or name in there or kind is None or kind["provisioner"] == _BY_HAND:
            continue
        zone = _zone(claim, kind, seen.zones)
        if zone:
            yield _volume(name, claim, kind, zone)


def grown(seen: Seen) -> Iterator[tuple[str, str, str]]:
    """Claims that ask for more than their volume has: path of the object, of its subresource, and the new size."""
    size = {
        volume["metadata"]["name"]: volume["spec"]["capacity"]["storage"] for volume in seen.volumes if _ours(volume)
    }
    for claim in seen.claims:
        asked = claim["spec"]["resources"]["requests"]["storage"]
        volume = claim["spec"].get("volumeName")
        if claim.get("status", {}).get("phase") != "Bound" or volume not in size:
            continue
        metadata = claim["metadata"]
        if size[volume] != asked:
            yield f"/api/v1/persistentvolumes/{volume}", "spec", asked
        elif claim["status"].get("capacity", {}).get("storage") != asked:
            path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}"
            yield f"{path}/status", "status", asked


def given_up(seen: Seen) -> Iterator[Object]:
    """Volumes to be deleted with what is on them: of a class that says so, whose claim is gone."""
    for volume in seen.volumes:
        released = volume.get("status", {}).get("phase") == "Released"
        if _ours(volume) and released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
            yield volume


def _ours(volume: Object) -> bool:
    return str(volume["spec"].get("local", {}).get("path", "")).startswith(f"{PLACE}/")


def _zone(claim: Object, kind: Object, zones: Mapping[str, str]) -> str | None:
    """Where a claim's volume is to be; None: nobody has decided yet, as before its first pod is placed."""
    node = claim["metadata"].get("annotations", {}).get(_SELECTED)
    if node:
        return zones.get(node)
    if kind.get("volumeBindingMode") == "WaitForFirstConsumer":
        return None
    return min(zones.values(), default=None)


def _volume(name: str, claim: Object, kind: Object, zone: str) -> Object:
    metadata = claim["metadata"]
    inside = {"key": _ZONE, "operator": "In", "values": [zone]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_BY: kind["provisioner"]}, "labels": {_ZONE: zone}},
        "spec": {
            "storageClassName": claim["spec"]["storageClassName"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": kind.get("reclaimPolicy", "Delete"),
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "local": {"path": f"{PLACE}/{name}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [inside]}]}},
        },
    }


def look(api: Asked) -> Seen:
    """What there is now. Raises OSError: the API doesn't answer."""

    def items(path: str) -> list[Object]:
        found: list[Object] = api.call("GET", path)["items"]
        return found

    return Seen(
        claims=tuple(items("/api/v1/persistentvolumeclaims")),
        volumes=tuple(items("/api/v1/persistentvolumes")),
        classes={one["metadata"]["name"]: one for one in items("/apis/storage.k8s.io/v1/storageclasses")},
        zones={
            one["metadata"]["name"]: one["metadata"]["labels"][_ZONE]
            for one in items("/api/v1/nodes")
            if _ZONE in one["metadata"].get("labels", {})
        },
    )


def provide(api: Asked, zones: Path) -> None:
    """One round: make what is wanted, grow, delete. Raises OSError: the API doesn't answer or refuses."""
    seen = look(api)
    for volume in wanted(seen):
        name = volume["metadata"]["name"]
        place = zones / volume["metadata"]["labels"][_ZONE] / name
        place.mkdir(parents=True, exist_ok=True)
        # Whoever a pod runs as gets it by the pod's `fsGroup`, as a new disk's file system.
        place.chmod(0o755)
        api.call("POST", "/api/v1/persistentvolumes", volume)
    for path, part, size in grown(seen):
        api.call("PATCH", path, {part: {"capacity": {"storage": size}}})
    for volume in given_up(seen):
        name = volume["metadata"]["name"]
        api.call("DELETE", f"/api/v1/persistentvolumes/{name}")
        shutil.rmtree(zones / volume["metadata"]["labels"][_ZONE] / name, ignore_errors=True)


def main(folder: Path) -> None:
    """Go on until somebody ends it; what the API refuses is tried again."""
    api = ClusterApi(folder)
    while True:
        try:
            provide(api, folder / "zones")
        except OSError as error:
            print(f"volumes: {error}", file=sys.stderr, flush=True)
        time.sleep(_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
