"""First boot: who holds the keys and who administers, as settings say it, and the program's parameters as text.

Owns which parameters the program gets, the same on every platform. Refuses what would only fail after the server was
initialised. Nothing here is secret: PGP keys and the administrator's certificate are public.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ..model import (
    Form,
    Name,
    PositiveSeconds,
    RelativeFile,
    Section,
    SettingError,
    at_least_by_profile,
    by_profile,
    duration_text,
    exactly_one,
    twins,
)
from .login import CertificateLogin

_PAYLOADS = Path(__file__).parents[1] / "payloads"
_PROGRAM = _PAYLOADS / "bootstrap.py"
ADMINISTRATOR = "administrator"
"""Name of the administrator's `cert` role, and of its ACL policy."""
ADMINISTRATOR_TRIAL = "administrator-trial"
"""Of the copies that are there for as long as a change of these two is tried."""
SHORTEST_TOKEN_SECONDS = 300
"""An `up` with one certificate authority to make takes most of a minute on a small server."""

CertificatePem = Annotated[
    str,
    Form(
        r"-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n?",
        "one PEM certificate, from -----BEGIN CERTIFICATE----- to its end",
    ),
]


class Operator(Section):
    """A person who holds one share of the unseal or recovery key."""

    name: Name
    """Whose share it is; stands beside the encrypted share."""
    pgp_key: RelativeFile
    """File of the person's public OpenPGP key, relative to the project's root."""


class Administrator(Section):
    """The identity that configures Vault: a client certificate whose private key never leaves its holder.

    Each half is either a file beside the project, or stands in the stack's file: the certificate as text, the private
    key as a secret. `./estate keys` writes the latter two.
    """

    certificate: RelativeFile | None = None
    """PEM file of the public certificate, relative to the project's root. Either this or `certificate_pem`."""
    certificate_pem: CertificatePem | None = None
    """The public certificate itself."""
    private_key: RelativeFile | None = None
    """PEM file of its private key; read by the provider only, never copied into state. Either this or
    `private_key_secret`."""
    private_key_secret: Name | None = None
    """Name of the flat, encrypted setting that holds the private key as PEM."""
    token_ttl: PositiveSeconds = 3_600
    """How long one login lasts, five minutes at least. It must outlive the longest `pulumi up`."""

    def login(self, stack: str) -> CertificateLogin:
        """With the files that the settings name, or those where what they hold is put when the program starts."""
        return CertificateLogin(
            certificate_file=self.certificate or f".estate/{stack}/administrator.crt",
            private_key_file=self.private_key or f".estate/{stack}/administrator.key",
        )

    def pem(self, texts: Mapping[str, str]) -> str:
        """The public certificate; `texts` is what the files hold that settings name."""
        return self.certificate_pem or texts[self.certificate or ""]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.token_ttl < SHORTEST_TOKEN_SECONDS:
            raise SettingError("token_ttl", duration_text(self.token_ttl), "at least 5m, which an `up` may take")
        exactly_one(self, "certificate", "certificate_pem")
        exactly_one(self, "private_key", "private_key_secret")
        return self


class Bootstrap(Section):
    """First boot: who gets a share, how many are needed, and who may log in afterwards."""

    operators: Annotated[
        tuple[Operator, ...],
        Field(min_length=1, strict=False),
        at_least_by_profile(unless="threshold", development=1, staging=5, production=5),
    ]
    """Who gets a share; one each. Where `threshold` isn't given, five are expected in staging and production."""
    threshold: Annotated[int, Field(ge=1)] = by_profile(development=1, staging=3, production=3)
    """Shares needed to unseal, or to act with the recovery key."""
    administrator: Administrator

    @model_validator(mode="after")
    def _check(self) -> Self:
        count = len(self.operators)
        if self.threshold > count:
            raise SettingError("threshold", str(self.threshold), f"at most the number of operators, which is {count}")
        if self.threshold == 1 and count > 1:
            raise SettingError("threshold", "1", "at least 2 for several operators (the server refuses 1)")
        for number, _, name in twins({number: operator.name for number, operator in enumerate(self.operators)}):
            raise SettingError(f"operators[{number}].name", repr(name), "each name once")
        return self


@dataclass(frozen=True, kw_only=True)
class SharesSecret:
    """Key shares in AWS Secrets Manager: one secret for what first boot has got to, and one for each run's shares."""

    name: str
    """What the secrets' names begin with, such as `vault/staging/key-shares`."""
    region: str
    """Where they are."""
    kms_key_arn: str
    """Key that Secrets Manager encrypts them by, over the operators' own encryption."""
    kept: str
    """Policy that each of them gets, as IAM's JSON: who alone may end or replace it."""


