"""ACL policies: a typed model, its checks, its canonical HCL, and what an application may be granted.

Owns the wording of every grant in the estate. Refuses what can't be read at a glance: a wildcard outside of its owner's
prefixes or anywhere but at the end, templates, two rules for one path, `sudo` or Vault's own paths for anyone but an
administrator. (They are called ACL policies; `policies/` is Pulumi's.)
"""

import enum
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from ..model import NAME, POLICY_NAME, Form, PolicyName, hold
from .bootstrap import ADMINISTRATOR
from .snapshots import CANARY, CANARY_MOUNT, NODE_LOGIN, OPERATOR_LOGIN

_WILDCARDS = ("*", "+")
TENANT = "{tenant}"
"""A segment of a rule's path: how whoever asks is called at the tenants' login."""
TENANTS = "vault-estate-tenants"
"""Name of the tenants' ACL policy, and of the role that gives it."""
_ACCESSOR = re.compile(r"[^\s{}/\"'\\]+")
STATE_RECORD = "vault-estate-up"
"""Name of an ACL policy that grants nothing to nobody: a text that the administrator may write, and that a snapshot
takes along. It tells of which state the server is."""
GROUP_PREFIX = "group-"
"""How the name of a group's ACL policy begins."""
PERSON_PREFIX = "person-"
"""How that of one person's begins, and of their role if they log in by certificate."""
ROTATOR_PREFIX = "rotator-"
"""How that of a login begins that rotates an application's secrets, and the name of the login."""
OWN_POLICIES = (ADMINISTRATOR, NODE_LOGIN, OPERATOR_LOGIN, STATE_RECORD, TENANTS)
NOT_OF_THE_ESTATE = Form(
    rf"(?!(?:{'|'.join(OWN_POLICIES)})\Z|{GROUP_PREFIX}|{PERSON_PREFIX}|{ROTATOR_PREFIX}).*",
    f"another name than {', '.join(OWN_POLICIES)}, which the estate itself uses, and none that begins with "
    f"{GROUP_PREFIX}, {PERSON_PREFIX} or {ROTATOR_PREFIX}",
)
"""An application's policy of such a name would take the place of the estate's own."""
ApplicationName = Annotated[PolicyName, NOT_OF_THE_ESTATE]
"""Name of an application, and with it of its ACL policy and its roles."""


class Capability(enum.StrEnum):
    """What Vault lets a token do with a path, in the words of Vault's policy language."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    LIST = "list"
    SUDO = "sudo"
    DENY = "deny"


@dataclass(frozen=True, kw_only=True)
class AclRule:
    """One path and what may be done there."""

    path: str
    """The API path without `/v1/`; `*` as last segment is everything below, `+` exactly one segment."""
    capabilities: frozenset[Capability]
    """What is allowed; `deny` stands alone."""
    minimum_wrapping_ttl_seconds: int = 0
    """If not 0, the answer must be asked for response-wrapped, for at least so long."""
    allowed_parameters: frozenset[str] = frozenset()
    """If not empty, a write may hold these and no others."""

    def __post_init__(self) -> None:
        """Raise ValueError for a path that reads otherwise than it looks, or capabilities that don't go together."""
        _check_path(self.path)
        known = set(Capability)
        unknown = sorted(str(capability) for capability in self.capabilities if capability not in known)
        if unknown:
            raise ValueError(
                f"capabilities of {self.path!r}: {unknown[0]!r} isn't known: expected some of {', '.join(Capability)}"
            )
        if not self.capabilities:
            raise ValueError(f"capabilities of {self.path!r}: is empty: expected at least one")
        if Capability.DENY in self.capabilities and len(self.capabilities) > 1:
            raise ValueError(f"capabilities of {self.path!r}: 'deny' overrides the others: expected it alone")
        for parameter in self.allowed_parameters:
            hold(f"allowed_parameters of {self.path!r}", parameter, NAME.check)
        wrapping = self.minimum_wrapping_ttl_seconds
        if wrapping < 0:
            raise ValueError(f"minimum_wrapping_ttl_seconds of {self.path!r}: {wrapping}: expected 0 or more")


