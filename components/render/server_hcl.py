"""The server's one configuration file, from plain values, for OpenBao and for Vault.

Owns the text and what makes it safe: TLS 1.3 only, HSTS, Raft, no mlock where it is still a setting, declared audit
devices where the flavour takes them from the file. Refuses what a flavour would ignore or reject, since a setting that
is silently ignored is a promise not kept. One file per server: how several would be merged is not deterministic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model import SettingError
from . import audit
from .audit import AuditDevice
from .hcl import block, quote
from .kms_plugin import KmsPlugin
from .release import Flavor
from .seals import Seal, SealPlace

_LIMITS = ['default_lease_ttl = "3600s"', 'max_lease_ttl = "2764800s"']
"""768 hours is the servers' own default (their documentation of `max_lease_ttl`), written down so that it shows."""
_RAFT = "performance_multiplier = 1"
"""Scales Raft's timers; 1 is what HashiCorp advises for production. Measured here: 5, the default, takes 5.8 s to
initialise, 1 takes 1.2 s."""
_RELOAD = ["tls_auto_reload = true", 'tls_auto_reload_interval = "5s"']
"""OpenBao 2.7.2 served a certificate that was replaced within 5 s, without a signal (measured); 2.6 only warns of an
unknown field."""


@dataclass(frozen=True, kw_only=True)
class RetryJoin:
    """Another node of a Raft cluster, which a new one joins: at an address, or found by the cloud's own API. The names
    are the servers'."""

    leader_api_addr: str | None = None
    """https URL of that node."""
    auto_join: str | None = None
    """What go-discover looks for, such as `provider=k8s namespace=vault`; it is reached by https."""
    leader_ca_cert_file: str | None = None
    leader_tls_servername: str | None = None
    """Name the other node's certificate is for, where it is reached by another one."""

    def __post_init__(self) -> None:
        if (self.leader_api_addr is None) == (self.auto_join is None):
            both = "given" if self.auto_join else "missing"
            raise SettingError("retry_join.leader_api_addr", f"{both} beside auto_join", "exactly one of the two")
        if self.leader_api_addr is not None:
            _https("retry_join.leader_api_addr", self.leader_api_addr)

    def stanza(self) -> list[str]:
        """A block of the storage."""
        return block("retry_join", _told(**vars(self)))


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Metrics for Prometheus, at `/v1/sys/metrics?format=prometheus`."""

    prometheus_retention_time: int = 86_400
    """Seconds a metric is shown for after it last changed. Above the interval at which it is read."""
    disable_hostname: bool = True
    """Names of gauges without the host's name before them."""
    unauthenticated_metrics_access: bool = False
    """Whether metrics are read without a token, by whoever reaches the listener."""

    def __post_init__(self) -> None:
        if self.prometheus_retention_time <= 0:
            raise SettingError(
                "telemetry.prometheus_retention_time",
                str(self.prometheus_retention_time),
                "more than 0, which switches metrics off",
            )

    def stanza(self) -> list[str]:
        """The server's block."""
        lines = [
            f'prometheus_retention_time = "{self.prometheus_retention_time}s"',
            f"disable_hostname = {str(self.disable_hostname).lower()}",
        ]
        return block("telemetry", lines)

    def listener(self) -> list[str]:
        """The listener's block, where there is anything to say."""
        return (
            block("telemetry", ["unauthenticated_metrics_access = true"]) if self.unauthenticated_metrics_access else []
        )


