"""Servers whose pods really run, on one world, in the order of an estate's life: three, five, three again.

A leader that is lost, an upgrade, a drain, a server that joins again, more servers, a lost zone whose servers nobody
unseals, who reaches them, fewer servers and another certificate meanwhile, snapshots and a restore. Somebody writes all
the time.

Not held here: AWS' volumes, which take longer to move, and HashiCorp's server.
"""

import itertools
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac
import pytest
import requests

from components.render.chart.names import CLUSTER_PORT, NAMESPACE, RELEASE, api_in_cluster, host
from components.render.chart.network_policies import CLIENT_LABEL, POD_IDENTITY
from components.render.login import CertificateLogin
from components.render.traffic import API_PORT
from fake_providers import nodes
from fake_providers.machines import MachineError
from fake_providers.machines.commands import run
from fake_providers.nodes import network
from fake_providers.token_service import TokenService
from ops import stack_file
from ops.clusters.api import TOO_MANY, KubernetesRefusedError
from ops.clusters.gate import Gate
from ops.clusters.pods import VOLUMES, PodView, VaultPods
from ops.clusters.rejoining import Rejoin
from ops.clusters.scaling import Shrinking
from ops.clusters.upgrading import Upgrade, Upgraded
from ops.console import Console
from ops.errors import EstateError
from ops.keys import age
from ops.keys.first_use import ensure_snapshot_keys
from ops.paths import Paths
from ops.snapshots import opening, restoring, stores, taking
from ops.stack_file import StackFile
from ops.vault.endpoint import VaultEndpoint
from tests.support import writing_load
from tests.support.booting import by_load
from tests.support.pods import THREE_ZONES, Pods, asking, on
from tests.support.sealed import is_active
from tests.support.servers import eventually, new_platform
from tests.support.servers_in_pods import COUNT, MOST, ServersInPods, servers_in_pods
from tests.support.snapshotting import fill, let_in, write_stack

ZONES = 3
ALONE = "n-5"
"""The only node of its zone, which is never lost here."""
NEXT_WRITE_SECONDS = 10.0
"""From the loss of the leader to the next good write, as the issue asks, on a machine that does nothing else."""
CERTIFICATE_SECONDS = 90.0
WELL_SECONDS = 300.0
METADATA_ADDRESS = "169.254.169.254"
"""Of a machine's metadata service (AWS EC2, Instance metadata)."""
POD_ADDRESS = "jsonpath={.status.podIP}"
SERVED = """\
import hashlib, ssl, time
end = time.time() + {seconds}
def fingerprint(host):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, 8200)))).hexdigest()
while (found := {{fingerprint(host) for host in {hosts}}}) != {{"{fingerprint}"}}:
    assert time.time() < end, found
    time.sleep(1)
"""
"""Waits until each server serves the certificate."""
_NO_LIMIT = {"data": 100, "audit": 100}
"""Of how full volumes are: they are folders of this machine, whose disk may be full."""


@dataclass(frozen=True)
class Load:
    """Somebody who writes without a pause, from a pod."""

    pods: Pods
    name: str

    def said(self) -> list[str]:
        """Every line so far."""
        return self.pods.kubectl("logs", self.name, "--ignore-errors").splitlines()

    def good(self, since: float = 0.0) -> list[float]:
        """When writes were taken."""
        words = [line.split() for line in self.said() if line.startswith(("written", "retried"))]
        return [at for *_, text in words if (at := float(text)) >= since]

    def lost(self) -> list[str]:
        """What wasn't taken at the second try either."""
        return [line for line in self.said() if line.startswith("lost")]


@pytest.fixture(scope="module")
def servers(cluster: nodes.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServersInPods]:
    """Three that have begun a moment ago."""
    with servers_in_pods(cluster, tmp_path_factory.mktemp("servers"), zones=ZONES) as made:
        assert eventually(lambda: made.gate([]).raft.look() is not None, WELL_SECONDS)
        made.client.sys.enable_secrets_engine("kv", path="secret", options={"version": "1"})
        yield made


@pytest.fixture(scope="module")
def clients(cluster: nodes.Cluster) -> Iterator[Pods]:
    """A namespace whose pods may reach the servers."""
    with Pods.inside(cluster, "clients") as made:
        ((label, value),) = CLIENT_LABEL.items()
        cluster.kubectl("label", "namespace", made.namespace, f"{label}={value}")
        yield made


