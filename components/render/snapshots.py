"""Raft snapshots: where they go, how often, who can read them, how long they stay, and the program that takes them.

Owns what settings say, and the program with its parameters, usable by a node, a job or a person alike. Refuses a
snapshot nobody could open, a store in the clear, a retention that keeps none, and every secret: the login's private key
and the bucket's credential lie in a folder where the program runs.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..model import Form, HttpsUrl, Name, PositiveSeconds, RelativeFile, Section, SettingError, duration_text
from .calendar import Calendar, longest_pause_seconds
from .shortened import without_comments
from .traffic import Need, need_of_url

NODE_LOGIN = "snapshots"
"""Name of the `cert` role, and of its ACL policy, with which a node takes snapshots and does nothing else."""
OPERATOR_LOGIN = "snapshot-operator"
"""Name of those with which a person takes and restores one. The administrator may do neither."""

PREFIX = "raft/"
"""What the names of all snapshots begin with (payloads/snapshot.py)."""
CANARY_MOUNT = "vault-estate"
"""A KV mount of the estate's own: how an application's is set can't keep a snapshot from being taken."""
CANARY = f"{CANARY_MOUNT}/data/canary"
"""API path of the secret that tells how far a snapshot reaches: each one writes it anew, each restore reads it."""

LONGEST_BUCKET = 63
"""Characters in a bucket's name (AWS S3, Bucket naming rules)."""
BucketName = Annotated[
    str,
    Form(
        rf"[a-z0-9](?:[a-z0-9-]{{1,{LONGEST_BUCKET - 2}}}[a-z0-9])",
        "a bucket's name: 3 to 63 lower-case letters, digits and '-'",
    ),
    Form(
        r"(?!xn--|sthree-|amzn-s3-demo-).*(?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)",
        "a bucket's name that begins with none of xn--, sthree-, amzn-s3-demo- and ends with none of -s3alias, "
        "--ol-s3, --x-s3, --table-s3, which S3 keeps for itself",
    ),
]
Count = Annotated[int, Field(ge=0, le=1_000)]


class Bucket(Section):
    """A bucket of an S3 service, such as Hetzner Object Storage. Old snapshots can be hidden there, not destroyed."""

    kind: Literal["bucket"] = "bucket"
    """An S3 service."""
    name: BucketName
    """Unique among all customers of the service."""
    endpoint: HttpsUrl
    """The service's URL; Hetzner: `https://fsn1.your-objectstorage.com`."""
    region: Annotated[str, Form(r"[a-z0-9-]+", "a region such as fsn1")]
    """Hetzner: the location, such as `fsn1`."""
    lock_days: Annotated[int, Field(ge=1, le=3_650)] = 14
    """How long nobody can destroy a snapshot (object lock, governance mode). Can be had only when a bucket is made."""
    profile: Name | None = None
    """Name of the profile in AWS' files with which whoever runs `./estate` reaches this service; it comes before the
    variables `AWS_*`. None: those variables. The node has a credential of its own."""
    writer: (
        Annotated[str, Form(r"arn:aws:iam::\S*:\S+", "the ARN of a user, such as arn:aws:iam:::user/p1:KEY")] | None
    ) = None
    """ARN of the credential that is brought to the node; the bucket's policy takes from it all but adding, looking and
    hiding. Without it nothing is taken from that credential, and whoever breaks into the node may do with the bucket
    all that the credential may; at Hetzner that is everything but removing what a lock keeps. Set it."""

    def needs(self) -> tuple[Need, ...]:
        """The service."""
        return (need_of_url(self.endpoint, "snapshots"),)


class Folder(Section):
    """A folder on this machine, for development: it is lost with the machine."""

    kind: Literal["folder"] = "folder"
    """This machine."""
    path: RelativeFile
    """Relative to the project's root."""


