"""A server of each flavour under each seal that settings accept, with what unseals it on this machine.

Owns the other Vault of `transit` and the KMS of `awskms` (moto stands in for it). The pairs come from the models.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hvac
import pytest

from components.render.release import FLAVORS, Flavor
from components.render.seals import AwsKmsSeal, Seal, ShamirSeal, StaticSeal, TransitSeal, kinds_for
from composition.private_files import private_directory, write_private
from ops.building.compiled import HASHICORP_SERVER
from ops.keys.certificates import ensure_authority
from ops.local.openbao import wheel_binary
from ops.paths import ROOT
from tests.support.nodes import NodeServer, free_address
from tests.support.servers import call, eventually
from tests.support.snapshotting import object_storage

PAIRS: list[tuple[Flavor, str]] = [(flavor, kind) for flavor in FLAVORS for kind in kinds_for(flavor)]
"""All that settings accept."""
_SERVE = ROOT / "components/payloads/serve_transit.sh"
_REGION = "eu-central-1"
_SHARES, _THRESHOLD = 3, 2
_KEY, _UNSEALS = "unseal", "unseal"
"""Of the other Vault: its key, and the policy of who unseals by it."""
_ROOT = "root-token"
"""File of the other Vault's, which a test rotates keys with."""


def pairs_of(flavor: Flavor) -> list[str]:
    """The seals of one server."""
    return [kind for one, kind in PAIRS if one == flavor]


def program_of(flavor: Flavor) -> list[str]:
    """What runs a server; HashiCorp's is built if it wasn't yet."""
    return [str(HASHICORP_SERVER.find(print))] if flavor == "vault" else []


def client_of(server: NodeServer, token: str = "") -> hvac.Client:
    """A client that trusts the server."""
    return hvac.Client(url=server.address, verify=str(server.ca_file), token=token or None)


def unseal(client: hvac.Client, shares: Sequence[str]) -> None:
    """Give shares, one after the other."""
    for share in shares:
        call(client, "put", "sys/unseal", {"key": share})


def initialise(server: NodeServer) -> tuple[str, list[str]]:
    """The root token, and the shares that unseal it, if any do."""
    client = client_of(server)
    if isinstance(server.seal, ShamirSeal):
        made = call(client, "put", "sys/init", {"secret_shares": _SHARES, "secret_threshold": _THRESHOLD})
        shares = made["keys"][:_THRESHOLD]
        unseal(client, shares)
    else:
        made = call(client, "put", "sys/init", {"recovery_shares": 1, "recovery_threshold": 1})
        shares = []
    assert is_active(server), server.log.read_text()
    return str(made["root_token"]), shares


def is_active(server: NodeServer, seconds: float = 30) -> bool:
    """Whether it comes to serve."""

    def serves() -> bool:
        health = client_of(server).sys.read_health_status(method="GET")
        document = health if isinstance(health, dict) else health.json()
        return document["initialized"] and not document["sealed"] and not document["standby"]

    return eventually(serves, seconds)


@contextmanager
def sealed(directory: Path, flavor: Flavor, kind: str) -> Iterator[NodeServer]:
    """A running server that nobody initialised, with such a seal."""
    with ExitStack() as stack:
        server = NodeServer(
            directory=private_directory(directory),
            host=free_address(),
            seal=StaticSeal() if kind == "static" else ShamirSeal(),
            flavor=flavor,
            program=program_of(flavor),
        )
        stack.callback(server.stop)
        if kind == "transit":
            server.seal = stack.enter_context(_other_vault(server))
        elif kind == "awskms":
            server.seal = stack.enter_context(_kms(server))
        assert server.seal.kind == kind
        server.start()
        yield server


def _credential(server: NodeServer, name: str, text: str, authorities: Path) -> str:
    """Put down what systemd would have unwrapped; the folder. The service is known as on a node: by the system's
    authorities."""
    folder = private_directory(server.directory / "credentials")
    write_private(folder / name, text.encode())
    server.environment = {**server.environment, "SSL_CERT_FILE": str(authorities), "CREDENTIALS_DIRECTORY": str(folder)}
    return str(folder)


@dataclass(kw_only=True)
class UnsealingVault:
    """Another Vault with a key, and a token that may use it and nothing else."""

    server: NodeServer
    root_token: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def seal(self) -> TransitSeal:
        """As settings name it."""
        return TransitSeal(address=self.server.address, key=_KEY)

    def begin(self) -> None:
        """Its first boot."""
        self.server.start()
        self.root_token = initialise(self.server)[0]
        client = client_of(self.server, self.root_token)
        client.sys.enable_secrets_engine("transit")
        call(client, "post", f"transit/keys/{_KEY}")
        self.allow()
        made = client.auth.token.create_orphan(policies=[_UNSEALS], no_default_policy=False, period="24h")
        self.token = made["auth"]["client_token"]

    def allow(self) -> None:
        """Let the token use the key."""
        self._rule('capabilities = ["update"]')

    def deny(self) -> None:
        """Refuse the key to the token, which goes on being one."""
        self._rule('capabilities = ["deny"]')

    @contextmanager
    def another_key(self) -> Iterator[None]:
        """While the block runs another key has the name of the one that is there."""
        client = client_of(self.server, self.root_token)
        path, freely = f"transit/keys/{_KEY}", {"exportable": True, "allow_plaintext_backup": True}
        call(client, "post", f"{path}/config", {**freely, "deletion_allowed": True})
        kept = call(client, "get", f"transit/backup/{_KEY}")["data"]["backup"]
        call(client, "delete", path)
        call(client, "post", path)
        yield
        call(client, "post", f"{path}/config", {"deletion_allowed": True})
        call(client, "delete", path)
        call(client, "post", f"transit/restore/{_KEY}", {"backup": kept})

    def _rule(self, text: str) -> None:
        rules = "".join(f'path "transit/{act}/{_KEY}" {{ {text} }}\n' for act in ("encrypt", "decrypt"))
        client_of(self.server, self.root_token).sys.create_or_update_policy(_UNSEALS, rules)