@dataclass(frozen=True, kw_only=True)
class AclPolicy:
    """A named set of rules that belongs to one owner."""

    name: str
    """Name in Vault: lower case, since Vault folds it."""
    prefixes: tuple[str, ...] = ()
    """The owner's part of the API, segments joined by slashes: the only places where its rules may have wildcards."""
    rules: tuple[AclRule, ...]
    """What is granted; one rule a path. Two are refused rather than merged: a merge would grant what neither says."""
    administrative: bool = False
    """May hold `sudo`, Vault's own paths (`sys/`) and `+` in the middle. For operators, never for applications."""

    def __post_init__(self) -> None:
        """Raise ValueError for a name Vault keeps, no rule, a path twice, or a rule its owner may not have."""
        hold("name", self.name, POLICY_NAME.check)
        if not self.administrative:
            hold("name", self.name, NOT_OF_THE_ESTATE.check)
        for prefix in self.prefixes:
            _check_path(prefix)
            if any(segment in _WILDCARDS for segment in prefix.split("/")):
                raise ValueError(f"prefixes of {self.name!r}: {prefix!r} has a wildcard: expected plain segments")
        if not self.rules:
            raise ValueError(f"rules of {self.name!r}: is empty: expected at least one")
        seen: set[str] = set()
        for rule in self.rules:
            if rule.path in seen:
                raise ValueError(f"rules of {self.name!r}: {rule.path!r} is there twice: expected one rule a path")
            seen.add(rule.path)
            if not self.administrative:
                self._check_application_rule(rule)

    def _check_application_rule(self, rule: AclRule) -> None:
        segments = rule.path.split("/")
        if Capability.SUDO in rule.capabilities:
            raise ValueError(f"rules of {self.name!r}: {rule.path!r} asks for 'sudo': only administrative policies may")
        if segments[0] == "sys":
            raise ValueError(f"rules of {self.name!r}: {rule.path!r} is Vault's own: only administrative policies may")
        if any(segment in _WILDCARDS for segment in segments[:-1]):
            raise ValueError(f"rules of {self.name!r}: {rule.path!r}: expected a wildcard only as the last segment")
        if segments[-1] in _WILDCARDS and not any(rule.path.startswith(f"{prefix}/") for prefix in self.prefixes):
            owned = ", ".join(self.prefixes) or "none"
            raise ValueError(
                f"rules of {self.name!r}: {rule.path!r} has a wildcard outside of its owner's prefixes: expected one "
                f"below {owned}"
            )


def _check_path(path: str) -> None:
    if not path.isprintable() or any(character in path for character in "\"'\\`") or "${" in path or "{{" in path:
        raise ValueError(
            f"path: {path!r} has a control character, a quote, a backslash or a template: expected plain text"
        )
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            raise ValueError(f"path: {path!r} has an empty, '.' or '..' segment: expected segments joined by one slash")
        if segment != segment.strip():
            raise ValueError(f"path: {path!r} has a space beside a slash: expected none")
        if segment != TENANT and ("{" in segment or "}" in segment):
            raise ValueError(f"path: {path!r} has a brace inside of {segment!r}: expected none, or {TENANT}")
        if segment not in _WILDCARDS and any(wildcard in segment for wildcard in _WILDCARDS):
            raise ValueError(
                f"path: {path!r} has a wildcard inside of {segment!r}: expected it to be a segment of its own"
            )
    if "*" in path.split("/")[:-1]:
        raise ValueError(f"path: {path!r} goes on after '*': expected that only at the end")


def render(policy: AclPolicy, tenants_accessor: str = "") -> str:
    """Canonical HCL of `policy`: rules by path, capabilities in alphabetical order, strings quoted by JSON's rules.

    The same policy always gives the same bytes, whatever order it was written in. JSON's escapes are a subset of HCL's.
    `tenants_accessor` is the mount at which tenants log in. Raises ValueError: a rule has the tenant in its path, and
    the mount isn't given.
    """
    has_tenants = any(TENANT in rule.path.split("/") for rule in policy.rules)
    if has_tenants and not _ACCESSOR.fullmatch(tenants_accessor):
        raise ValueError(f"tenants_accessor is {tenants_accessor!r}; expected the accessor of an auth method's mount")
    # The alias's name and never its metadata, which each login anew overwrites for tokens that are there.
    template = f"{{{{identity.entity.aliases.{tenants_accessor}.name}}}}"
    rules = sorted(policy.rules, key=lambda rule: rule.path)
    return "\n".join(_render_rule(rule, _with_tenant(rule.path, template)) for rule in rules)


def _with_tenant(path: str, template: str) -> str:
    return "/".join(template if segment == TENANT else segment for segment in path.split("/"))


