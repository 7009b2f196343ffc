"""The services of a cluster stack's sandbox: what pods find outside of their cluster, as servers on this machine.

Owns the servers around a sandbox's cluster: PostgreSQL with TLS in front, AWS' (moto behind what judges, as
`fake_providers.iam` has it), the Vault that unseals OpenBao, and what takes audit lines of HashiCorp's server. All of
them listen on this machine's address in the cluster's own network, so nothing of it is reached from elsewhere. Owns,
too, which of both servers the sandbox has: `facts` remembers it.
Refuses to outlive `remove`: cluster, servers, network and files go together.
"""

import ipaddress
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
from cryptography import x509

from components.payloads.snapshot import sha256_of
from components.render.aws.account import AwsAccount
from components.render.chart.names import NAMES
from components.render.release import Flavor
from composition.private_files import private_directory, write_private
from fake_providers import nodes
from fake_providers.cluster_api import ClusterApi
from fake_providers.eks_machines import EksMachines, folder_of
from fake_providers.iam.gate import DEPLOYER, DEPLOYERS_SECRET
from fake_providers.kubernetes import ADMINISTRATOR, KubernetesProvider
from fake_providers.nodes import network
from ops import installing
from ops.building.compiled import HASHICORP_SERVER
from ops.engine.environment import process_environment
from ops.errors import EstateError
from ops.keys.certificates import Domain, ensure_authority
from ops.local.openbao import wheel_version
from ops.local.postgres import Postgres, require_namespaces
from ops.paths import ROOT, cache
from ops.processes.supervisor import ChildSpec
from ops.sandbox import seal_server
from ops.sandbox.place import SandboxPlace
from ops.sandbox.seal_server import SealServer
from ops.sandbox.services import worded
from ops.sandbox.serving import PLAIN_POSTGRES_PORT

AWS_PORT = 443
"""As AWS' own: it is what network policies let pods reach."""
SEAL_KEY = seal_server.KEY
_ANSWER_SECONDS = 5.0
_CHART_WORDS = (
    b"The chart isn't here: its objects are made by fake_providers/chart.py, as Helm was seen to make them.\n"
)


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """What a stack has to be told about its sandbox. None of it is secret."""

    address: str
    """This machine's, as pods reach it."""
    flavor: Flavor
    """Which server it has: OpenBao, or HashiCorp's where that was asked for."""
    server_version: str
    server_image: str
    """By its digest. It trusts the sandbox's authority beside the world's."""
    tools_image: str
    """By its digest. It trusts that authority, too."""
    chart_file: str
    """Relative to the project's root."""
    chart_checksum: str
    seal: str
    """URL of the Vault that unseals OpenBao."""
    aws: str
    """URL of AWS' services."""
    programs: str
    """Folder of `kubectl`."""
    folder: str
    """The sandbox's folder, relative to the project's root."""


@dataclass(frozen=True, kw_only=True)
class ClusterServices(SandboxPlace):
    """The services of one stack's sandbox."""

    @property
    def address(self) -> str:
        """This machine's in the cluster's network, which is made on demand. Raises EstateError if it can't be."""
        with worded():
            return network.ensure(folder_of(self.machines).resolve()).host

    @property
    def postgres(self) -> Postgres:
        """Its database server."""
        return Postgres(directory=self.servers.directory, port=PLAIN_POSTGRES_PORT, address=self.address)

    @property
    def seal(self) -> SealServer:
        """What unseals."""
        return SealServer(directory=self.servers.directory, address=self.address)

    @property
    def flavor(self) -> Flavor | None:
        """Which server it has; None: it wasn't started yet."""
        return self.facts().flavor if self.facts_file.is_file() else None

    def start(
        self, account: AwsAccount, databases: Sequence[str], flavor: Flavor, say: Callable[[str], None]
    ) -> ClusterFacts:
        """Have everything around the cluster running, with databases and their owners; what is, stays. The cluster's
        programs and the server's are built here because it takes minutes. AWS is that of the account.
        Raises EstateError if a cluster can't run here, or a server doesn't start."""
        refuse_here()
        require_namespaces()
        installing.require(installing.SANDBOX)
        # The servers' image is made of OpenBao's wheel, which no command for a cloud needs otherwise.
        installing.require(installing.SERVERS)
        with worded():
            programs = nodes.prepare(cache(), say)
            image, version = programs.server, wheel_version()
            if flavor == "vault":
                image = nodes.hashicorp_image(cache(), HASHICORP_SERVER.find(say), say)
                version = HASHICORP_SERVER.version
        address = self.address
        home = private_directory(self.servers.directory)
        own = ipaddress.IPv4Address(address)
        domain = Domain(
            title="vault-estate sandbox CA",
            permitted=(x509.IPAddress(ipaddress.IPv4Network(f"{address}/32")),),
            server_name=address,
            server_names=(x509.IPAddress(own),),
        )
        if ensure_authority(private_directory(home / "tls"), domain).renewed:
            self.servers.stop()
        postgres, seal = self.postgres, self.seal
        if not postgres.is_ready():
            postgres.prepare()
        if flavor == "openbao":
            seal.prepare()
        aws = f"https://{address}:{AWS_PORT}"
        ready = {
            "aws": lambda: _answers(f"{aws}/moto-api/", self.authority_file),
            "postgres": postgres.is_ready,
            **({"seal": seal.is_ready} if flavor == "openbao" else {}),
        }
        self.servers.ensure(self._children(address, account, flavor), ready)
        if flavor == "openbao":
            seal.ensure_token()
        try:
            postgres.ensure_root_role()
            postgres.ensure_databases(databases)
        except psycopg.Error as error:
            raise EstateError(f"postgres of the sandbox: {error}") from None
        chart = private_directory(self.directory / "charts") / f"{NAMES[flavor].chart}-{NAMES[flavor].version}.tgz"
        write_private(chart, _CHART_WORDS)
        with worded():
            cluster = nodes.Cluster(folder_of(self.machines), programs)
            authority = self.authority_file.read_bytes()
            server = cluster.add_image("server", image, authority)
            tools = cluster.add_image("tools", programs.tools, authority)
        facts = ClusterFacts(
            address=address,
            flavor=flavor,
            server_version=version,
            server_image=server.reference,
            tools_image=tools.reference,
            chart_file=os.path.relpath(chart, self.paths.project),
            chart_checksum=sha256_of(chart),
            seal=seal.url,
            aws=aws,
            programs=str(programs.bin),
            folder=os.path.relpath(self.directory, self.paths.project),
        )
        write_private(self.facts_file, json.dumps(asdict(facts)).encode())
        return facts

    def facts(self) -> ClusterFacts:
        """What the last start found. Raises EstateError if there was none."""
        if not self.facts_file.is_file():
            msg = f"stack {self.stack!r} has no sandbox here; expected one: ./estate up {self.stack} --sandbox"
            raise EstateError(msg)
        return ClusterFacts(**json.loads(self.facts_file.read_text(encoding="utf-8")))

    def remove(self) -> None:
        """End and remove everything: cluster, servers, network, files, the engine's state."""
        folder = folder_of(self.machines)
        with worded():
            if folder.is_dir():
                nodes.Cluster(folder, nodes.prepare(cache(), lambda _: None)).remove()
        self.servers.remove()
        with worded():
            if found := network.find(folder.resolve()):
                found.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _children(self, address: str, account: AwsAccount, flavor: Flavor) -> list[ChildSpec]:
        home = self.servers.directory
        tls = [str(home / "tls" / f"server.{suffix}") for suffix in ("crt", "key")]
        judged = [str(self.file), account.account_id, account.deployer_role_arn, account.break_glass_role_arn or ""]

        def python(name: str, *arguments: str) -> ChildSpec:
            return ChildSpec(
                name=name,
                argv=[sys.executable, "-P", "-m", *arguments],
                directory=str(home),
                environment={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(home), "LANG": "C.UTF-8"},
                log=str(home / f"{name}.log"),
            )

        return [
            python("database-tls", "ops.sandbox.serving_database", str(home / "tls"), address),
            python("aws", "fake_providers.iam.gate", *judged, address, str(AWS_PORT), *tls),
            self.postgres.child(),
            self.seal.child() if flavor == "openbao" else python("audit", "ops.sandbox.serving_audit", address),
        ]


