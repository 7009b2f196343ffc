"""What the commands ask of the place where a stack's Vault runs. One driver for each place answers.

Owns the questions, and the answers that most places have in common. Refuses to know any place: a new one is a driver
beside this file and a line in `ops.platforms.registry`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.render.login import CertificateLogin
from ops.clusters.api import KubernetesApi
from ops.console import Console
from ops.engine import state
from ops.engine.environment import Backend
from ops.engine.listening import Kept
from ops.errors import EstateError
from ops.keys import secrets_provider
from ops.paths import Paths
from ops.snapshots.ages import Ages
from ops.snapshots.local_seal_keys import LocalSealKeys
from ops.stack_file import StackFile
from ops.vault.checks.elsewhere import PodsOfApplications
from ops.vault.endpoint import VaultEndpoint
from ops.vault.status import VaultStatus
from settings.sources import ConnectionWithPassword

Purpose = Literal["up", "preview", "down", "use"]
"""What a platform is made ready for: an operation of the engine, or a command that works beside it."""


@dataclass(frozen=True, kw_only=True)
class FakeCloud:
    """What stands in for a cloud's account while fake providers serve it."""

    folder: Path
    """Holds the fake objects, and a state of their own."""
    machines: Path | None = None
    """Folder of the machines that boot; None: servers stay in memory."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values of encrypted settings, by name; the others are invented."""

    @property
    def backend(self) -> Backend:
        """Where the state of what isn't real is kept."""
        return Backend(state=self.folder / "state", passphrase_file=self.folder / "passphrase")

    @property
    def objects(self) -> Path:
        """The file of the fake objects."""
        return self.folder / "world.json"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows for people."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @classmethod
    def of_vault(
        cls, vault: VaultStatus | None, title: str = "its Vault", more: Sequence[Sequence[str]] = ()
    ) -> "tuple[Table, ...]":
        """What a Vault showed to anybody; none of one that wasn't asked."""
        return (cls(title=title, columns=("what", "found"), rows=[*vault.rows(), *more]),) if vault else ()


@dataclass(frozen=True, kw_only=True)
class Status:
    """A stack as it is now: for people, and as a document."""

    document: Mapping[str, Any]
    tables: Sequence[Table] = ()
    sentence: str = ""
    trouble: str | None = None
    """Why its Vault isn't as it should be; makes the command fail."""
    vault: VaultStatus | None = None
    """What anybody may see of it; None: there is none to ask."""
    warnings: Sequence[str] = ()
    """What ends soon, and what is overdue."""