@contextmanager
def unsealing_vault(directory: Path, host: str) -> Iterator[UnsealingVault]:
    """One that has begun, at an address of this machine."""
    server = NodeServer(directory=private_directory(directory), host=host, seal=StaticSeal())
    made = UnsealingVault(server=server)
    try:
        made.begin()
        yield made
    finally:
        server.stop()


@contextmanager
def _other_vault(server: NodeServer) -> Iterator[Seal]:
    """What unseals a server that the node's own script starts."""
    directory = server.directory.with_name(f"{server.directory.name}-other")
    with unsealing_vault(directory, free_address()) as other:
        write_private(directory / _ROOT, other.root_token.encode())
        _credential(server, "transit-token", other.token, other.server.ca_file)
        server.program = ["sh", str(_SERVE), *(server.program or [str(wheel_binary())])]
        yield other.seal


@contextmanager
def _kms(server: NodeServer) -> Iterator[Seal]:
    """A KMS with a key. Its address is the server's own variable, as for whoever has an endpoint in their network."""
    tls = ensure_authority(private_directory(server.directory / "kms"))
    with object_storage(tls.certificate_file, tls.key_file, tls.ca_file) as service:
        client = service.client("kms", _REGION)
        seal = AwsKmsSeal(region=_REGION, key_arn=client.create_key()["KeyMetadata"]["Arn"])
        text = "".join(f"{name} = {service.session[name]}\n" for name in ("aws_access_key_id", "aws_secret_access_key"))
        folder = _credential(server, "aws", f"[default]\n{text}", tls.ca_file)
        server.environment = {
            **server.environment,
            **seal.environment(folder),
            "AWS_KMS_ENDPOINT": service.endpoint,
        }
        yield seal


def walk(directory: Path, flavor: Flavor, kind: str) -> None:
    """Initialise a server, write into it, stop and start it: it is unsealed, by itself or by shares, and has what was
    written."""
    with sealed(directory, flavor, kind) as server:
        token, shares = initialise(server)
        client_of(server, token).write_data("cubbyhole/kept", data={"by": kind})
        server.stop()
        server.start()
        if shares:
            client = client_of(server)
            assert call(client, "get", "sys/seal-status")["sealed"]
            unseal(client, shares)
        assert is_active(server), server.log.read_text()
        kept = client_of(server, token).read("cubbyhole/kept")
        assert isinstance(kept, dict)
        assert kept["data"] == {"by": kind}


def move_transit_key(directory: Path, flavor: Flavor) -> None:
    """Rotate the key at the other Vault. Until the server's next start its storage is wrapped by the version before."""
    with sealed(directory, flavor, "transit") as server:
        token, _ = initialise(server)
        client_of(server, token).write_data("cubbyhole/kept", data={"by": "transit"})
        assert isinstance(server.seal, TransitSeal)
        there = (server.directory.with_name(f"{server.directory.name}-other") / _ROOT).read_text()
        other = hvac.Client(url=server.seal.address, verify=str(server.environment["SSL_CERT_FILE"]), token=there)

        def opens(oldest: int) -> bool:
            """Whether it does, where the other Vault refuses versions before that one."""
            call(other, "post", "transit/keys/unseal/config", {"min_decryption_version": oldest})
            server.stop()
            try:
                server.start()
            except AssertionError:
                return False
            return is_active(server, 5)

        call(other, "post", "transit/keys/unseal/rotate")
        assert not opens(2), "nothing was wrapped anew yet"
        assert opens(1)
        assert opens(2), "the start before this one wrapped it anew"
        kept = client_of(server, token).read("cubbyhole/kept")
        assert isinstance(kept, dict)
        assert kept["data"] == {"by": "transit"}


def refusal(directory: Path, flavor: Flavor, stanza: list[str]) -> str:
    """What a server says that is started with a seal it doesn't have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ShamirSeal, "stanza", lambda *_: stanza)
        server = NodeServer(
            directory=private_directory(directory),
            host=free_address(),
            seal=ShamirSeal(),
            flavor=flavor,
            program=program_of(flavor),
        )
        with pytest.raises(AssertionError) as caught:
            server.start()
        server.stop()
    return str(caught.value)
