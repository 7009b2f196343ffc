"""Settings of Raft snapshots: where they go, how often, who can read them, how long they stay.

Owns what can be asked for. Refuses a snapshot nobody could open, a store in the clear, and a retention that keeps none.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.model import Form, HttpsUrl, Name, PositiveSeconds, RelativeFile, Section, SettingError

NODE_LOGIN = "snapshots"
"""Name of the `cert` role, and of its ACL policy, with which a node takes snapshots and does nothing else."""
OPERATOR_LOGIN = "snapshot-operator"
"""Name of those with which a person takes and restores one. The administrator may do neither."""

CANARY = "vault-estate/canary"
"""Path, in the KV mount of the first name, of the secret that tells how far a snapshot reaches."""

BucketName = Annotated[
    str, Form(r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])", "a bucket's name: 3 to 63 lower-case letters, digits and '-'")
]
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_NUMBER = r"[0-9*][0-9*,./]*"
_CALENDAR = re.compile(
    r"minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually"
    rf"|(?:{_DAY}(?:(?:,|\.\.){_DAY})* )?(?:{_NUMBER}(?:[-~]{_NUMBER}){{1,2}} )?{_NUMBER}(?::{_NUMBER}){{1,2}}(?: UTC)?"
)


def _calendar(value: str) -> str:
    if not _CALENDAR.fullmatch(value):
        msg = "expected a calendar event of systemd with a time, such as hourly, *-*-* 00/4:15 or Mon,Thu 03:30 UTC"
        raise ValueError(msg)
    return value


Calendar = Annotated[str, AfterValidator(_calendar)]
Count = Annotated[int, Field(ge=0, le=1_000)]


class Bucket(Section):
    """A bucket of an S3 service, such as Hetzner Object Storage. Old snapshots can be hidden there, not destroyed."""

    kind: Literal["bucket"]
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
    hiding. None: whoever breaks into the node may do to the bucket what the service lets that credential do, at
    Hetzner everything that no lock forbids. Set it."""


class Folder(Section):
    """A folder on this machine, for development: it is lost with the machine."""

    kind: Literal["folder"]
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
    """When the node takes one: a calendar event of systemd, such as `hourly` or `*-*-* 00/4:15`. On the local platform
    a person does, with `./estate snapshot`."""
    keep: Retention = Retention()
    """How many are kept."""
    recipients: Annotated[tuple[RelativeFile, ...], Field(min_length=1, strict=False)]
    """Files of age public keys (`age1…`), relative to the project's root. Each holder can open every snapshot."""
    stale_after: PositiveSeconds = 10_800
    """Age from which the newest snapshot is too old to be called a backup: three hours, so that one failed run of an
    hourly schedule alarms nobody."""
    certificate: RelativeFile
    """PEM file of the public certificate of who may take a snapshot by hand and put one back, relative to the project's
    root. Its private key lies beside it and ends in `.key`."""
    node_certificate: RelativeFile | None = None
    """The same for the node, which may only take them. Its private key is brought to the node by an operator."""
