"""The control plane: etcd, the API server, controllers, the scheduler, and who makes volumes, identities and logins.

Owns how each is started. They run as processes of this host in the cluster's namespace, one of each, and nobody starts
one again that ended; etcd doesn't wait for the disk. Refuses whoever has neither a certificate nor a token.
"""

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from fake_providers.machines.commands import works
from fake_providers.nodes import logins
from fake_providers.nodes.identities import Identities, write_private
from fake_providers.nodes.network import API_SERVICE, SERVICES, NodesNetwork
from fake_providers.nodes.processes import Background
from fake_providers.nodes.programs import ClusterPrograms

API_PORT = 443
_START_SECONDS = 120.0
"""It takes 5 s on a machine that does nothing else."""
NAMES = ("etcd", "api", "controllers", "scheduler", "volumes", "pod_identity", "logins")
_ALONE = ("--leader-elect=false", "--bind-address=127.0.0.1")
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_API_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """That of one cluster."""

    folder: Path
    network: NodesNetwork
    programs: ClusterPrograms

    @property
    def endpoint(self) -> str:
        """Where the API answers to this host and to nodes."""
        return f"https://{self.network.control_plane}:{API_PORT}"

    @property
    def identities(self) -> Identities:
        """Who is who."""
        return Identities(self.folder / "tls")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def is_running(self) -> bool:
        """Whether all of it runs."""
        return all(self._part(name).is_running for name in NAMES)

    def start(self) -> None:
        """Start what doesn't run; returns when the API is ready.
        Raises MachineError: one ended; with the last lines it printed."""
        self.identities.ensure()
        write_private(self.kubeconfig, self.identities.administrators(self.endpoint))
        self._start("etcd", self._etcd())
        api = self._part("api")
        if not api.is_running:
            self._start("api", self._api())
        api.wait(self._is_ready, _START_SECONDS)
        self._start("controllers", self._controllers())
        self._start("scheduler", [*self._program("kube-scheduler"), f"--kubeconfig={self.kubeconfig}", *_ALONE])
        self._start("volumes", self._own("volumes"))
        if not self._part("pod_identity").is_running:
            self.identities.issue("identity", "identity", names=[self.network.control_plane])
            self._start("pod_identity", self._own("pod_identity", self.network.control_plane))
        if not self._part("logins").is_running:
            self.identities.issue("logins", "logins", names=[self.network.control_plane])
            self._start("logins", self._own("logins", self.network.control_plane))

    def _is_ready(self) -> bool:
        kubectl = self.programs.bin / "kubectl"
        return works([str(kubectl), f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz"])

    def _part(self, name: str) -> Background:
        return Background(self.folder, name)

    def _start(self, name: str, command: list[str]) -> None:
        self._part(name).start([*self.network.inside(self.network.part), *command])

    def _own(self, module: str, *arguments: str) -> list[str]:
        """A program of this package."""
        # Neither this machine's proxies nor its credentials are for servers of this machine.
        command = [
            "env",
            "--ignore-environment",
            f"PYTHONPATH={Path(__file__).parents[2]}",
            "AWS_EC2_METADATA_DISABLED=true",
        ]
        command += [sys.executable, "-P", "-m", f"{__package__}.{module}", str(self.folder), *arguments]
        return command

    def _program(self, name: str) -> list[str]:
        return [str(self.programs.bin / name)]

    def _etcd(self) -> list[str]:
        options = ["--log-level", "warn", "--unsafe-no-fsync"]
        return [*self._program("etcd"), "--data-dir", str(self.folder / "etcd"), *options]

    def _api(self) -> list[str]:
        identities = self.identities
        names = [*_API_NAMES, self.network.control_plane, API_SERVICE, "127.0.0.1"]
        serving, serving_key = identities.issue("api", "api", names=names)
        client, client_key = identities.issue("api-client", "api", groups=["system:masters"])
        authority = base64.b64encode(identities.authority_file.read_bytes()).decode()
        asks = self.folder / "logins.kubeconfig"
        write_private(asks, json.dumps(logins.asks(self.network.control_plane, authority)).encode())
        options = {
            "etcd-servers": "http://127.0.0.1:2379",
            "bind-address": "0.0.0.0",  # noqa: S104 - of the cluster's namespace
            "secure-port": API_PORT,
            "advertise-address": API_SERVICE,
            "tls-cert-file": serving,
            "tls-private-key-file": serving_key,
            "client-ca-file": identities.authority_file,
            "token-auth-file": identities.tokens_file,
            "authentication-token-webhook-config-file": asks,
            "authentication-token-webhook-version": "v1",
            # An entry that is taken away is to be missed at once.
            "authentication-token-webhook-cache-ttl": "1s",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "anonymous-auth": "false",
            "service-account-issuer": _ISSUER,
            "service-account-key-file": identities.accounts_key,
            "service-account-signing-key-file": identities.accounts_key,
            "service-cluster-ip-range": SERVICES,
            "allow-privileged": "true",
            "kubelet-client-certificate": client,
            "kubelet-client-key": client_key,
            "kubelet-preferred-address-types": "InternalIP",
            # There is no service proxy where it runs.
            "enable-aggregator-routing": "true",
        }
        return [*self._program("kube-apiserver"), *(f"--{name}={value}" for name, value in options.items())]

    def _controllers(self) -> list[str]:
        options = {
            "kubeconfig": self.kubeconfig,
            "service-account-private-key-file": self.identities.accounts_key,
            "root-ca-file": self.identities.authority_file,
            "use-service-account-credentials": "true",
        }
        command = self._program("kube-controller-manager")
        return [*command, *(f"--{name}={value}" for name, value in options.items()), *_ALONE]
