"""The driver of a cluster's sandbox, without one: what it refuses, what it gives its port, where its things are.

Not proven: that anything runs, which tests/clusters does.
"""

import base64
import json
import shutil
from pathlib import Path

import pytest

from ops import stack_file
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.platforms.eks_sandbox import EksSandbox, _secret
from ops.platforms.registry import platform_of


@pytest.fixture
def sandbox(tmp_path: Path) -> EksSandbox:
    """The committed stack's."""
    for name in ("estate.base.yaml", "Pulumi.staging.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    paths = Paths(project=tmp_path)
    paths.make_own()
    found = platform_of(paths, stack_file.read(paths, "staging"), sandbox=True)
    assert isinstance(found, EksSandbox)
    return found


def test_a_checkout_with_a_real_clusters_authority_is_refused(sandbox: EksSandbox) -> None:
    sandbox.authority_file.parent.mkdir()
    sandbox.authority_file.write_text("real")

    with pytest.raises(EstateError, match=r"authority\.crt is of a real cluster; expected none of it with --sandbox"):
        sandbox._refuse_real()

    assert not sandbox.place.directory.exists()


def test_its_own_authority_is_taken_for_its_own(sandbox: EksSandbox) -> None:
    sandbox._refuse_real()
    sandbox.authority_file.parent.mkdir()
    sandbox.authority_file.write_text("own")

    sandbox._refuse_real()

    assert sandbox.authority_file.exists()


def test_its_port_takes_the_login_and_gives_the_seals_secret(sandbox: EksSandbox) -> None:
    taken, given = sandbox.forwarded_port.finds

    folder = sandbox.place.directory
    assert taken == ["install", "-m", "600", str(folder / "machines/cluster/administrator.kubeconfig"), given[2]]
    assert given[:3] == ["kubectl", "--kubeconfig", str(folder / "kubeconfig")]
    assert given[-3:] == ["vault", "--filename", str(folder / "seal-secret.json")]


def test_the_secret_is_the_one_that_pods_wait_for() -> None:
    found = json.loads(_secret("token", b"certificate"))

    assert found["metadata"] == {"name": "vault-seal"}
    assert {name: base64.b64decode(text) for name, text in found["data"].items()} == {
        "token": b"token",
        "ca.crt": b"certificate",
    }


def test_it_is_apart_from_the_real_stack(sandbox: EksSandbox) -> None:
    assert sandbox.credentials == ()
    assert sandbox.up_command == "./estate up staging --sandbox"
    assert sandbox.backend.state == sandbox.place.directory / "state"
    assert sandbox.login_file.is_relative_to(sandbox.place.directory)
    assert sandbox.nothing_to_destroy() == "staging has no sandbox here"