@pytest.fixture(scope="module")
def load(servers: ServersInPods, clients: Pods) -> Load:
    """One whose second try is 10 s after the first."""
    return writes(servers, clients, "load", writing_load.RETRY_SECONDS)


def writes(servers: ServersInPods, clients: Pods, name: str, retry_seconds: float) -> Load:
    """Somebody who writes from now on."""
    given = {
        "ADDRESS": api_in_cluster().removeprefix("https://"),
        "TOKEN": servers.root_token,
        "AUTHORITY": servers.port.authority.read_text(encoding="ascii"),
        "RETRY_SECONDS": str(retry_seconds),
    }
    program = Path(writing_load.__file__).read_text(encoding="utf-8")
    settings = "; ".join(f"os.environ[{name!r}] = {value!r}" for name, value in given.items())
    text = f"import os; {settings}\n{program}"
    tools = clients.cluster.programs.tools.reference
    clients.start(name, ["python3", "-B", "-c", text], image=tools, **on(ALONE))
    made = Load(clients, name)
    assert eventually(lambda: made.good() != [], 120)
    return made


def test_a_leader_that_is_lost_a_second_after_all_vote_is_replaced_within_ten(
    servers: ServersInPods, clients: Pods
) -> None:
    quick = writes(servers, clients, "quick", 1.0)
    gate = servers.gate([])
    assert eventually(lambda: well(gate), WELL_SECONDS)
    time.sleep(1.0)  # the second that the issue names
    look = gate.look()
    assert look.raft is not None

    before = quick.good()[-1]
    servers.inside(look.raft.leader, "kill -9 $(pidof bao)")

    assert eventually(lambda: leads(gate) not in ("", look.raft and look.raft.leader), WELL_SECONDS)
    assert eventually(lambda: well(gate), WELL_SECONDS)
    taken = quick.good(before)
    longest = max(later - earlier for earlier, later in itertools.pairwise(taken))
    clients.kubectl("delete", "pod", "quick", "--wait=false")
    print(f"the longest time without a good write was {longest:.1f} s")
    assert longest <= by_load(NEXT_WRITE_SECONDS)


def leads(gate: Gate) -> str:
    """Who does; empty: nobody, or nobody answers."""
    raft = gate.raft.look()
    return raft.leader if raft else ""


def upgrade(servers: ServersInPods, patience: float = WELL_SECONDS) -> Upgraded:
    """One run."""
    gate = servers.gate([], patience)
    return Upgrade(gate=gate, say=print, snapshot=lambda: None, again="the same command", fullest=_NO_LIMIT).run()


def test_an_upgrade_stops_at_a_broken_image_and_goes_on_without_a_lost_write(
    servers: ServersInPods, load: Load
) -> None:
    before = servers.gate([]).look()
    pods_of = servers.server.pods
    image = pods_of.image.model_copy(update={"digest": f"sha256:{'0' * 64}"})
    servers.apply(replace(servers.server, pods=pods_of.model_copy(update={"image": image})))

    with pytest.raises(EstateError, match="isn't ready") as caught:
        upgrade(servers, by_load(30))

    stopped = servers.gate([]).look()
    broken = [name for name, pod in stopped.pods.pods.items() if pod.uid != before.pods.pods[name].uid]
    assert len(broken) == 1
    assert f"Pods at the new revision {stopped.pods.revision}: {broken[0]}; at an older revision" in str(caught.value)

    written = len(load.good())
    servers.apply(replace(servers.server, pods=pods_of.model_copy(update={"cpu_millicores": 101})))
    done = upgrade(servers)

    assert done.replaced[0] == broken[0]
    assert sorted(done.replaced) == [f"vault-{number}" for number in range(COUNT)]
    assert {pod.revision for pod in servers.gate([]).look().pods.pods.values()} == {done.revision}
    assert load.lost() == []
    assert len(load.good()) > written + len(done.replaced)