class Retention(Section):
    """How many are kept: the newest of each of so many hours, days and weeks that have one."""

    hourly: Count = 24
    """Of so many hours."""
    daily: Count = 14
    """Of so many days."""
    weekly: Count = 8
    """Of so many weeks."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.hourly or self.daily or self.weekly):
            raise SettingError("hourly", "0", "it, daily or weekly above 0, or no snapshot would be kept")
        return self


class Snapshots(Section):
    """Copies of everything Vault holds, encrypted before they leave its machine."""

    store: Annotated[Bucket | Folder, Field(discriminator="kind")]
    """Where they go."""
    schedule: Calendar = "hourly"
    """When the node takes one: a calendar event of systemd, such as `hourly` or `*-*-* 00/4:15`. In a cluster a
    pod does, by UTC, at an event that cron can say; on the local platform a person, with `./estate snapshot`."""
    keep: Retention = Retention()
    """How many are kept."""
    recipients: Annotated[tuple[RelativeFile, ...], Field(min_length=1, strict=False)]
    """Files of age public keys (`age1…`), relative to the project's root. Each holder can open every snapshot."""
    stale_after: PositiveSeconds = 10_800
    """Age from which the newest snapshot is too old to be called a backup: three hours, so that one failed run of an
    hourly schedule alarms nobody. At least the longest time between two by `schedule`."""
    certificate: RelativeFile
    """PEM file of the public certificate of who may take a snapshot by hand and restore one, relative to the project's
    root. Its private key lies beside it and ends in `.key`."""
    node_certificate: RelativeFile | None = None
    """The same for the node, which may only take them. Its private key is brought to the node by an operator."""

    @model_validator(mode="after")
    def _stale(self) -> Self:
        pause = longest_pause_seconds(self.schedule)
        if self.stale_after < pause:
            expected = f"at least {duration_text(pause)}, the longest time between two snapshots by schedule"
            raise SettingError("stale_after", duration_text(self.stale_after), f"{expected}, {self.schedule!r}")
        return self

    @property
    def bucket(self) -> Bucket:
        """The store, where it has to be off the machine. Raises SettingError where it is a folder."""
        if self.store.kind != "bucket":
            raise SettingError("snapshots.store.kind", repr(self.store.kind), "'bucket', off the machine")
        return self.store

    def keys(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """The recipients' age public keys; `texts` is what the files hold that settings name."""
        return tuple(recipient(texts[file]) for file in self.recipients)


_PROGRAM = Path(__file__).parents[1] / "payloads" / "snapshot.py"
_RECIPIENT = r"age1[02-9ac-hj-np-z]{58}"
AGE_KEY = Form(rf"(?:(?:#.*)?\s*\n\s*)*{_RECIPIENT}(?:\s*\n\s*(?:#.*)?)*", "one age public key, age1 and 58 characters")
"""A file with one key, which may have comments as `age-keygen` writes them."""


def recipient(text: str) -> str:
    """The key in a file that has the form `AGE_KEY`."""
    return next(line.strip() for line in text.splitlines() if re.fullmatch(_RECIPIENT, line.strip()))


@dataclass(frozen=True, kw_only=True)
class PodLogin:
    """A login of the Kubernetes auth method, whose role is called as a node's (`NODE_LOGIN`)."""

    mount: str
    """Where the method is mounted."""
    token_file: str
    """File of the pod's token, made for Vault."""


@dataclass(frozen=True, kw_only=True)
class SnapshotRun:
    """What only the place knows where the program runs."""

    address: str
    """URL of the server's API, as the program sees it."""
    ca_file: str
    """What verifies the server there."""
    recipients: tuple[str, ...]
    """age public keys."""
    credentials: str | None = None
    """Folder of the login's pair, and of what goes with the snapshots where that is asked for."""
    pod_login: PodLogin | None = None
    """How a pod logs in; none: by the pair of `credentials`."""
    metrics: str | None = None
    """File for what a node exporter reads."""
    escrow: bool = False
    """Whether the key of the static seal, encrypted for the recipients, and the key shares go with them."""


def program() -> str:
    """The program, shortened. Needs Python 3.11 or later, boto3 and age."""
    return without_comments(_PROGRAM.read_text(encoding="utf-8"), "components/payloads/snapshot.py")


def whole_program() -> str:
    """The program as it is in the repository, where there is room. Needs Python 3.11 or later, boto3 and pyrage."""
    return _PROGRAM.read_text(encoding="utf-8")


def parameters(snapshots: Snapshots, run: SnapshotRun) -> str:
    """What the program is told. Raises SettingError where the store isn't a bucket."""
    told = {
        "address": run.address,
        "ca_file": run.ca_file,
        "role": NODE_LOGIN,
        "canary": CANARY,
        "recipients": run.recipients,
        "credentials": run.credentials,
        "bucket": snapshots.bucket.model_dump(include={"name", "endpoint", "region"}),
        "keep": snapshots.keep.model_dump(),
        "stale_after_seconds": snapshots.stale_after,
        "metrics": run.metrics,
        **({"pod_login": asdict(run.pod_login)} if run.pod_login else {}),
        **({"escrow": True} if run.escrow else {}),
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"
