"""What a cluster's parts decide without one: which volumes are made, what an image is called, which numbers a network
has. Not proven: that anything runs; `tests/clusters` has that."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from fake_providers.machines import MachineError
from fake_providers.nodes import Cluster, images, limits, names, network, programs, roots, volumes
from fake_providers.nodes.volumes import Seen

ZONES = {"n-1": "zone-a", "n-2": "zone-b"}


def kind(**more: Any) -> dict[str, Any]:
    return {"provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer", **more}


def claim(*, node: str | None = "n-2", volume: str | None = None, asked: str = "1Gi", has: str | None = None) -> Any:
    annotations = {"volume.kubernetes.io/selected-node": node} if node else {}
    status = {"phase": "Bound", "capacity": {"storage": has}} if has else {"phase": "Pending"}
    return {
        "metadata": {"name": "data", "namespace": "vault", "uid": "123", "annotations": annotations},
        "spec": {
            "storageClassName": "fast",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": asked}},
            **({"volumeName": volume} if volume else {}),
        },
        "status": status,
    }


def seen(*claims: Any, made: tuple[Any, ...] = (), **of_class: Any) -> Seen:
    return Seen(claims=claims, volumes=made, classes={"fast": kind(**of_class)}, zones=ZONES)


def test_a_volume_is_made_in_the_zone_of_its_first_pod() -> None:
    (volume,) = volumes.wanted(seen(claim(), reclaimPolicy="Retain"))

    assert volume["metadata"]["name"] == "pvc-123"
    assert volume["spec"]["local"] == {"path": "/var/lib/volumes/pvc-123"}
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert volume["spec"]["capacity"] == {"storage": "1Gi"}
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-b"]}]


@pytest.mark.parametrize(
    ("one", "of_class"),
    [
        pytest.param(claim(node=None), {}, id="no pod yet"),
        pytest.param(claim(node="gone"), {}, id="node unknown"),
        pytest.param(claim(volume="another"), {}, id="has one"),
        pytest.param(claim(), {"provisioner": "kubernetes.io/no-provisioner"}, id="made by hand"),
    ],
)
def test_no_volume_is_made(one: Any, of_class: Mapping[str, Any]) -> None:
    assert list(volumes.wanted(seen(one, **of_class))) == []


def test_a_class_that_binds_at_once_has_the_first_zone() -> None:
    (volume,) = volumes.wanted(seen(claim(node=None), volumeBindingMode="Immediate"))

    assert volume["metadata"]["labels"] == {"topology.kubernetes.io/zone": "zone-a"}


def test_what_is_made_is_not_made_again() -> None:
    (volume,) = volumes.wanted(seen(claim()))

    assert list(volumes.wanted(seen(claim(), made=(volume,)))) == []


def test_a_volume_grows_first_and_its_claim_after_it() -> None:
    (small,) = volumes.wanted(seen(claim()))
    (large,) = volumes.wanted(seen(claim(asked="2Gi")))
    bigger = claim(volume="pvc-123", asked="2Gi", has="1Gi")

    assert list(volumes.grown(seen(bigger, made=(small,)))) == [("/api/v1/persistentvolumes/pvc-123", "spec", "2Gi")]
    assert list(volumes.grown(seen(bigger, made=(large,)))) == [
        ("/api/v1/namespaces/vault/persistentvolumeclaims/data/status", "status", "2Gi")
    ]
    done = claim(volume="pvc-123", asked="2Gi", has="2Gi")
    assert list(volumes.grown(seen(done, made=(large,)))) == []


@pytest.mark.parametrize(
    ("policy", "phase", "gone"), [("Delete", "Released", 1), ("Retain", "Released", 0), ("Delete", "Bound", 0)]
)
def test_a_volume_goes_where_its_class_says_so(policy: str, phase: str, gone: int) -> None:
    (volume,) = volumes.wanted(seen(claim(), reclaimPolicy=policy))

    assert len(list(volumes.given_up(seen(made=({**volume, "status": {"phase": phase}},))))) == gone


class Api:
    """A cluster's API, which keeps what it is asked for."""

    def __init__(self, found: Seen) -> None:
        self.lists: dict[str, list[Any]] = {
            "persistentvolumeclaims": list(found.claims),
            "persistentvolumes": list(found.volumes),
            "storageclasses": [{"metadata": {"name": name}, **one} for name, one in found.classes.items()],
            "nodes": [
                {"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}}}
                for name, zone in found.zones.items()
            ],
        }
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Any] = []

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if method == "GET":
            return {"items": self.lists[path.rpartition("/")[2]]}
        self.calls.append((method, path))
        self.bodies.append(body)
        return None


def test_a_round_makes_grows_and_deletes(tmp_path: Path) -> None:
    api = Api(seen(claim()))
    volumes.provide(api, tmp_path)
    assert api.calls == [("POST", "/api/v1/persistentvolumes")]
    assert (tmp_path / "zone-b" / "pvc-123").is_dir()

    (volume,) = api.bodies
    api = Api(seen(made=({**volume, "status": {"phase": "Released"}},)))
    volumes.provide(api, tmp_path)
    assert api.calls == [("DELETE", "/api/v1/persistentvolumes/pvc-123")]
    assert not (tmp_path / "zone-b" / "pvc-123").exists()


def image(place: Path, word: str = "one") -> images.ClusterImage:
    layer = images.Layer()
    layer.file("etc/word", word)
    return images.write(place, "words", [layer.finish()], {"User": "1:1"})