def test_nodes_tell_how_full_volumes_are_and_a_full_one_stops_an_upgrade(servers: ServersInPods) -> None:
    gate = servers.gate([])
    wanted = {(volume, f"vault-{number}") for volume in VOLUMES for number in range(COUNT)}

    def told() -> set[tuple[str, str]]:
        return {(one.volume, one.server) for one in gate.pods.fullness(gate.pods.look()) if 0 < one.percent <= 100}

    assert eventually(lambda: told() == wanted, by_load(150))  # a node looks once a minute
    run = Upgrade(gate=gate, say=print, snapshot=lambda: None, again="", fullest={"data": 0, "audit": 100})
    with pytest.raises(EstateError, match=r"claim data-vault-0 is [0-9]+ % full, claim data-vault-1 is"):
        run.run()


def test_each_node_is_drained_without_a_lost_write_and_a_second_eviction_at_once_is_refused(
    servers: ServersInPods, load: Load
) -> None:
    gate = servers.gate([])
    for name in gate.look().pods.names:
        assert eventually(lambda: well(gate), WELL_SECONDS)
        look = gate.look()
        first, second = look.pods.pods[name], next(pod for pod in look.pods.pods.values() if pod.name != name)
        servers.cluster.kubectl("cordon", first.node)

        assert eventually(lambda one=first: evicted(gate, one))  # type: ignore[misc]
        with pytest.raises(KubernetesRefusedError) as caught:
            gate.pods.evict(second)

        assert caught.value.why == TOO_MANY
        servers.cluster.kubectl("uncordon", first.node)
    assert eventually(lambda: well(gate), WELL_SECONDS)
    assert load.lost() == []


def evicted(gate: Gate, pod: PodView) -> bool:
    """Whether the disruption budget lets it go. It may count another one as missing that has just come back."""
    try:
        gate.pods.evict(pod)
    except KubernetesRefusedError as error:
        if error.why != TOO_MANY:
            raise
        return False
    return True


def well(gate: Gate) -> bool:
    """Whether nothing is doubted."""
    return not gate.look().doubts()


def test_a_server_that_was_taken_out_joins_again_with_new_volumes(servers: ServersInPods, load: Load) -> None:
    gate = servers.gate([])
    assert eventually(lambda: well(gate), WELL_SECONDS)
    look = gate.look()
    assert look.raft is not None
    out = next(name for name in look.pods.names if name != look.raft.leader)
    volumes = set(volumes_of(gate, out))
    # Pods that are there keep what they were made with; a new one has what its account has by then.
    service = TokenService(url="https://sts.invalid", region="nowhere", cluster="arn:none")
    servers.cluster.use_token_service(service)
    servers.cluster.associate(NAMESPACE, RELEASE, "arn:aws:iam::123456789012:role/seal")
    assert early(servers) == set(look.pods.names)

    gate.raft.remove(out)
    doubt = f"{out} isn't among Raft's servers, whatever its pod says"
    assert eventually(lambda: doubt in [one.text for one in gate.look().doubts()])
    done = Rejoin(gate=gate, say=print).run(out)

    assert set(done.left_volumes) == volumes
    assert volumes.isdisjoint(volumes_of(gate, out))
    assert early(servers) == {*look.pods.names} - {out}
    servers.cluster.associate(NAMESPACE, RELEASE, None)
    assert servers.client.adapter.get("/v1/secret/load")["data"]["number"] > 0
    assert load.lost() == []


def early(servers: ServersInPods) -> set[str]:
    """Whose pod is told to have been made before its role, where a seal needs one."""
    found = VaultPods(servers.kubectl, needs_identity=True).look().pods
    return {name for name, pod in found.items() if "had its role in AWS: kubectl delete pod" in pod.trouble}


def volumes_of(gate: Gate, *names: str) -> list[str]:
    """What the claims of servers have, by their names in the cluster."""
    claims = [gate.pods.claim(volume, name) for name in names for volume in VOLUMES]
    return [str(claim["spec"]["volumeName"]) for claim in claims if claim]