def _render_rule(rule: AclRule, path: str) -> str:
    capabilities = ", ".join(f'"{capability}"' for capability in sorted(rule.capabilities))
    lines = [f"path {json.dumps(path, ensure_ascii=False)} {{", f"  capabilities = [{capabilities}]"]
    if rule.allowed_parameters:
        allowed = ", ".join(f'"{name}" = []' for name in sorted(rule.allowed_parameters))
        lines.append(f"  allowed_parameters = {{ {allowed} }}")
    if rule.minimum_wrapping_ttl_seconds:
        lines.append(f'  min_wrapping_ttl = "{rule.minimum_wrapping_ttl_seconds}s"')
    return "\n".join([*lines, "}", ""])


def _rule(path: str, *capabilities: Capability) -> AclRule:
    return AclRule(path=path, capabilities=frozenset(capabilities))


def kv_prefixes(mount: str, path: str = "") -> tuple[str, ...]:
    """The prefixes that own a KV v2 subtree: `path` below `mount`, or all of `mount` if it is empty."""
    return tuple("/".join(part for part in (mount, api, path) if part) for api in ("data", "metadata"))


def kv_read(mount: str, path: str) -> tuple[AclRule, ...]:
    """Read one KV v2 secret (`app/database`) or everything below a path (`app/*`), and see its names and versions."""
    content, metadata = kv_prefixes(mount, path)
    return (_rule(content, Capability.READ), _rule(metadata, Capability.LIST, Capability.READ))


def kv_write(mount: str, path: str) -> tuple[AclRule, ...]:
    """Read and write as `kv_read` names it. Deleting versions, and a secret with its history, is left to operators."""
    content, metadata = kv_prefixes(mount, path)
    writing = (Capability.CREATE, Capability.PATCH, Capability.READ, Capability.UPDATE)
    return (_rule(content, *writing), _rule(metadata, Capability.LIST, Capability.READ))


def tenants_policy(mount: str, folder: str, access: Literal["read", "write"]) -> AclPolicy:
    """Each tenant its own folder of a KV v2 mount, and nothing above it."""
    rules = (kv_write if access == "write" else kv_read)(mount, f"{folder}/{TENANT}/*")
    return AclPolicy(name=TENANTS, rules=rules, administrative=True)


def kv_own(mount: str, path: str, *, destroys: bool) -> tuple[AclRule, ...]:
    """Do everything with one KV v2 secret that a person who owns it does, and see the folders it is in. Versions that
    are deleted can be had again; what ends them for good, and the secret with its history, takes `destroys`."""
    content, metadata = kv_prefixes(mount, path)
    writing = (Capability.CREATE, Capability.DELETE, Capability.PATCH, Capability.READ, Capability.UPDATE)
    noting = [Capability.LIST, Capability.PATCH, Capability.READ, *([Capability.DELETE] if destroys else [])]
    ends = ("delete", "undelete", *(("destroy",) if destroys else ()))
    return (
        *kv_folders(mount, path),
        _kv_names(mount, path),
        _rule(content, *writing),
        AclRule(path=metadata, capabilities=frozenset(noting), allowed_parameters=frozenset({"custom_metadata"})),
        *(_rule(f"{mount}/{step}/{path}", Capability.UPDATE) for step in ends),
    )


def kv_rotate(mount: str, path: str) -> tuple[AclRule, ...]:
    """Give one KV v2 secret new values, note when, and keep the record of it in the estate's own mount. It begins no
    secret and ends no version of one."""
    content, metadata = kv_prefixes(mount, path)
    noting = AclRule(
        path=metadata,
        capabilities=frozenset({Capability.PATCH, Capability.READ}),
        allowed_parameters=frozenset({"custom_metadata"}),
    )
    return (_rule(content, Capability.READ, Capability.UPDATE), noting, *kv_rotation_record(mount, path))


def kv_rotation_record(mount: str, path: str) -> tuple[AclRule, ...]:
    """The record of one KV v2 secret's rotation, which holds new values until they are in use."""
    own = f"rotation/{mount}/{path}"
    writing = (Capability.CREATE, Capability.READ, Capability.UPDATE)
    return (
        _rule(f"{CANARY_MOUNT}/data/{own}", *writing),
        _rule(f"{CANARY_MOUNT}/destroy/{own}", Capability.UPDATE),
    )


def kv_look(mount: str, path: str) -> tuple[AclRule, ...]:
    """See that one KV v2 secret is there, its versions, its values' names and its folders, and no value."""
    looking = _rule(kv_prefixes(mount, path)[1], Capability.LIST, Capability.READ)
    return (*kv_folders(mount, path), looking, _kv_names(mount, path))