def test_the_same_files_make_the_same_image_and_others_another(tmp_path: Path) -> None:
    first = image(tmp_path / "first.tar")

    assert first.reference.startswith("sandbox.invalid/words@sha256:")
    assert image(tmp_path / "second.tar").digest == first.digest
    assert image(tmp_path / "third.tar", "two").digest != first.digest
    assert images.read(first.archive) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.tar", "second.tar", "third.tar"]


def test_an_image_trusts_one_more_authority(tmp_path: Path) -> None:
    layer = images.Layer()
    layer.file(images.AUTHORITIES_FILE, "known\n")
    known = images.write(tmp_path / "known.tar", "words", [layer.finish()], {"User": "1:1"})

    more = images.trusting(known, tmp_path / "more.tar", b"added\n")

    assert more.name == known.name
    assert more.digest != known.digest
    with tarfile.open(more.archive) as tar:
        contents = [file.read() for entry in tar if (file := tar.extractfile(entry)) is not None]
    assert any(b"known\nadded\n" in content for content in contents)


def test_networks_of_two_clusters_have_nothing_in_common(tmp_path: Path) -> None:
    first, second = (network.NodesNetwork(tmp_path, number) for number in (0, 15))

    assert (first.whole, first.pods, first.control_plane) == ("198.19.0.0/20", "198.19.8.0/21", "198.19.0.1")
    assert (second.whole, second.host, second.node(3)) == ("198.19.240.0/20", "198.19.240.254", "198.19.240.13")
    assert [first.pods_of(index) for index in (0, 1, 15)] == ["198.19.8.0/25", "198.19.8.128/25", "198.19.15.128/25"]


def test_a_cluster_has_sixteen_nodes() -> None:
    assert network.free_index([0, 2]) == 1
    with pytest.raises(MachineError, match="a cluster has 16 nodes already; expected fewer"):
        network.free_index(range(16))


@pytest.mark.parametrize(("before", "after"), [("128", "512"), ("512", "512"), ("8192", "8192")])
def test_the_limit_of_watchers_is_raised_and_never_lowered(tmp_path: Path, before: str, after: str) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text(f"{before}\n")

    limits.let_nodes_watch(limit)

    assert limit.read_text() == f"{after}\n"


def test_other_names_make_other_pods_of_the_names_server(tmp_path: Path) -> None:
    coredns = image(tmp_path / "image.tar")
    without, with_one = (
        {one["kind"]: one for one in names.objects(coredns, found)} for found in ({}, {"a.b": "1.2.3.4"})
    )

    assert with_one["ConfigMap"]["data"]["hosts"] == "1.2.3.4 a.b\n"
    templates = [found["Deployment"]["spec"]["template"]["metadata"] for found in (without, with_one)]
    assert templates[0] != templates[1]
    assert json.dumps(with_one).count(coredns.reference) == 1


def test_where_no_cluster_can_run_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(MachineError, match="no cluster can run here: "):
        programs.prepare(tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_was_stopped_is_done_again(tmp_path: Path) -> None:
    place = tmp_path / "programs"

    def stopped(fresh: Path) -> None:
        (fresh / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        programs.make_whole(place, stopped)
    assert not place.exists()

    programs.make_whole(place, lambda fresh: (fresh / "all").touch())

    assert [path.name for path in place.iterdir()] == ["all"]
    assert [path.name for path in tmp_path.iterdir()] == ["programs"]


def test_hashicorps_server_has_an_image_of_its_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vault"
    program.write_bytes(b"first")
    program.chmod(0o755)
    monkeypatch.setattr(roots, "shell", lambda _: images.Layer().finish())

    first, again = (programs.hashicorp_image(tmp_path, program, print) for _ in range(2))
    program.write_bytes(b"second")
    other = programs.hashicorp_image(tmp_path, program, print)

    assert first == again
    assert first.name == "sandbox.invalid/vault"
    assert other.digest != first.digest
    with tarfile.open(fileobj=io.BytesIO(roots.hashicorp(program))) as layer:
        found = {one.name: one for one in layer}
    assert (found["bin/vault"].mode, found["usr/local/bin/docker-entrypoint.sh"].mode) == (0o755, 0o755)
    assert {(one.uid, one.gid) for name, one in found.items() if name.startswith("vault")} == {(100, 1000)}


def test_a_cluster_that_is_emptied_keeps_its_network_and_the_images_that_were_added(tmp_path: Path) -> None:
    # As one that a killed run made, whose place another takes: its nodes need the image that was added before either.
    cluster = Cluster(tmp_path / "cluster", cast("programs.ClusterPrograms", None))
    cluster.empty()
    assert not cluster.folder.exists()
    image = images.write(cluster.folder / "images" / "server.tar", "openbao", [], {})
    (cluster.folder / "nodes" / "n-1").mkdir(parents=True)
    (cluster.folder / "cluster.json").write_text("{}")
    # Servers of this machine listen at the address that comes with the number. No host has this one.
    (cluster.folder / "network.json").write_text('{"number": 99}')

    cluster.empty()

    assert sorted(one.name for one in cluster.folder.iterdir()) == ["images", "network.json"]
    assert images.read(image.archive) == image
    (cluster.folder / "network.json").unlink()
    cluster.remove()
    assert not cluster.folder.exists()