def test_three_become_five_and_an_upgrade_of_five_loses_no_write(servers: ServersInPods, load: Load) -> None:
    led = leads(servers.gate([]))
    five = servers.server.pods.model_copy(update={"replicas": MOST})
    servers.apply(replace(servers.server, pods=five))
    assert eventually(lambda: len(servers.gate([]).pods.look().pods) == MOST, WELL_SECONDS)
    # Now the new ones are behind as well.
    servers.apply(replace(servers.server, pods=five.model_copy(update={"cpu_millicores": 102})))
    assert eventually(lambda: len(servers.gate([]).pods.look().behind) == MOST, WELL_SECONDS)

    with seen_uids(servers) as seen:
        done = upgrade(servers)

    assert sorted(done.replaced) == [f"vault-{number}" for number in range(MOST)]
    assert done.replaced[-1] == led
    changed = [{name for name in now if now[name] != before[name]} for before, now in itertools.pairwise(seen)]
    assert [one for one in changed if one] == [{name} for name in done.replaced]
    look = servers.gate([]).look()
    assert look.raft is not None
    assert sum(one.votes for one in look.raft.servers.values()) == MOST
    assert look.raft.failure_tolerance == MOST // 2
    assert load.lost() == []


@contextmanager
def seen_uids(servers: ServersInPods) -> Iterator[list[dict[str, str]]]:
    """The pods' uids, looked at once a second for as long as the block runs and once after it. One that is missing for
    a moment has the uid that it had."""
    seen: list[dict[str, str]] = []
    ended = threading.Event()

    def look() -> None:
        pods = servers.gate([]).pods.look().pods
        seen.append({**(seen[-1] if seen else {}), **{name: pod.uid for name, pod in pods.items()}})

    def watch() -> None:
        while not ended.wait(1.0):
            with suppress(EstateError):  # the API didn't answer
                look()

    look()
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield seen
    finally:
        ended.set()
        watching.join()
    look()


def test_a_lost_zone_stops_no_write_and_comes_back_once_it_is_unsealed(servers: ServersInPods, clients: Pods) -> None:
    gate = servers.gate([])
    look = gate.look()
    volumes = volumes_of(gate, *look.pods.names)
    zone, gone = fullest_zone(look.pods.pods.values())
    lost = [node for node, where in THREE_ZONES.items() if where == zone]
    assert len(gone) == 2
    quick = writes(servers, clients, "zone", 1.0)

    servers.unsealing.server.stop()
    for node in lost:
        servers.cluster.unplug(node)
    assert goes_on(quick, by_load(60))

    for node in lost:
        servers.cluster.plug_in(node)
    servers.cluster.wait_ready()
    assert eventually(lambda: all("connection refused" in servers.told(name) for name in gone), by_load(120))
    servers.unsealing.server.start()
    assert is_active(servers.unsealing.server)
    servers.unsealing.deny()
    assert eventually(lambda: all("permission denied" in servers.told(name) for name in gone), by_load(120))
    assert not any(gate.look().pods.pods[name].is_ready for name in gone)
    assert goes_on(quick, by_load(20))

    servers.unsealing.allow()
    assert eventually(lambda: well(gate), WELL_SECONDS)
    assert volumes_of(gate, *look.pods.names) == volumes
    clients.kubectl("delete", "pod", "zone", "--wait=false")


def fullest_zone(pods: Iterable[PodView]) -> tuple[str, list[str]]:
    """Where most servers are, and which."""
    found: dict[str, list[str]] = defaultdict(list)
    for pod in pods:
        found[THREE_ZONES[pod.node]].append(pod.name)
    return max(found.items(), key=lambda item: len(item[1]))


def goes_on(load: Load, seconds: float) -> bool:
    """Whether writes are taken in time, not at once: what was lost may have taken some still."""
    begun = time.time() + 3
    return eventually(lambda: len(load.good(begun)) >= 3, seconds)


def test_who_is_not_let_in_reaches_no_server_and_a_server_reaches_no_metadata(
    servers: ServersInPods, clients: Pods, pods: Pods
) -> None:
    server = next(pod.name for pod in servers.gate([]).look().pods.pods.values() if pod.node == ALONE)
    address = servers.cluster.kubectl("get", "pod", server, "--namespace", NAMESPACE, "--output", POD_ADDRESS)
    tools = {"image": servers.cluster.programs.tools.reference, **on(ALONE)}

    clients.run("client", asking(address, API_PORT, until="answered"), **tools)
    clients.run("neighbour", asking(address, CLUSTER_PORT, until="refused"), **tools)
    pods.run("stranger", asking(address, API_PORT, until="refused"), **tools)
    identity, port = POD_IDENTITY
    with metadata_service(servers.cluster, ALONE):
        pods.run("control", asking(METADATA_ADDRESS, port, until="answered"), **tools)
        servers.inside(server, f"nc -w 2 {identity.partition('/')[0]} {port} </dev/null")
        servers.inside(server, "nslookup kubernetes.default.svc.cluster.local")
        unsealing = urlsplit(servers.unsealing.server.address)
        servers.inside(server, f"nc -w 2 {unsealing.hostname} {unsealing.port} </dev/null")
        with pytest.raises(MachineError):
            servers.inside(server, f"nc -w 2 {METADATA_ADDRESS} {port} </dev/null")


