"""Copies of the project in which a cluster stack is brought up with `--sandbox`, and what tests ask of it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
import hvac
import requests
import yaml
from hvac.exceptions import VaultError

from components.render.chart.names import NAMES, NAMESPACE, labels
from components.render.release import Flavor
from fake_providers import machines, nodes
from fake_providers.cluster_api import ClusterAccess, ClusterApi
from fake_providers.eks_machines import folder_of
from fake_providers.kubernetes import ADMINISTRATOR
from ops.console import Console
from ops.errors import EstateError
from ops.paths import ROOT
from ops.platforms.eks_sandbox import EksSandbox
from ops.platforms.registry import platform_of
from ops.sandbox.cluster_services import ClusterServices
from ops.sandbox.place import SandboxPlace
from ops.stack_file import read
from ops.vault.api import call
from ops.vault.login import log_in
from tests.support.checkouts import KEY, Checkout, copy_code
from tests.support.killed_runs import latest

POD = "core/v1:Pod"
UP_SECONDS = 1_500


@dataclass(frozen=True, kw_only=True)
class ClusterCheckout(Checkout):
    """One copy, for one stack."""

    stack: str
    flavor: Flavor = "openbao"
    """Of the server that its sandbox has."""

    @property
    def place(self) -> SandboxPlace:
        """Where its sandbox is."""
        return SandboxPlace(paths=self.paths, stack=self.stack)

    @property
    def cluster(self) -> nodes.Cluster:
        """Its cluster."""
        return nodes.Cluster(folder_of(self.place.machines), nodes.prepare(machines.default_cache(), print))

    @property
    def api(self) -> ClusterApi:
        """Its cluster's API, as the administrator."""
        return ClusterApi(ClusterAccess.of_file(self.place.machines / ADMINISTRATOR))

    def answered(self, *arguments: str, given: str = "") -> dict[str, Any]:
        """Run a command with --sandbox and --json, which must succeed; its document."""
        done = self.run(*arguments, "--sandbox", "--json", timeout=UP_SECONDS, given=given)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    @contextmanager
    def platform(self) -> Iterator[EksSandbox]:
        """Its driver, while its port is forwarded."""
        chosen = platform_of(self.paths, read(self.paths, self.stack), sandbox=True)
        with chosen.ready("use", Console(as_json=True)) as found:
            assert isinstance(found, EksSandbox)
            yield found

    @contextmanager
    def administrator(self) -> Iterator[hvac.Client]:
        """A login of whoever administers its Vault."""
        with self.platform() as platform, log_in(platform.find_endpoint(Console(as_json=True))) as client:
            yield client

    @contextmanager
    def storage(self) -> Iterator[tuple[Any, str]]:
        """S3 of its sandbox, as whoever runs `up`, and the bucket of snapshots."""
        with self.platform() as platform:
            store = platform.file.settings.snapshots
            assert store is not None
            yield boto3.client("s3", region_name=store.bucket.region), store.bucket.name

    def aws(self, service: str, by: str) -> Any:
        """A client of the sandbox's AWS, of whoever has this access key."""
        facts = ClusterServices(paths=self.paths, stack=self.stack).facts()
        with self.platform() as platform:
            return boto3.client(
                service,
                region_name=platform.platform.region,
                endpoint_url=facts.aws,
                verify=str(self.place.authority_file),
                aws_access_key_id=by,
                aws_secret_access_key="none",
            )

    def set_pods(self, **values: object) -> None:
        """Write settings of its pods."""
        file = self.directory / f"Pulumi.{self.stack}.yaml"
        content = yaml.safe_load(file.read_text())
        content["config"][KEY]["platform"]["pods"].update(values)
        file.write_text(yaml.safe_dump(content, sort_keys=False))

    def recorded(self) -> Mapping[str, Any]:
        """Its state as the engine wrote it last; nothing before it did, and while it does."""
        return latest(self.place.directory / "state", self.stack)

    def active(self) -> list[str]:
        """Pods that say that they are active."""
        pods = self.api.listed(POD, NAMESPACE, f"{NAMES[self.flavor].chart}-active=true")
        return [str(one["metadata"]["name"]) for one in pods if not one["metadata"].get("deletionTimestamp")]

    def uids(self) -> dict[str, str]:
        """Of its servers' pods."""
        selector = ",".join(f"{name}={value}" for name, value in labels(self.flavor).items())
        pods = self.api.listed(POD, NAMESPACE, selector)
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in pods}

    def uid_of(self, pod: str) -> str | None:
        """Of one of its servers' pods; None: it isn't there."""
        found = self.api.find(POD, NAMESPACE, pod)
        return str(found["metadata"]["uid"]) if found else None

    def end_at_once(self, pod: str) -> None:
        """As a lost machine's: without a word to the server."""
        self.cluster.kubectl("delete", "pod", pod, "--namespace", NAMESPACE, "--grace-period=0", "--force")

    def ready(self) -> int:
        """How many of its servers are ready."""
        found = self.api.find("apps/v1:StatefulSet", NAMESPACE, "vault")
        return int(found["status"].get("readyReplicas") or 0) if found else 0

    def writes(self, name: str) -> bool:
        """Whether a write is taken now; by a port that is forwarded anew."""
        policy = {"policy": 'path "none" { capabilities = ["deny"] }'}
        try:
            with self.administrator() as client:
                call(client, "post", f"sys/policies/acl/probe-{name}", policy)
        except (EstateError, VaultError, requests.RequestException):
            return False
        return True


@contextmanager
def cluster_checkout(folder: Path, stack: str, flavor: Flavor = "openbao") -> Iterator[ClusterCheckout]:
    """Make a copy below `folder`; at the end whatever runs in it is taken away."""
    directory = folder / "estate"
    copy_code(directory)
    shutil.copy(ROOT / f"Pulumi.{stack}.yaml", directory)
    made = ClusterCheckout(directory=directory, stack=stack, flavor=flavor)
    try:
        yield made
    finally:
        if made.place.directory.exists():
            made.place.servers.remove()
            made.cluster.remove()
