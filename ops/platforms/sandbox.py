"""A cloud stack's sandbox: its node boots on this machine, among services of its own, with nothing of the real stack.

Owns the order of things: services, replaced settings, machines that were off; at the end none of it. Refuses to touch
the real stack: state and passphrase are in the sandbox's folder.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import requests

from components.platform.readiness import wait_until_ready
from fake_providers.machines import found
from ops.console import Console
from ops.engine import state
from ops.engine.recovery import knows_database
from ops.platforms.boxed import Boxed, databases, first_passwords, word
from ops.platforms.driver import FakeCloud, PlatformDriver, Purpose, Status, Table
from ops.platforms.hetzner import Hetzner
from ops.sandbox import overlay, services
from ops.sandbox.place import SandboxPlace
from ops.sandbox.services import SandboxFacts, SandboxServices
from ops.vault import status

_POWER_ON_SECONDS = 120
"""How long a node may take to serve after it was switched on; measured here: 4 s."""
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Sandbox(Boxed, Hetzner):
    """A Hetzner stack's sandbox."""

    @property
    def services(self) -> SandboxServices:
        """Everything around its node."""
        return SandboxServices(paths=self.paths, stack=self.file.stack)

    @property
    def place(self) -> SandboxPlace:
        """That of its services."""
        return self.services

    @contextmanager
    def ready(self, purpose: Purpose, console: Console) -> Iterator[PlatformDriver]:
        """Its services run, except where there is no sandbox to preview or to take down; its names are known."""
        if purpose == "use":
            with services.reachable(facts := self.services.facts()):
                yield self._inside(facts)
        elif purpose == "up" or self.services.exists:
            services.refuse_here()
            if purpose == "up":
                overlay.refuse_flavour(self.file)
            with console.stage("starting the services around the node"):
                facts, running = self._run_services(console)
            inside = replace(self._inside(facts), running=running)
            if purpose != "down":
                inside.ensure_keys(console)
            if purpose == "up":
                inside.tell_replaced(console)
            with services.reachable(facts):
                yield inside
        else:
            if purpose == "preview":
                self.ensure_keys(console)
            yield self

    def _inside(self, facts: SandboxFacts) -> "Sandbox":
        """The same, with the settings that hold in the sandbox."""
        return replace(self, file=overlay.apply(self.file, self.platform, facts))

    def _run_services(self, console: Console) -> tuple[SandboxFacts, FakeCloud]:
        settings, own = self.file.settings, self.services
        facts = own.start(
            self.platform.image, databases(settings), overlay.architecture(self.file, self.platform), console.say
        )
        password = own.postgres.password_file.read_text(encoding="ascii")
        secrets = first_passwords(settings, password)
        return facts, FakeCloud(folder=own.directory, machines=own.machines, secrets=secrets)

    def start(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Take away what no state knows, switch machines on, and let a new connection log in to the database."""
        self._drop_unknown(deployment, console)
        self._power_on(state.exports(deployment).get("address"), console)
        if self.file.settings.database and not knows_database(deployment):
            # A killed run may have had Vault replace the first password; the connection is about to be made with it.
            self.services.postgres.reset_root_role()

    def _drop_unknown(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Take away what a killed run made in the fake clouds before the engine recorded it: names would be taken.

        Nothing of it is in use. In a real cloud a person does this, who can tell what is whose.
        """
        from fake_providers.aws import AwsProvider  # noqa: PLC0415 - boto3 costs every other command 10 MB and 40 ms
        from fake_providers.hcloud import HcloudProvider  # noqa: PLC0415 - as above

        resources = deployment.get("resources") or []
        known = {(str(one["type"]), str(one.get("id"))) for one in resources}
        own = self.services
        storage = AwsProvider(own.file)
        with services.worded():
            lost = [
                *HcloudProvider(own.file, own.machines).drop_unknown(None, known),
                *storage.drop_unknown(storage.configure({"endpoints": [{"s3": own.facts().storage}]}), known),
            ]
        if lost:
            console.say(
                f"an earlier run did not end: took away {', '.join(token.rpartition(':')[2] for token in lost)}"
            )

    def _power_on(self, address: str | None, console: Console) -> None:
        """Switch machines on that went off with this machine, and wait for the Vault on them as at first boot."""
        off = [machine for machine in found(self.services.machines) if not machine.is_running]
        if not off or address is None:
            return
        endpoint = self.endpoint(address)
        with console.stage(f"switching on {', '.join(machine.name for machine in off)}"), services.worded():
            for machine in off:
                machine.power_on()
            wait_until_ready(
                {
                    "address": address,
                    "certificate_file": endpoint.login.certificate_file,
                    "private_key_file": endpoint.login.private_key_file,
                    "ca_certificate_file": str(endpoint.ca_file) if endpoint.ca_file else None,
                    "login_path": endpoint.login.mount,
                    "login_role": endpoint.login.role,
                    "timeout_seconds": _POWER_ON_SECONDS,
                }
            )

    def remove(self) -> None:
        """Machines, servers, network, state and keys."""
        self.services.remove()

    def status(self, console: Console) -> Status:
        """The machines and the services around them."""
        own, stack = self.services, self.file.stack
        machines = [
            {"name": one.name, "address": one.address, "running": one.is_running}
            for one in (found(own.machines) if own.exists else ())
        ]
        running = own.servers.running() if own.exists else {}
        exported = self.outputs(console) if own.exists else {}
        address, vault = exported.get("address"), None
        health: Mapping[str, Any] = {}
        if address:
            with self.ready("use", console) as inside, suppress(OSError):  # it may not answer
                endpoint = inside.endpoint(address)
                vault = status.ask(endpoint, exported.get("cluster_id"))
                url = f"{address}/v1/sys/seal-status"
                health = requests.get(url, verify=str(endpoint.ca_file), timeout=_ANSWER_SECONDS).json()
        rows = [[str(one["name"]), word(one["running"]), str(one["address"])] for one in machines]
        rows += [[name, word(runs), ""] for name, runs in running.items()]
        sealed = {None: "does not answer", True: "is sealed", False: "is unsealed"}[health.get("sealed")]
        return Status(
            tables=[
                Table(title=f"sandbox of stack {stack}", columns=("what", "state", "address"), rows=rows),
                *Table.of_vault(vault),
            ],
            vault=vault,
            sentence=f"Vault at {address} {sealed}" if address else "no Vault was built yet",
            document={
                "servers": running,
                "machines": machines,
                "address": address,
                "health": health,
                "vault": asdict(vault) if vault else None,
            },
        )

    def variables(self) -> Mapping[str, str]:
        """What lets other clients find the sandbox's names."""
        return services.proxy_variables(self.services.facts())