@contextmanager
def metadata_service(cluster: nodes.Cluster, node: str) -> Iterator[None]:
    """What stands in for a machine's: somebody who answers at its address, on one node."""
    own = network.find(cluster.folder)
    assert own is not None
    part = own.part_of([*THREE_ZONES].index(node))
    address = [f"{METADATA_ADDRESS}/32", "dev", "lo"]
    run(["ip", "-n", part, "address", "add", *address])
    serve = [*own.inside(part), sys.executable, "-m", "http.server", "80", "--bind", METADATA_ADDRESS]
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cluster.folder) as server:
        try:
            yield
        finally:
            server.kill()
            run(["ip", "-n", part, "address", "delete", *address])


def test_five_become_three_and_take_up_another_certificate_meanwhile(
    servers: ServersInPods, clients: Pods, load: Load
) -> None:
    gate = servers.gate([])
    before = gate.look().pods
    staying, leaving = before.names[:COUNT], before.names[COUNT:]
    volumes, restarts = volumes_of(gate, *leaving), servers.restarts()

    fingerprint, renewed = servers.certify(), time.monotonic()
    done = Shrinking(gate=gate, say=print).run(COUNT)

    assert done.removed == leaving[::-1]
    assert sorted(done.left_volumes) == sorted(volumes)
    look = gate.look()
    assert look.raft is not None
    assert sorted(look.raft.servers) == sorted(look.pods.pods) == sorted(staying)
    assert volumes_of(gate, *leaving) == []
    # Each serves it, and none was started anew for it.
    hosts = [f"{host(number)}.{NAMESPACE}.svc" for number in range(COUNT)]
    seconds = by_load(CERTIFICATE_SECONDS) - (time.monotonic() - renewed)
    program = SERVED.format(fingerprint=fingerprint, hosts=hosts, seconds=seconds)
    clients.run("served", ["python3", "-c", program], image=clients.cluster.programs.tools.reference)
    assert {name: look.pods.pods[name].uid for name in staying} == {name: before.pods[name].uid for name in staying}
    assert {name: servers.restarts()[name] for name in staying} == {name: restarts[name] for name in staying}
    assert load.lost() == []


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A project of which the servers' snapshots are kept in a folder, by the commands' own functions."""

    servers: ServersInPods
    paths: Paths
    file: StackFile
    console: Console

    @property
    def where(self) -> VaultEndpoint:
        """By the forwarded port; who restores has a pair of their own."""
        login = CertificateLogin(certificate_file="none", private_key_file="none")
        return VaultEndpoint(address=self.servers.address, ca_file=self.servers.port.authority, login=login)

    def take(self) -> str:
        """The key of one that was taken now; again while the port leads to a server that leads no more."""
        for _ in range(30):
            try:
                return taking.take(self.paths, self.file, self.where, self.console).key
            except EstateError as error:
                print(error)
                time.sleep(1)
        raise AssertionError("no snapshot was taken")

    def restore(self, key: str) -> restoring.Restored:
        """As the command does."""
        identity = age.default_identity(self.paths, self.file)
        return restoring.restore(self.paths, self.file, self.where, self.console, identity=identity, key=key)

    def whole(self) -> list[str]:
        """All that a restore could be given, each looked into; fails where one isn't whole."""
        found = taking.kept(stores.store_of(self.paths, self.file))
        identity = age.default_identity(self.paths, self.file)
        for one in found:
            with taking.told(), taking.folder(self.paths, "looked-") as work:
                opening.open_snapshot(stores.store_of(self.paths, self.file), one, identity, work)
        return [one.key for one in found]