@dataclass(frozen=True, kw_only=True)
class ServerHcl:
    """All that goes into the file. Raises ValueError for what the flavour wouldn't honour."""

    flavor: Flavor
    storage_path: str
    """Directory of the Raft storage."""
    node_id: str | None = None
    """Stable name of this node in the Raft cluster. None, as of the two addresses below: the server's process has a
    variable for it."""
    listener_address: str
    """host:port the API listens on."""
    cluster_listener_address: str
    """host:port the nodes talk to each other on."""
    api_address: str | None = None
    """https URL clients are told."""
    cluster_address: str | None = None
    """https URL other nodes are told."""
    certificate_file: str
    key_file: str
    seal: Seal
    seal_place: SealPlace = field(default_factory=SealPlace)
    """What only this place knows about the seal."""
    kms_plugin: KmsPlugin | None = None
    """By which OpenBao has the seal by AWS KMS; Vault has it by itself."""
    plugin_directory: str | None = None
    """Folder of that plugin, which the server may write where it fetches it."""
    audit_devices: Mapping[str, AuditDevice] = field(default_factory=dict)
    """By name. OpenBao needs at least one here; Vault takes them through its API and refuses any here."""
    retry_join: tuple[RetryJoin, ...] = ()
    """Nodes to join where there are others; none: this one begins a cluster."""
    telemetry: Telemetry | None = None
    """None: no metrics."""
    registers_pods: bool = False
    """Whether the server labels its own pod in Kubernetes with whether it is active and sealed."""
    reload: bool = False
    """Whether the server looks by itself for another certificate in its files; OpenBao only, since 2.7."""
    regain_socket: str | None = None
    """Unix socket at which a threshold of key shares makes a root token, for whoever may open it; OpenBao only.
    Relative to the folder the server is started in. None: only who is logged in may begin that."""
    cluster_name: str = "vault-estate"

    def __post_init__(self) -> None:
        self._hold_seal()
        if self.flavor == "vault" and self.audit_devices:
            raise SettingError("audit_devices", "given", "none: Vault takes them through its API")
        if self.flavor == "openbao" and not self.audit_devices:
            raise SettingError("audit_devices", "empty", "at least one: OpenBao takes them from this file only")
        if self.flavor == "vault" and self.regain_socket:
            raise SettingError("regain_socket", "given", "none: Vault has one setting of this for all its listeners")
        if self.flavor == "vault" and self.reload:
            raise SettingError("reload", "given", "none: Vault takes another certificate after SIGHUP only")
        for name, address in (("api_address", self.api_address), ("cluster_address", self.cluster_address)):
            if address is not None:
                _https(name, address)

    def _hold_seal(self) -> None:
        """A seal that the flavour has, by a plugin or by itself."""
        plugs_in = self.flavor == "openbao" and self.seal.kind == "awskms"
        if self.kms_plugin and not plugs_in:
            expected = f"none: {self.flavor!r} has no use for it beside a seal of kind {self.seal.kind!r}"
            raise SettingError("kms_plugin", "given", expected)
        if self.kms_plugin and not self.plugin_directory:
            raise SettingError("plugin_directory", "missing", "it beside kms_plugin")
        if self.flavor not in self.seal.flavors and not self.kms_plugin:
            raise SettingError("seal.kind", repr(self.seal.kind), f"one that {self.flavor!r} has")


def _https(name: str, address: str) -> None:
    if not address.startswith("https://"):
        raise SettingError(name, repr(address), "an https:// URL")


def _regain(socket: str | None) -> list[str]:
    """A way in for key shares alone. Without a token anybody could begin and cancel attempts, so none but root gets
    there."""
    lines = [f"address = {quote(socket or '')}", "disable_unauthed_generate_root_endpoints = false"]
    return block('listener "unix"', lines) if socket else []


def _told(**values: str | None) -> list[str]:
    """A line for each value that there is."""
    return [f"{name} = {quote(value)}" for name, value in values.items() if value is not None]


def render(server: ServerHcl) -> str:
    """The whole file."""
    lines = [
        *block(
            'storage "raft"',
            [
                f"path = {quote(server.storage_path)}",
                *_told(node_id=server.node_id),
                _RAFT,
                *(line for other in server.retry_join for line in other.stanza()),
            ],
        ),
        *(server.kms_plugin.lines(server.plugin_directory or "") if server.kms_plugin else ()),
        *server.seal.stanza(server.seal_place),
        *block(
            'listener "tcp"',
            [
                f"address = {quote(server.listener_address)}",
                f"cluster_address = {quote(server.cluster_listener_address)}",
                f"tls_cert_file = {quote(server.certificate_file)}",
                f"tls_key_file = {quote(server.key_file)}",
                'tls_min_version = "tls13"',
                *(_RELOAD if server.reload else ()),
                *block(
                    "custom_response_headers",
                    block('"default" =', ['"Strict-Transport-Security" = ["max-age=31536000; includeSubDomains"]']),
                ),
                *(server.telemetry.listener() if server.telemetry else ()),
            ],
        ),
        *_regain(server.regain_socket),
        *(server.telemetry.stanza() if server.telemetry else ()),
        *(line for name, device in server.audit_devices.items() for line in audit.stanza(name, device)),
        *(['service_registration "kubernetes" {}'] if server.registers_pods else ()),
        *_told(api_addr=server.api_address, cluster_addr=server.cluster_address),
        f"cluster_name = {quote(server.cluster_name)}",
        *_LIMITS,
        'log_format = "json"',
        "ui = false",
    ]
    if server.flavor == "vault":
        # OpenBao has dropped mlock and never had the other one: it warns "unknown or unsupported field" at each start.
        lines += ["disable_mlock = true", "deny_slash_in_templated_paths = true"]
    return "\n".join(lines) + "\n"