@dataclass(frozen=True, kw_only=True)
class PlatformDriver(ABC):
    """The place of one stack's Vault."""

    paths: Paths
    file: StackFile
    """With the settings that this run uses."""

    # --- what the engine is given

    @property
    @abstractmethod
    def packages(self) -> Sequence[str]:
        """The provider packages the stack needs besides Pulumi's own."""

    @property
    def credentials(self) -> Sequence[str]:
        """The variables the official plugins take their credentials from."""
        return ()

    @property
    def backend(self) -> Backend:
        """Where the state is with the official plugins. The user's own login to Pulumi, unless a driver says more."""
        return Backend()

    @property
    def fake_cloud(self) -> FakeCloud | None:
        """What fake providers work on; None where they work on the same server as the official plugins."""
        return None

    @property
    def has_sandbox(self) -> bool:
        """Whether it can be had on this machine, with `--sandbox`."""
        return True

    # --- Vault

    @property
    @abstractmethod
    def seal_kind(self) -> str:
        """What unseals the server."""

    @property
    @abstractmethod
    def authority_file(self) -> Path | None:
        """Who vouches for its certificate; None: the system's store."""

    @property
    def expected_address(self) -> str | None:
        """Its address as the settings tell it, before the stack exports one; None: they don't."""
        return None

    @property
    def why_unchecked(self) -> str:
        """Why an `up` doesn't end with using Vault as each application; empty: it does."""
        return ""

    @property
    def brings_credentials(self) -> bool:
        """Whether what runs beside its Vault has credentials that somebody brings there; else it has roles."""
        return True

    def pods_of_applications(self) -> PodsOfApplications | None:
        """Pods by which applications' logins are checked; None: there may be none."""
        return None

    def endpoint(self, address: str) -> VaultEndpoint:
        """The Vault at an address that is known already."""
        login = self.file.settings.bootstrap.administrator.login(self.file.stack)
        return VaultEndpoint(
            address=address,
            ca_file=self.authority_file,
            login=CertificateLogin(
                certificate_file=str(self.paths.project / login.certificate_file),
                private_key_file=str(self.paths.project / login.private_key_file),
            ),
        )

    def address_for_applications(self, address: str, role: str) -> str:
        """Where whoever logs in by a role reaches the Vault that has this address from here."""
        del role
        return address

    def find_endpoint(self, console: Console) -> VaultEndpoint:
        """The Vault that the stack exports.

        Raises:
            EstateError: the stack isn't built, or no engine can be had.
        """
        address = self.outputs(console).get("address")
        if not address:
            msg = f"stack {self.file.stack!r} exports no address; expected one that was built: {self.up_command}"
            raise EstateError(msg)
        return self.endpoint(address)

    def find_administrator(self, console: Console) -> VaultEndpoint:
        """The same for whoever logs in: a pair that the stack's file holds is in its two files afterwards.

        Raises:
            EstateError: as above, or the pair can't be decrypted.
        """
        secrets_provider.ensure_placed(self.paths, self.file, self.backend, console)
        return self.find_endpoint(console)

    @property
    def is_unbuilt(self) -> bool:
        """Whether this machine can tell that there is no server."""
        return False

    def refuse_unbuilt(self) -> None:
        """Refuse to work on a stack that isn't built. Raises EstateError."""
        if self.is_unbuilt:
            raise EstateError(f"stack {self.file.stack!r} isn't built here; expected one that is: {self.up_command}")

    def outputs(self, console: Console) -> Mapping[str, str]:
        """What the stack exports, secrets left out; nothing where it was never built. Raises EstateError."""
        return state.read_outputs(self.paths, self.file.stack, self.backend, console)

    def command(self, name: str, *more: str) -> str:
        """A command on this stack, as it is typed."""
        return " ".join(["./estate", name, self.file.stack, *more])

    @property
    def up_command(self) -> str:
        """What builds it."""
        return self.command("up")

    @property
    def login_file(self) -> Path:
        """Where a person's login is kept."""
        return self.paths.own / self.file.stack / "login" / "token.json"

    # --- a stack's life

    @abstractmethod
    def ready(self, purpose: Purpose, console: Console) -> "AbstractContextManager[PlatformDriver]":
        """Have what must be there before the engine or a command begins; the platform as it is then, for the block.

        Raises:
            EstateError: it can't be had.
        """

    @abstractmethod
    def start(self, deployment: Mapping[str, Any], console: Console) -> None:
        """Start what an `up` needs running.

        Args:
            deployment: the stack's state before it.
            console: told of what takes long.

        Raises:
            EstateError: it doesn't start.
        """

    def reached(self, console: Console) -> AbstractContextManager[None]:  # noqa: ARG002 - for the drivers that need it
        """Have its Vault in reach for the block, where that takes more than its address and it can be had."""
        return nullcontext()

    def cluster(self) -> KubernetesApi | None:
        """The cluster whose pods its servers are; None: they are no pods. Raises EstateError: it isn't found."""
        return None

    @property
    def kept_beside(self) -> Sequence[Kept]:
        """What stays when the stack goes, and no state knows."""
        return ()

    def held(self) -> Sequence[str]:
        """What of the settings the running Vault has already, whatever the state says; empty: that isn't looked at.

        Raises:
            EstateError: it can't be asked.
        """
        return ()

    def nothing_to_destroy(self) -> str:
        """Why a `down` has nothing for the engine to do; empty: it has."""
        return ""

    @abstractmethod
    def remove(self) -> None:
        """Remove what is left of a stack that was destroyed. Raises EstateError."""

    @abstractmethod
    def status(self, console: Console) -> Status:
        """What runs. Changes nothing.

        Raises:
            EstateError: the state can't be asked.
        """

    def variables(self) -> Mapping[str, str]:
        """What other clients must see to reach it. Raises EstateError."""
        return {}

    # --- keys and snapshots

    def snapshot_ages(self, cluster: str | None) -> Ages | None:  # noqa: ARG002 - for the drivers that look
        """How old a cluster's snapshots and drills are; None: they aren't looked at.
        Raises EstateError: the store can't be seen."""
        return None

    @property
    def makes_administrator(self) -> bool:
        """Whether an `up` makes the administrator's pair, so that no person brings one."""
        return False

    @property
    def audit_log(self) -> Path | None:
        """The file of the audit log, where it is on this machine; older ones are beside it."""
        return None

    @property
    def shares_file(self) -> Path | None:
        """The file of key shares, where it is on this machine."""
        return None

    @property
    def regain_socket(self) -> Path | None:
        """Where key shares alone regain administration, where that is on this machine."""
        return None

    @property
    @abstractmethod
    def administrator_networks(self) -> Sequence[str]:
        """From where the administrator's tokens are good; none: from anywhere."""

    def gives_first_password(self, connection: ConnectionWithPassword) -> bool:  # noqa: ARG002 - for drivers
        """Whether an `up` sees to it that a connection's first password is good when it is sent."""
        return False

    def first_database_password(self, connection: ConnectionWithPassword) -> str | None:  # noqa: ARG002 - for drivers
        """The password that a connection's user has now, where this machine can give it one; None: only a person can.

        Raises:
            EstateError: the database doesn't run.
        """
        return None

    @property
    def seal_keys(self) -> LocalSealKeys | None:
        """The keys of the server's static seal, where this machine has them."""
        return None

    @property
    def seal_key_mark(self) -> Path:
        """A file that stands for as long as a move of the seal's key is under way."""
        return self.paths.own / f"moving-seal-key-{self.file.stack}"

    def start_for_restore(self) -> Callable[[str], None] | None:
        """Start the server that a snapshot is restored into, where that can be done from here.

        Returns:
            What empties it if its cluster, which is given, is nobody's; None: only a person can.

        Raises:
            EstateError: it can't be started.
        """
        return None
