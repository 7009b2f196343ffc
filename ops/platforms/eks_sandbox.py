"""A cluster stack's sandbox: its control plane and nodes run on this machine, among services of its own.

Owns the order of things: services, replaced settings, what a killed run left; at the end none of it. Its port is
forwarded as that of a real cluster is, by the sandbox's own `kubectl` and its administrator's login. Refuses to begin
where this checkout has the certificate of a real cluster's authority.
"""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.render.chart.names import NAMESPACE, SEAL_TOKEN
from components.render.release import Flavor
from composition.private_files import write_private
from ops.clusters.api import KubernetesApi
from ops.console import Console
from ops.engine.recovery import knows_database
from ops.errors import EstateError
from ops.platforms.boxed import Boxed, databases, first_passwords, word
from ops.platforms.driver import FakeCloud, PlatformDriver, Purpose, Status, Table
from ops.platforms.eks import Eks
from ops.platforms.forwarding import ForwardedPort, Programs, forwarded
from ops.platforms.kubectl import Kubectl
from ops.sandbox.place import SandboxPlace
from ops.vault import status
from ops.vault.checks.elsewhere import PodsOfApplications

if TYPE_CHECKING:
    from ops.sandbox.cluster_services import ClusterServices

CLUSTER = "cluster"
"""Folder of the cluster, in that of the sandbox's machines."""
_HASHICORP = (
    "HashiCorp's server is built from its Go module, without the plugins that the estate doesn't use; it asks the "
    "sandbox's AWS for its key, since AWS_KMS_ENDPOINT of its pods says so; who takes its audit lines keeps none"
)
ADMINISTRATOR = f"{CLUSTER}/administrator.kubeconfig"
"""As `fake_providers.kubernetes` has it, whose imports are for fake providers only."""


@dataclass(frozen=True, kw_only=True)
class SandboxPort(ForwardedPort):
    """Of a cluster in a sandbox, which nobody asks AWS about."""

    administrator: Path
    """Kubeconfig of the cluster's administrator, once there is a cluster."""
    secret: Path | None
    """What an operator gives a real cluster by hand: the Secret of a seal by another Vault. None: it isn't needed."""

    @property
    def finds(self) -> list[list[str]]:
        """The login is taken from where it is, and the Secret is given."""
        taken = ["install", "-m", "600", str(self.administrator), str(self.kubeconfig)]
        if self.secret is None:
            return [taken]
        given = [*self.kubectl, "apply", "--server-side", "--namespace", NAMESPACE, "--filename", str(self.secret)]
        return [taken, given]


