"""The driver of servers in an EKS cluster: what its account needs, what has to be here before `up`, and its keys.

Doesn't prove that anything gets built.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml

from ops import stack_file
from ops.commands.session import secret_names
from ops.console import Console
from ops.engine import plugins
from ops.errors import EstateError
from ops.paths import Paths
from ops.platforms import chart_archive, eks
from ops.platforms.driver import Purpose
from ops.platforms.eks import Eks
from ops.platforms.forwarding import ForwardedPort
from ops.platforms.registry import platform_of
from tests.support.eks_samples import CLUSTER, LOAD_BALANCER, OF_OPENBAO, PLATFORM, cluster, openbao
from tests.unit.settings.samples import MINIMAL

OWN = {
    "operators": [{"name": "ada", "pgp_key": ".estate/trial/operators/ada/public.asc"}],
    "threshold": 1,
    "administrator": {
        "certificate": ".estate/trial/administrator.crt",
        "private_key": ".estate/trial/administrator.key",
    },
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A checkout with a stack `trial`, whose keys are to be made."""
    write(tmp_path, {**CLUSTER, "bootstrap": OWN})
    found = Paths(project=tmp_path)
    found.make_own()
    return found


def write(folder: Path, settings: object) -> None:
    """Write the stack's file."""
    (folder / "Pulumi.trial.yaml").write_text(yaml.safe_dump({"config": {"vault-estate:estate": settings}}))


def driver(paths: Paths) -> Eks:
    """The stack's driver."""
    found = platform_of(paths, stack_file.read(paths, "trial"))
    assert isinstance(found, Eks)
    return found


def test_up_asks_for_the_charts_archive_before_it_makes_anything(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_archive, "fetch", raising(URLError("no network")))
    with pytest.raises(EstateError) as caught, driver(paths).ready("up", Console()):
        pass
    assert str(caught.value) == (
        "Pulumi.trial.yaml: vault-estate:estate.platform.chart.file is 'charts/vault-0.34.1.tgz', which isn't there, "
        "and can't be fetched (no network); expected it, as docs/eks.md tells"
    )
    assert not (paths.own / "trial").exists()
    (paths.project / "charts").mkdir()
    (paths.project / PLATFORM["chart"]["file"]).touch()
    monkeypatch.setattr(eks, "forwarded", lambda _, *, waits, say: nullcontext((waits, say)))
    with driver(paths).ready("up", Console()) as platform:
        assert platform.file.stack == "trial"


def raising(error: Exception) -> Callable[[str], bytes]:
    """What fetches nothing."""

    def fetch(url: str) -> bytes:
        del url
        raise error

    return fetch


@pytest.mark.parametrize(
    ("flavor", "address"),
    [
        ("vault", "https://helm.releases.hashicorp.com/vault-0.34.1.tgz"),
        ("openbao", "https://github.com/openbao/openbao-helm/releases/download/openbao-0.29.2/openbao-0.29.2.tgz"),
    ],
    ids=["vault", "openbao"],
)
def test_the_charts_archive_is_fetched_once_and_kept_only_with_its_checksum(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, flavor: str, address: str
) -> None:
    content = b"the archive"
    checksum, name = hashlib.sha256(content).hexdigest(), f"charts/{address.rpartition('/')[2]}"
    chart = {"file": name, "checksum": "0" * 64}
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return content

    def ensure() -> None:
        whole = openbao(chart=chart, seal=OF_OPENBAO["seal"]) if flavor == "openbao" else cluster(chart=chart)
        write(paths.project, {**whole, "bootstrap": OWN})
        found = driver(paths)
        chart_archive.ensure(paths.project, found.file, found.platform, print)

    monkeypatch.setattr(chart_archive, "fetch", fetch)
    with pytest.raises(EstateError) as caught:
        ensure()
    assert str(caught.value) == (
        f"Pulumi.trial.yaml: vault-estate:estate.platform.chart.checksum is '{'0' * 64}'; expected '{checksum}', "
        f"which {address} has, if that is the one you want"
    )
    assert not (paths.project / "charts").exists()
    chart["checksum"] = checksum
    ensure()
    ensure()
    assert (paths.project / name).read_bytes() == content
    assert asked == [address, address]