def _kv_names(mount: str, path: str) -> AclRule:
    return _rule(f"{mount}/subkeys/{path}", Capability.READ)


def kv_folders(mount: str, path: str) -> tuple[AclRule, ...]:
    """List what is on the way to a KV v2 secret: its mount, and each folder."""
    parts = path.split("/")[:-1]
    folders = ["/".join(parts[:length]) for length in range(len(parts) + 1)]
    return tuple(_rule(kv_prefixes(mount, folder)[1], Capability.LIST) for folder in folders)


def look(*paths: str) -> tuple[AclRule, ...]:
    """Read what is at each path, and list what is there."""
    return tuple(_rule(path, Capability.LIST, Capability.READ) for path in paths)


def ask(*paths: str) -> tuple[AclRule, ...]:
    """Send each path a question, which changes nothing there."""
    return tuple(_rule(path, Capability.UPDATE) for path in paths)


def hand_over() -> tuple[AclRule, ...]:
    """Have the leader of several servers step down, so that it can be replaced. Vault demands `sudo`."""
    return (_rule("sys/step-down", Capability.UPDATE, Capability.SUDO),)


def take_out() -> tuple[AclRule, ...]:
    """Take one of several servers out of Raft, so that it can join again with empty volumes."""
    return (_rule("sys/storage/raft/remove-peer", Capability.UPDATE),)


def merged(rules: Iterable[AclRule]) -> tuple[AclRule, ...]:
    """One rule a path: what several allow there together. A secret can be a folder, too."""
    found: dict[str, AclRule] = {}
    for rule in rules:
        other = found.get(rule.path, rule)
        found[rule.path] = replace(
            rule,
            capabilities=rule.capabilities | other.capabilities,
            allowed_parameters=rule.allowed_parameters | other.allowed_parameters,
        )
    return tuple(found.values())


def database_credentials(mount: str, role: str) -> tuple[AclRule, ...]:
    """Lease a login of a dynamic role."""
    return (_rule(f"{mount}/creds/{role}", Capability.READ),)


def database_static_credentials(mount: str, role: str) -> tuple[AclRule, ...]:
    """Read the login of a static role."""
    return (_rule(f"{mount}/static-creds/{role}", Capability.READ),)


def transit_use(mount: str, key: str) -> tuple[AclRule, ...]:
    """Encrypt and decrypt with one key, and bring what it encrypted to its newest version.

    `update` and not `create`: encrypting with `create` would make the key if it is missing.
    """
    return tuple(_rule(f"{mount}/{use}/{key}", Capability.UPDATE) for use in ("encrypt", "decrypt", "rewrap"))


def pki_issue(mount: str, role: str) -> tuple[AclRule, ...]:
    """Get a key and a certificate by one role."""
    return (_rule(f"{mount}/issue/{role}", Capability.UPDATE),)


def secret_id_renew(auth_mount: str, role: str) -> tuple[AclRule, ...]:
    """Get the next SecretID of one AppRole, response-wrapped only, and destroy one that is known."""
    path = f"{auth_mount}/role/{role}/secret-id"
    asking = AclRule(path=path, capabilities=frozenset({Capability.UPDATE}), minimum_wrapping_ttl_seconds=1)
    return (asking, _rule(f"{path}/destroy", Capability.UPDATE))


def snapshot_take(name: str) -> AclPolicy:
    """Take a snapshot of the whole server, and write the canary that tells how far it reaches."""
    writing = _rule(CANARY, Capability.CREATE, Capability.UPDATE)
    return AclPolicy(
        name=name, rules=(_rule("sys/storage/raft/snapshot", Capability.READ), writing), administrative=True
    )


def snapshot_restore(name: str) -> AclPolicy:
    """Take a snapshot and put one back, which replaces everything the server holds; read the canary in it."""
    writing = (Capability.CREATE, Capability.UPDATE)
    rules = (
        _rule("sys/storage/raft/snapshot", Capability.READ, *writing),
        # For one that another seal vouches for.
        _rule("sys/storage/raft/snapshot-force", *writing),
        _rule("sys/storage/raft/configuration", Capability.READ),
        # The token with which a snapshot was taken is alive in it.
        _rule("auth/token/revoke-accessor", Capability.UPDATE),
        _rule(CANARY, Capability.READ, *writing),
    )
    return AclPolicy(name=name, rules=rules, administrative=True)
