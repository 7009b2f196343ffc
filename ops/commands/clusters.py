"""What is done to servers that are pods of one cluster: upgrade, rejoin, scale; and who of them votes, for a status.

Owns whose rights are used: of whoever is logged in as a person, in Vault, and in the cluster of whoever runs `kubectl`.
Refuses a stack whose servers are no pods, and an `up` that would take pods from a majority before Raft knows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.render.chart.names import RELEASE
from ops import stack_file
from ops.clusters import snapshot_job
from ops.clusters.api import KubernetesApi
from ops.clusters.gate import Gate, Look
from ops.clusters.pods import VaultPods
from ops.clusters.raft import Raft
from ops.clusters.rejoining import Rejoin, Rejoined
from ops.clusters.scaling import Scaled, Shrinking
from ops.clusters.upgrading import Upgrade, Upgraded
from ops.commands import session
from ops.console import Console
from ops.errors import EstateError
from ops.paths import Paths
from ops.people.session import logged_in
from ops.platforms.driver import PlatformDriver, Status, Table
from ops.platforms.registry import platform_of
from ops.vault.login import log_in

_SET = "kubernetes:apps/v1:StatefulSet"


@dataclass(frozen=True, kw_only=True)
class _Reached:
    """A stack's servers, and how to work on them."""

    platform: PlatformDriver
    api: KubernetesApi
    gate: Gate


def upgrade(paths: Paths, stack: str, console: Console, *, sandbox: bool) -> Upgraded:
    """Give each pod what its template says by now. Raises EstateError: something is doubted; the same command goes
    on."""
    with _reached(paths, stack, console, sandbox=sandbox) as servers:
        takes = servers.platform.file.settings.snapshots is not None

        def snapshot() -> None:
            if takes:
                snapshot_job.take(servers.api, console.say, servers.gate.pace)
            else:
                console.say("no snapshot is taken: the settings have no section snapshots")

        again = servers.platform.command("upgrade", *(["--sandbox"] if sandbox else []))
        return Upgrade(gate=servers.gate, say=console.say, snapshot=snapshot, again=again).run()


def rejoin(paths: Paths, stack: str, server: str, console: Console, *, sandbox: bool) -> Rejoined:
    """Have one server join again with empty volumes. Raises EstateError: it votes, or the others aren't well."""
    with _reached(paths, stack, console, sandbox=sandbox) as servers:
        return Rejoin(gate=servers.gate, say=console.say).run(server)


def scale(paths: Paths, stack: str, count: int, console: Console, *, sandbox: bool) -> Scaled:
    """Have fewer servers. Raises EstateError: there aren't more, or those that stay aren't well."""
    with _reached(paths, stack, console, sandbox=sandbox) as servers:
        return Shrinking(gate=servers.gate, say=console.say).run(count)


@contextmanager
def _reached(paths: Paths, stack: str, console: Console, *, sandbox: bool) -> Iterator[_Reached]:
    driver = platform_of(paths, stack_file.read(paths, stack), sandbox=sandbox)
    with session.locked(paths), driver.ready("use", console) as platform:
        api = platform.cluster()
        if api is None:
            raise EstateError(f"stack {stack!r} is one whose servers are no pods; expected a stack in a cluster")
        with logged_in(platform, console) as client:
            gate = Gate(pods=_pods(platform, api), raft=Raft(client), say=console.say)
            yield _Reached(platform=platform, api=api, gate=gate)


def _pods(platform: PlatformDriver, api: KubernetesApi) -> VaultPods:
    return VaultPods(api, needs_identity=platform.seal_kind == "awskms")


def refuse_shrinking(platform: PlatformDriver, deployment: Mapping[str, Any]) -> None:
    """Raises EstateError: the stack's state has more servers than settings say, and so has the cluster."""
    wanted = platform.file.settings.servers
    if _declared(deployment) <= wanted:
        return
    api = platform.cluster()
    there = VaultPods(api).look().replicas if api else 0
    if there > wanted:
        setting = platform.file.named("platform.pods.replicas")
        raise EstateError(
            f"{setting} is {wanted}; expected {there}, which there are, or that servers leave Raft first: "
            f"{platform.command('scale', str(wanted))}"
        )


def _declared(deployment: Mapping[str, Any]) -> int:
    """How many servers a state has; 0: it has none that are pods."""
    for one in deployment.get("resources") or []:
        inputs = one.get("inputs") or {}
        if one["type"] == _SET and (inputs.get("metadata") or {}).get("name") == RELEASE and not one.get("delete"):
            return int((inputs.get("spec") or {}).get("replicas") or 0)
    return 0


_COLUMNS = ("server", "pod", "in Raft", "revision")


def in_status(platform: PlatformDriver, found: Status) -> Status:
    """A status, and of several servers in a cluster who votes: a server that was taken out may answer as a healthy
    one. Told where the administrator's pair is here; refuses nothing."""
    vault = found.vault
    if vault is None or not vault.reachable or vault.sealed is not False:
        return _of_early_pods(platform, found)
    if platform.file.settings.servers == 1:
        return found
    endpoint = platform.endpoint(vault.address)
    if not all(Path(needed).is_file() for needed in endpoint.login.files):
        return found
    try:
        api = platform.cluster()
        if api is None:
            return found
        with log_in(endpoint) as client:
            look = Look(pods=_pods(platform, api).look(), raft=Raft(client).look())
    except EstateError as error:
        return replace(found, warnings=(*found.warnings, f"which servers vote can't be seen: {error}"))
    return _told(look, found)


def _of_early_pods(platform: PlatformDriver, found: Status) -> Status:
    """Where no server answers, or one is sealed: whether that is since their pods came before their role."""
    if platform.seal_kind != "awskms" or found.vault is None:
        return found
    try:
        api = platform.cluster()
        pods = _pods(platform, api).look().pods.values() if api else ()
    except EstateError:
        return found
    early = [f"{one.name} isn't ready ({one.trouble})" for one in pods if not one.is_ready and not one.has_identity]
    return replace(found, warnings=(*found.warnings, *early))


def _told(look: Look, found: Status) -> Status:
    rows = [[name, _pod(look, name), _in_raft(look, name), _revision(look, name)] for name in _servers(look)]
    documents = {name: dict(zip(("pod", "raft", "revision"), row, strict=True)) for name, *row in rows}
    behind = [one.name for one in look.pods.behind]
    warnings = [one.text for one in look.doubts()]
    if behind:
        warnings.append(f"{', '.join(behind)} run what an earlier template says: ./estate upgrade replaces them")
    return replace(
        found,
        tables=[*found.tables, Table(title="its servers", columns=_COLUMNS, rows=rows)],
        document={**found.document, "servers": documents},
        warnings=(*found.warnings, *warnings),
    )


def _servers(look: Look) -> list[str]:
    return sorted({*look.pods.names, *look.pods.pods, *(look.raft.servers if look.raft else ())})


def _pod(look: Look, name: str) -> str:
    pod = look.pods.pods.get(name)
    return "missing" if pod is None else "ending" if pod.is_ending else "ready" if pod.is_ready else "not ready"


def _in_raft(look: Look, name: str) -> str:
    if look.raft is None:
        return "unknown"
    server = look.raft.servers.get(name)
    if server is None:
        return "missing"
    return "leads" if look.raft.leader == name else "votes" if server.votes else "doesn't vote"


def _revision(look: Look, name: str) -> str:
    pod = look.pods.pods.get(name)
    return pod.revision if pod else ""