def test_the_port_is_forwarded_by_an_up_and_where_one_has_reached_the_cluster(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[ForwardedPort, bool]] = []

    @contextmanager
    def recorded(wanted: ForwardedPort, *, waits: bool, say: object) -> Iterator[None]:
        assert say
        asked.append((wanted, waits))
        yield

    monkeypatch.setattr(eks, "forwarded", recorded)
    (paths.project / "charts").mkdir()
    (paths.project / PLATFORM["chart"]["file"]).touch()
    purposes: list[Purpose] = ["use", "preview", "up"]
    for purpose in purposes:
        with driver(paths).ready(purpose, Console()):
            pass
    assert [waits for _, waits in asked] == [False]
    (paths.own / "trial" / "authority.crt").touch()
    with driver(paths).ready("use", Console()):
        assert asked[-1] == (driver(paths).forwarded_port, True)
    assert asked[-1][0].kubeconfig == paths.own / "trial" / "kubeconfig"
    assert (asked[-1][0].cluster, asked[-1][0].port) == ("vault-test", 8210)


def test_a_preview_makes_the_keys_that_are_its_own_and_asks_for_no_archive(paths: Paths) -> None:
    with driver(paths).ready("preview", Console()):
        made = {path.name for path in (paths.own / "trial").rglob("*") if path.is_file()}
    assert made == {"administrator.crt", "administrator.key", "public.asc", "private.asc"}


def test_fake_providers_are_named_one_by_one(paths: Paths) -> None:
    platform = driver(paths)
    chosen = plugins.choose(
        operation="preview",
        cloud=platform.fake_cloud is not None,
        sandbox=False,
        packages=platform.packages,
        lacking=["kubernetes"],
        credentials=False,
    )
    assert chosen.fakes == ("aws", "kubernetes", "vault")
    with pytest.raises(EstateError) as caught:
        plugins.choose(
            operation="up",
            cloud=True,
            sandbox=False,
            packages=platform.packages,
            lacking=[],
            credentials=False,
            has_sandbox=platform.has_sandbox,
        )
    assert str(caught.value) == (
        "up of a cloud stack: the cloud's credentials are missing; expected plugins and credentials, or a sandbox: "
        "--sandbox"
    )


def test_a_profile_takes_the_place_of_credentials(paths: Paths) -> None:
    assert driver(paths).credentials == ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    write(paths.project, cluster(profile="estate"))
    assert driver(paths).credentials == ()


def test_where_it_is_reached_and_by_whom(paths: Paths) -> None:
    platform = driver(paths)
    assert platform.expected_address == "https://127.0.0.1:8210"
    assert platform.address_for_applications("https://127.0.0.1:8210", "web") == "https://vault.vault.svc:8200"
    assert platform.authority_file == paths.own / "trial" / "authority.crt"
    assert platform.administrator_networks == ("127.0.0.1/32",)
    assert secret_names(platform.file) == []


@pytest.mark.parametrize(
    ("parts", "role", "address"),
    [
        ({"kubernetes": {}}, "web", "https://vault.example.com:8200"),
        ({"kubernetes": {}}, "pod", "https://vault.vault.svc:8200"),
        (
            {"kubernetes": {"host": "https://10.9.9.9", "ca_certificate_file": "ca.crt"}},
            "pod",
            "https://vault.example.com:8200",
        ),
    ],
    ids=["outside", "pod", "pod-of-another-cluster"],
)
def test_whoever_is_outside_of_the_cluster_comes_by_its_load_balancer(
    paths: Paths, parts: dict[str, object], role: str, address: str
) -> None:
    applications = {
        "web": {"login": {"kind": "approle"}, "secrets": {"key": {"keys": ["key"]}}},
        "pod": {
            "login": {"kind": "kubernetes", "service_account": "pod", "namespace": "shop"},
            "secrets": {"key": {"keys": ["key"]}},
        },
    }
    balanced = cluster(load_balancer=LOAD_BALANCER)
    write(
        paths.project,
        {**balanced, "bootstrap": OWN, "approle": {}, "kv": {"secret": {}}, "applications": applications, **parts},
    )
    assert driver(paths).address_for_applications("https://127.0.0.1:8210", role) == address


def test_what_unseals_it_is_told(paths: Paths) -> None:
    assert driver(paths).seal_kind == "awskms"
    write(paths.project, openbao(**OF_OPENBAO))
    assert driver(paths).seal_kind == "transit"


def test_elsewhere_applications_reach_it_by_the_same_address(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    paths = Paths(project=tmp_path)
    local = platform_of(paths, stack_file.read(paths, "trial"), sandbox=True)
    assert local.address_for_applications("https://127.0.0.1:8200", "web") == "https://127.0.0.1:8200"
