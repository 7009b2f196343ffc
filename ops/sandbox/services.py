"""The services of one sandbox: everything a cloud stack's node finds outside itself, as servers on this machine.

Owns `.estate/sandbox/<stack>/`: the machines' folder, the servers around them, their authority and keys. All of them
listen on the gateway's address of the machines' own network, so nothing of it is reached from elsewhere. Refuses to
outlive `remove`: servers, machines, network and files go together.
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

import psycopg
import requests
from cryptography import x509

from components.platform.readiness import NotReadyError
from components.render.release import Architecture
from composition.private_files import private_directory, write_private
from fake_providers import machines
from ops import installing
from ops.engine.environment import process_environment
from ops.errors import EstateError
from ops.keys.certificates import Domain, ensure_authority
from ops.local.postgres import Postgres, require_namespaces
from ops.paths import ROOT, cache
from ops.processes.supervisor import ChildSpec
from ops.sandbox import release
from ops.sandbox.acme import AcmeAuthority
from ops.sandbox.place import SandboxPlace
from ops.sandbox.serving import MIRROR_PORT, PLAIN_POSTGRES_PORT, PREFIX_LENGTH, PROXY_PORT

STORAGE_PORT = 9000
"""Where the fake object storage listens."""
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class SandboxFacts:
    """What a stack has to be told about its sandbox. None of it is secret."""

    gateway: str
    network: str
    release: release.Published
    mirror: str
    """URL of the release's files."""
    storage: str
    """URL of the object storage."""
    acme: str
    """URL of the ACME directory."""
    authority_file: str
    """PEM file of the sandbox's authority, relative to the project's root."""
    folder: str
    """The sandbox's folder, relative to the project's root."""


@dataclass(frozen=True, kw_only=True)
class SandboxServices(SandboxPlace):
    """The services of one stack's sandbox."""

    @property
    def gateway(self) -> str:
        """This machine's address in its network, made on demand. Raises EstateError if it can't be made here."""
        with worded():
            return machines.gateway(self.machines)

    @property
    def postgres(self) -> Postgres:
        """Its database server."""
        return Postgres(directory=self.servers.directory, port=PLAIN_POSTGRES_PORT, address=self.gateway)

    def start(
        self, image: str, databases: Sequence[str], architecture: Architecture, say: Callable[[str], None]
    ) -> SandboxFacts:
        """Have everything around the node running, with databases and their owners; what is, stays. The machines' image
        is prepared here because it takes minutes.
        Raises EstateError if a machine can't boot here, or a server doesn't start."""
        refuse_here()
        require_namespaces()
        installing.require(installing.SANDBOX)
        with worded():
            machines.prepare(cache(), image, say)
        gateway = self.gateway
        home = private_directory(self.servers.directory)
        network = ipaddress.IPv4Network(f"{gateway}/{PREFIX_LENGTH}", strict=False)
        domain = Domain(
            title="vault-estate sandbox CA",
            permitted=(x509.IPAddress(network),),
            server_name=gateway,
            server_names=(x509.IPAddress(ipaddress.IPv4Address(gateway)),),
        )
        renewed = ensure_authority(private_directory(home / "tls"), domain).renewed
        shutil.copyfile(self.authority_file, self.machines / "trusted.crt")
        published = release.publish(home / "mirror", home / "release-key.asc", cache(), architecture, say)
        if renewed:
            self.servers.stop()
        postgres = self.postgres
        if not postgres.is_ready():
            postgres.prepare()
        acme = AcmeAuthority(home, gateway)
        if not acme.is_up():
            acme.prepare()
        mirror, storage = f"https://{gateway}:{MIRROR_PORT}", f"https://{gateway}:{STORAGE_PORT}"
        ready = {
            "serving": lambda: _answers(f"{mirror}/signing-key.asc", self.authority_file),
            "storage": lambda: _answers(f"{storage}/moto-api/", self.authority_file),
            "postgres": postgres.is_ready,
            "acme": acme.is_up,
        }
        self.servers.ensure(self._children(gateway, postgres, acme), ready)
        acme.tell()
        try:
            postgres.ensure_root_role()
            postgres.ensure_databases(databases)
        except psycopg.Error as error:
            raise EstateError(f"postgres of the sandbox: {error}") from None
        facts = SandboxFacts(
            gateway=gateway,
            network=str(network),
            release=published,
            mirror=mirror,
            storage=storage,
            acme=acme.directory_url,
            authority_file=os.path.relpath(self.authority_file, self.paths.project),
            folder=os.path.relpath(self.directory, self.paths.project),
        )
        write_private(self.facts_file, json.dumps(asdict(facts)).encode())
        return facts

    def facts(self) -> SandboxFacts:
        """What the last start found. Raises EstateError if there was none."""
        if not self.facts_file.is_file():
            msg = f"stack {self.stack!r} has no sandbox here; expected one: ./estate up {self.stack} --sandbox"
            raise EstateError(msg)
        kept = json.loads(self.facts_file.read_text(encoding="utf-8"))
        return SandboxFacts(**{**kept, "release": release.Published(**kept["release"])})

    def remove(self) -> None:
        """End and remove everything: machines, servers, network, files, the engine's state."""
        with worded():
            machines.remove(self.machines)
        self.servers.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _children(self, gateway: str, postgres: Postgres, acme: AcmeAuthority) -> list[ChildSpec]:
        home = self.servers.directory
        tls = home / "tls"
        certificate = ["--ssl-cert", str(tls / "server.crt"), "--ssl-key", str(tls / "server.key")]

        def python(name: str, *arguments: str) -> ChildSpec:
            return ChildSpec(
                name=name,
                argv=[sys.executable, "-P", "-m", *arguments],
                directory=str(home),
                environment={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(home), "LANG": "C.UTF-8"},
                log=str(home / f"{name}.log"),
            )

        return [
            python("serving", "ops.sandbox.serving", str(self.directory), gateway),
            python("storage", "moto.server", "--host", gateway, "--port", str(STORAGE_PORT), *certificate),
            postgres.child(),
            acme.child(),
        ]