@contextmanager
def reachable(facts: ClusterFacts, authority_file: Path) -> Iterator[None]:
    """While the block runs, AWS' clients of this process and of those it starts find the sandbox's AWS, for which the
    authority vouches."""
    found = {
        "AWS_ENDPOINT_URL": facts.aws,
        "AWS_CA_BUNDLE": str(authority_file.absolute()),
        "AWS_ACCESS_KEY_ID": DEPLOYER,
        "AWS_SECRET_ACCESS_KEY": DEPLOYERS_SECRET,
    }
    directly = ",".join(filter(None, [os.environ.get("NO_PROXY"), facts.address]))
    with process_environment({**os.environ, **found, "NO_PROXY": directly, "no_proxy": directly}):
        yield


def refuse_here() -> None:
    """Raises EstateError where no cluster can run."""
    reason = nodes.why_not()
    if reason:
        raise EstateError(f"--sandbox: no cluster can run here: {reason}; expected root on a Debian or Ubuntu")


def _answers(url: str, authority: Path) -> bool:
    try:
        # No proxy: the server is on this machine.
        return requests.get(url, verify=str(authority), timeout=_ANSWER_SECONDS, proxies={"https": ""}).ok
    except requests.RequestException:
        return False


def resume(services: ClusterServices, deployment: Mapping[str, Any]) -> list[str]:
    """Start a cluster again that went off with this machine, and take away what a killed run made before the engine
    recorded it; the types of what was taken away. Raises EstateError."""
    from fake_providers.aws import AwsProvider  # noqa: PLC0415 - boto3 costs every other command 10 MB and 40 ms

    known = {(str(one["type"]), str(one.get("id"))) for one in deployment.get("resources") or []}
    lost: list[str] = []
    with worded():
        behind = EksMachines(services.machines)
        if (services.machines / ADMINISTRATOR).is_file():
            behind.start()
            kubernetes = KubernetesProvider(services.file, services.machines)
            config = (services.machines / ADMINISTRATOR).read_text(encoding="utf-8")
            lost += kubernetes.drop_unknown(kubernetes.configure({"kubeconfig": config}), known)
        cloud = AwsProvider(services.file, services.machines)
        lost += cloud.drop_unknown(cloud.configure({"endpoints": [{"s3": services.facts().aws}]}), known)
    return lost


def administrator(place: SandboxPlace) -> ClusterApi:
    """The cluster's API, for whoever may do everything. Raises EstateError: there is no cluster."""
    with worded():
        return EksMachines(place.machines).api()


def running_nodes(place: SandboxPlace) -> Mapping[str, bool]:
    """Each node by its name, and whether it runs. Raises EstateError."""
    folder = folder_of(place.machines)
    if not folder.is_dir():
        return {}
    with worded():
        return nodes.Cluster(folder, nodes.prepare(cache(), lambda _: None)).nodes()