@dataclass(frozen=True, kw_only=True)
class EksSandbox(Boxed, Eks):
    """A cluster stack's sandbox."""

    hashicorp: bool = False
    """Whether HashiCorp's server was asked for. A sandbox that has it keeps it."""

    @property
    def place(self) -> SandboxPlace:
        """Where it is."""
        return SandboxPlace(paths=self.paths, stack=self.file.stack)

    @property
    def credentials(self) -> tuple[str, ...]:
        """None: nobody asks for them."""
        return ()

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:
        """Its services run, except where there is no sandbox to preview or to take down; its port is forwarded."""
        # What builds and runs clusters isn't imported for other commands.
        from ops.sandbox import cluster_overlay, cluster_services  # noqa: PLC0415

        services = self._services
        if purpose in ("preview", "down") and not self.place.exists:
            if purpose == "preview":
                self.ensure_keys(console)
            yield self
            return
        inside = self
        if purpose != "use":
            cluster_services.refuse_here()
            self._refuse_real()
            flavor = self._flavor(services.flavor)
            with console.stage("starting the services around the cluster"):
                facts = services.start(self.platform, databases(self.file.settings), flavor, console.say)
            password = services.postgres.password_file.read_text(encoding="ascii")
            secrets = first_passwords(self.file.settings, password)
            cloud = FakeCloud(folder=services.directory, machines=services.machines, secrets=secrets)
            inside = replace(self, running=cloud)
            if facts.flavor == "openbao":
                token = services.seal.token_file.read_text(encoding="ascii")
                write_private(self._secret_file, _secret(token, services.authority_file.read_bytes()))
        facts = services.facts()
        inside = replace(inside, file=cluster_overlay.apply(self.file, self.platform, facts))
        if purpose in ("up", "preview"):
            inside.ensure_keys(console)
        if purpose == "up":
            inside.tell_replaced(console)
            console.say(f"nothing of this is real: {_not_real()}")
            if facts.flavor == "vault":
                console.say(_HASHICORP)
        with (
            cluster_services.reachable(facts, self.place.authority_file),
            inside._forwarded(console, waits=purpose != "up"),
        ):
            yield inside

    def reached(self, console: Console) -> AbstractContextManager[None]:
        """By the forwarded port, where there is a sandbox."""
        return self._forwarded(console, waits=True) if self.place.exists else nullcontext()

    def _forwarded(self, console: Console, *, waits: bool) -> AbstractContextManager[None]:
        return forwarded(self.forwarded_port, waits=waits, say=console.say, programs=self._programs())

    def _programs(self) -> Programs:
        """The sandbox's own, which are beside the user's."""
        facts = self._services.facts()
        path = f"{facts.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return Programs(environ={**os.environ, "PATH": path}, needed=("kubectl",))

    def cluster(self) -> KubernetesApi:
        """By the sandbox's `kubectl`."""
        found = Kubectl(cluster=self.forwarded_port, programs=self._programs())
        found.find()
        return found

    @property
    def forwarded_port(self) -> SandboxPort:
        """By which the servers are reached."""
        own = super().forwarded_port
        return SandboxPort(
            **{**vars(own), "kubeconfig": self.place.directory / "kubeconfig"},
            administrator=self.place.machines / ADMINISTRATOR,
            secret=None if self._services.flavor == "vault" else self._secret_file,
        )

    @property
    def _secret_file(self) -> Path:
        return self.place.directory / "seal-secret.json"

    @property
    def _own_mark(self) -> Path:
        """Stands for as long as the authority's certificate is the sandbox's."""
        return self.place.directory / "own-authority"

    @property
    def _services(self) -> "ClusterServices":
        from ops.sandbox.cluster_services import ClusterServices  # noqa: PLC0415 - as in `ready`

        return ClusterServices(paths=self.paths, stack=self.file.stack)

    def _flavor(self, there: Flavor | None) -> Flavor:
        """Which server the sandbox has or gets. Raises EstateError where another one was asked for."""
        if not self.hashicorp:
            return there or "openbao"
        declared = self.file.settings.server.flavor
        if declared != "vault":
            raise EstateError(f"{self.file.named('server.flavor')} is {declared!r}; expected 'vault' with --hashicorp")
        if there == "openbao":
            raise EstateError(
                f"--hashicorp: the sandbox of stack {self.file.stack!r} has OpenBao; expected none: "
                f"{self.command('down')}"
            )
        return "vault"

    def _refuse_real(self) -> None:
        """The program finds the authority's certificate at one place, whether the cluster is real or not."""
        if self.authority_file.exists() and not self._own_mark.exists():
            raise EstateError(
                f"{self.authority_file} is of a real cluster; expected none of it with --sandbox: use another checkout"
            )
        self.place.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own_mark.touch()

    def start(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Start what went off with this machine, take away what no state knows, and let a new connection log in to the
        database."""
        from ops.sandbox.cluster_services import resume  # noqa: PLC0415 - as in `ready`

        services = self._services
        if lost := resume(services, deployment):
            console.say(
                f"an earlier run did not end: took away {', '.join(token.rpartition(':')[2] for token in lost)}"
            )
        if self.file.settings.database and not knows_database(deployment):
            # A killed run may have had Vault replace the first password; the connection is about to be made with it.
            services.postgres.reset_root_role()

    def pods_of_applications(self) -> PodsOfApplications:
        """In the sandbox's cluster."""
        from ops.sandbox.cluster_services import administrator  # noqa: PLC0415 - as in `ready`
        from ops.sandbox.pod_logins import PodLogins  # noqa: PLC0415 - as in `ready`

        authority = self.authority_file.read_text(encoding="ascii")
        return PodLogins(api=administrator(self.place), image=self.platform.tools_image, authority=authority)

    def remove(self) -> None:
        """Cluster, servers, network, state and keys."""
        if self._own_mark.exists():
            self.authority_file.unlink(missing_ok=True)
        self._services.remove()

    def status(self, console: Console) -> Status:
        """The cluster's nodes and the services around them."""
        place, stack = self.place, self.file.stack
        running = place.servers.running() if place.exists else {}
        address = self.outputs(console).get("address") if place.exists else None
        nodes: Mapping[str, bool] = {}
        vault = None
        if place.exists:
            from ops.sandbox.cluster_services import running_nodes  # noqa: PLC0415 - as in `ready`

            nodes = running_nodes(place)
        if address:
            with self.ready("use", console) as inside, suppress(OSError):  # it may not answer
                vault = status.ask(inside.endpoint(address), self.outputs(console).get("cluster_id"))
        rows = [[name, word(runs)] for name, runs in {**nodes, **running}.items()]
        return Status(
            tables=[
                Table(title=f"sandbox of stack {stack}", columns=("what", "state"), rows=rows),
                *Table.of_vault(vault),
            ],
            vault=vault,
            trouble=vault.trouble if vault else None,
            sentence="" if address else "no Vault was built yet",
            document={
                "servers": running,
                "nodes": nodes,
                "address": address,
                "vault": asdict(vault) if vault else None,
            },
        )

    def variables(self) -> Mapping[str, str]:
        """What lets other clients find the cluster, and its AWS."""
        facts = self._services.facts()
        return {
            "AWS_ENDPOINT_URL": facts.aws,
            "AWS_CA_BUNDLE": str(self.place.authority_file.absolute()),
            "KUBECONFIG": str(self.forwarded_port.kubeconfig),
        }


def _not_real() -> str:
    from fake_providers.eks_machines import NOT_REAL  # noqa: PLC0415 - as in `ready`

    return NOT_REAL


def _secret(token: str, authority: bytes) -> bytes:
    """A Secret as JSON."""
    content = {"token": b64encode(token.encode()).decode(), "ca.crt": b64encode(authority).decode()}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SEAL_TOKEN}, "data": content}
    ).encode()