@dataclass(frozen=True, kw_only=True)
class BootstrapRun:
    """One run of the program: what settings say, and what only the place knows where it runs."""

    bootstrap: Bootstrap
    texts: Mapping[str, str]
    """What the files hold that settings name, by their names."""
    address: str
    """https URL of the server as the program sees it."""
    ca_file: str
    """CA certificates the server is verified with, on the machine that runs the program."""
    auto_unseal: bool
    """Whether the server unseals itself; the operators then hold recovery keys instead of unseal keys."""
    shares_file: str | None = None
    """Absolute path of a file that doesn't exist yet, for the encrypted key shares; a record of completion is put
    beside it as `PATH.complete`. Either this or `shares_secret`."""
    shares_secret: SharesSecret | None = None
    """Where the program keeps the encrypted key shares if it runs where no disk lasts."""
    servers: int = 1
    """How many servers are one cluster. Where there are several, one that forwards to another will do."""
    policy: str
    """Text of the administrator's ACL policy."""
    token_bound_cidrs: tuple[str, ...] = ()
    """Networks the administrator's token may be used from; empty means any."""
    snapshot: str | None = None
    """Where a snapshot of this server would be; if it exists, an empty server isn't initialised."""
    wait_seconds: int = 120
    """How long the server may take to answer."""
    unseal_wait_seconds: int = 86_400
    """How long the program waits for the operators to unseal a server without auto-unseal: a day, so that people of all
    time zones come to it. When it ends their shares are void, and everybody gets another. The root token is in this
    process's memory meanwhile, and good for nothing: a sealed server takes shares and tells its seal, and does nothing
    else (https://openbao.org/docs/concepts/seal/). Such a node doesn't reboot by itself."""

    def __post_init__(self) -> None:
        if not self.address.startswith("https://"):
            raise SettingError("address", repr(self.address), "one that begins with https://")
        if not self.policy.strip():
            raise SettingError("policy", "empty", "rules, or the administrator could do nothing")
        if (self.shares_file is None) is (self.shares_secret is None):
            given = "missing" if self.shares_file is None else "given beside shares_secret"
            raise SettingError("shares_file", given, "either this or shares_secret")
        if self.shares_secret is not None and not self.auto_unseal:
            # People may take a day to unseal, and another run would have to wait for this one as long.
            raise SettingError("auto_unseal", "false", "true where key shares are kept in a secret of AWS")


def program() -> str:
    """The program, to be run as `python3 FILE PARAMETERS.json`. Needs Python 3.9 or later."""
    return _PROGRAM.read_text(encoding="utf-8")


def programs_of_a_job() -> dict[str, str]:
    """The program and what it loads where key shares are kept in AWS, by their files' names; they belong into one
    folder. Beside the standard library they need boto3 and pysequoia."""
    names = ("bootstrap.py", "key_shares_in_aws.py")
    return {name: (_PAYLOADS / name).read_text(encoding="utf-8") for name in names}


def publishing_program() -> dict[str, str]:
    """The program that publishes the servers' authority in a cluster, by its file's name."""
    return {"publish_authority.py": (_PAYLOADS / "publish_authority.py").read_text(encoding="utf-8")}


def administrator_role(
    certificate: str, token_ttl: int, token_bound_cidrs: Sequence[str], name: str = ADMINISTRATOR
) -> dict[str, Any]:
    """The administrator's role of the `cert` auth method, whoever writes it. Its ACL policy has its name."""
    return {
        "certificate": certificate,
        "display_name": name,
        "token_policies": [name],
        "token_ttl": token_ttl,
        "token_max_ttl": token_ttl,
        "token_bound_cidrs": list(token_bound_cidrs),
    }


def parameters(run: BootstrapRun) -> str:
    """The parameters file, stable and free of secrets."""
    first = run.bootstrap
    told = {
        "address": run.address,
        "ca_file": run.ca_file,
        "auto_unseal": run.auto_unseal,
        "threshold": first.threshold,
        "operators": [{"name": one.name, "public_key": run.texts[one.pgp_key]} for one in first.operators],
        "servers": run.servers,
        "custody": {"kind": "file", "path": run.shares_file}
        if run.shares_secret is None
        else {"kind": "secrets_manager", **asdict(run.shares_secret)},
        "snapshot": run.snapshot,
        "wait_seconds": run.wait_seconds,
        "unseal_wait_seconds": run.unseal_wait_seconds,
        "administrator": {
            "mount": "cert",
            "policy_name": ADMINISTRATOR,
            "policy": run.policy,
            "role_name": ADMINISTRATOR,
            "role": administrator_role(
                first.administrator.pem(run.texts), first.administrator.token_ttl, run.token_bound_cidrs
            ),
        },
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"