@pytest.fixture(scope="module")
def kept(servers: ServersInPods, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """With a login that may take and restore, as the stack makes it."""
    paths = Paths(project=tmp_path_factory.mktemp("project"))
    paths.make_own()
    write_stack(paths.project, new_platform(paths.local))
    file = stack_file.read(paths, "local")
    ensure_snapshot_keys(paths, file, (), lambda _: None)
    servers.client.sys.enable_auth_method("cert")
    let_in(servers.client, taking.pair(paths, file)[0])
    return Kept(servers=servers, paths=paths, file=file, console=Console(as_json=True))


def write(servers: ServersInPods, value: str) -> None:
    """Put down a value, as soon as a server takes it."""

    def taken() -> bool:
        try:
            return bool(servers.client.adapter.post("/v1/secret/restored", json={"value": value}))
        except (hvac.exceptions.VaultError, requests.RequestException):
            return False

    assert eventually(taken, WELL_SECONDS)


READS = """\
import json, os, ssl, time, urllib.request
context = ssl.create_default_context(cadata=os.environ["AUTHORITY"])
for host in {hosts}:
    request = urllib.request.Request(f"https://{{host}}:8200/v1/secret/restored")
    request.add_header("X-Vault-Token", os.environ["TOKEN"])
    for last in range(29, -1, -1):
        try:
            found = json.load(urllib.request.urlopen(request, context=context, timeout=5))["data"]["value"]
            break
        except OSError:
            if not last:
                raise
            time.sleep(1)
    assert found == "{value}", (host, found)
"""
"""Fails unless each server serves the value."""


def serve(servers: ServersInPods, clients: Pods, pod: str, value: str) -> None:
    """Have a pod see that each server serves it."""
    hosts = [f"{host(number)}.{NAMESPACE}.svc" for number in range(len(servers.gate([]).pods.look().names))]
    given = {"TOKEN": servers.root_token, "AUTHORITY": servers.port.authority.read_text(encoding="ascii")}
    program = READS.format(hosts=hosts, value=value)
    tools = servers.cluster.programs.tools.reference
    clients.run(pod, ["python3", "-c", program], image=tools, environment=given, **on(ALONE))


def test_a_restore_goes_into_all_servers_and_another_may_lead(
    servers: ServersInPods, clients: Pods, kept: Kept
) -> None:
    gate = servers.gate([])
    assert eventually(lambda: well(gate), WELL_SECONDS)
    write(servers, "then")
    key = kept.take()
    write(servers, "now")

    done = kept.restore(key)

    names = list(gate.pods.look().names)
    assert (done.canary, done.sealed, done.forced, done.restart) == (True, False, (), ())
    assert list(done.servers) == names
    serve(servers, clients, "restored", "then")
    assert eventually(lambda: well(gate), WELL_SECONDS)
    led = leads(gate)
    servers.inside(led, "kill -9 $(pidof bao)")
    assert eventually(lambda: leads(gate) not in ("", led), WELL_SECONDS)
    serve(servers, clients, "restored-led", "then")
    assert eventually(lambda: well(gate), WELL_SECONDS)


def test_a_snapshot_of_another_key_of_the_seal_is_refused(servers: ServersInPods, clients: Pods, kept: Kept) -> None:
    with servers.unsealing.another_key():
        key = kept.take()
    refused = r"isn't opened by the seal 'transit' of the servers, which hold what they held: .* expected the key of"
    with pytest.raises(EstateError, match=refused):
        kept.restore(key)
    servers.unsealing.deny()
    with pytest.raises(EstateError, match=refused):
        kept.restore(key)
    servers.unsealing.allow()
    serve(servers, clients, "refused", "then")


def test_a_snapshot_whose_server_is_lost_meanwhile_is_whole_or_none(
    servers: ServersInPods, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(servers.client, 8)
    gate, before = servers.gate([]), kept.whole()
    led = leads(gate)
    real = shutil.copyfileobj

    def lose(answer: Any, out: Any, size: int) -> None:
        out.write(answer.read(1_024))
        servers.inside(led, "kill -9 $(pidof bao)")
        real(answer, out, size)

    with monkeypatch.context() as while_it_is_taken:
        while_it_is_taken.setattr(shutil, "copyfileobj", lose)
        try:
            taken = [taking.take(kept.paths, kept.file, kept.where, kept.console).key]
        except EstateError as error:
            print(error)
            taken = []

    assert sorted(kept.whole()) == sorted([*before, *taken])
    assert eventually(lambda: leads(gate) not in ("", led), WELL_SECONDS)
    assert kept.take() in kept.whole()
