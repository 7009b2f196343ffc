"""The driver of a cluster's sandbox, without one: what it refuses, what it gives its port, where its things are.

Not proven: that anything runs, which tests/clusters does.
"""

import base64
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ops import stack_file
from ops.errors import EstateError
from ops.paths import ROOT, Paths
from ops.platforms.eks_sandbox import EksSandbox, _secret
from ops.platforms.registry import platform_of
from tests.support.eks_samples import FACTS


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


def asked_for_hashicorp(sandbox: EksSandbox) -> EksSandbox:
    found = platform_of(sandbox.paths, sandbox.file, sandbox=True, hashicorp=True)
    assert isinstance(found, EksSandbox)
    return found


def test_which_server_it_has_is_asked_once(sandbox: EksSandbox) -> None:
    asked = asked_for_hashicorp(sandbox)

    assert (sandbox._flavor(None), asked._flavor(None)) == ("openbao", "vault")
    assert (sandbox._flavor("vault"), asked._flavor("vault")) == ("vault", "vault")
    with pytest.raises(EstateError) as refused:
        asked._flavor("openbao")
    assert str(refused.value) == (
        "--hashicorp: the sandbox of stack 'staging' has OpenBao; expected none: ./estate down staging --sandbox"
    )


def test_hashicorps_server_is_refused_where_openbao_is_declared(sandbox: EksSandbox) -> None:
    server = sandbox.file.settings.server.model_copy(update={"flavor": "openbao"})
    file = replace(sandbox.file, settings=sandbox.file.settings.model_copy(update={"server": server}))

    with pytest.raises(EstateError, match=r"server\.flavor is 'openbao'; expected 'vault' with --hashicorp"):
        replace(asked_for_hashicorp(sandbox), file=file)._flavor(None)


def test_hashicorps_server_is_for_a_clusters_sandbox(sandbox: EksSandbox) -> None:
    with pytest.raises(EstateError, match="--hashicorp: --sandbox is missing; expected the sandbox of a stack of kind"):
        platform_of(sandbox.paths, sandbox.file, hashicorp=True)
    for name in ("estate.base.yaml", "Pulumi.dev.yaml"):
        shutil.copy(ROOT / name, sandbox.paths.project)
    with pytest.raises(EstateError, match=r"--hashicorp: .*platform\.kind is 'hetzner'; expected the sandbox of"):
        platform_of(sandbox.paths, stack_file.read(sandbox.paths, "dev"), sandbox=True, hashicorp=True)


def test_its_port_gives_no_secret_where_kms_unseals(sandbox: EksSandbox) -> None:
    sandbox.place.directory.mkdir(parents=True)
    sandbox.place.facts_file.write_text(json.dumps(asdict(replace(FACTS, flavor="vault"))))

    assert [command[0] for command in sandbox.forwarded_port.finds] == ["install"]