@contextmanager
def worded() -> Iterator[None]:
    """Word what machines and fake clouds refuse as everything else that an operator can mend.
    Raises EstateError: in their stead."""
    try:
        yield
    except (ValueError, NotReadyError) as error:
        raise EstateError(f"--sandbox: {error}") from None


@contextmanager
def reachable(facts: SandboxFacts) -> Iterator[None]:
    """While the block runs, clients of this process and of those it starts find the sandbox's names, by its proxy, and
    are let in by its object storage."""
    storage = {
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",  # no secret: moto takes any
        "AWS_CA_BUNDLE": str(Path(facts.authority_file).absolute()),
    }
    with process_environment({**os.environ, **proxy_variables(facts), **storage}):
        yield


def proxy_variables(facts: SandboxFacts) -> Mapping[str, str]:
    """What makes clients find the sandbox's names."""
    directly = ",".join(filter(None, [os.environ.get("NO_PROXY"), facts.gateway]))
    # Written large only: the engine's own connections (gRPC) read the small one.
    return {"HTTPS_PROXY": f"http://{facts.gateway}:{PROXY_PORT}", "NO_PROXY": directly, "no_proxy": directly}


def refuse_here() -> None:
    """Raises EstateError where no machine can boot."""
    reason = machines.why_not()
    if reason:
        msg = f"--sandbox: no machine can boot here: {reason}; expected root on a Linux that may boot containers"
        raise EstateError(msg)


def _answers(url: str, authority: Path) -> bool:
    try:
        # No proxy: the server is on this machine.
        return requests.get(url, verify=str(authority), timeout=_ANSWER_SECONDS, proxies={"https": ""}).ok
    except requests.RequestException:
        return False
