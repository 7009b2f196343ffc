"""What a signed request to AWS asks for: actions, on which things, and what conditions read of it.

Owns the names of S3's, of Secrets Manager's, of KMS' and of the token service's actions. Other services' have their own
names, and are asked of all things at once. Refuses a request to S3 that it has no name for.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, unquote

from fake_providers.iam.policies import Question, in_small_letters

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/[0-9]+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_CIPHERTEXT = re.compile(rb"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ENCRYPTION = "x-amz-server-side-encryption"
_KEY_OF_UPLOAD = f"{_ENCRYPTION}-aws-kms-key-id"
_OF_BUCKET = {
    ("GET", ""): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("GET", "versions"): "ListBucketVersions",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "location"): "GetBucketLocation",
    **{
        (method, part): f"{verb}{name}"
        for part, name in {
            "versioning": "BucketVersioning",
            "object-lock": "BucketObjectLockConfiguration",
            "encryption": "EncryptionConfiguration",
            "lifecycle": "LifecycleConfiguration",
            "ownershipControls": "BucketOwnershipControls",
            "publicAccessBlock": "BucketPublicAccessBlock",
            "policy": "BucketPolicy",
            "tagging": "BucketTagging",
        }.items()
        for method, verb in {"GET": "Get", "PUT": "Put"}.items()
    },
    ("DELETE", "policy"): "DeleteBucketPolicy",
}
_OF_OBJECT = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "GetObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("GET", "versionId"): "GetObjectVersion",
    ("HEAD", "versionId"): "GetObjectVersion",
    ("DELETE", "versionId"): "DeleteObjectVersion",
    ("PUT", "uploadId"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("POST", "uploads"): "PutObject",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "retention"): "GetObjectRetention",
    ("PUT", "retention"): "PutObjectRetention",
}
_PARTS = (
    "uploads",
    "uploadId",
    "retention",
    "versions",
    "versioning",
    "location",
    "object-lock",
    "encryption",
    "lifecycle",
    "ownershipControls",
    "publicAccessBlock",
    "policy",
    "tagging",
    "versionId",
)
_FURTHER = {
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "x-id",
}
"""Parameters that don't change what is asked."""


class UnknownRequestError(Exception):
    """What a request asks for isn't known here."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A request, and by which key it is signed."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By names in small letters."""
    body: bytes
    secure: bool
    """Whether it came by TLS."""
    access_key: str
    region: str
    service: str
    source: str
    """Address of who asks; empty: unknown."""

    @classmethod
    def read(
        cls,
        *,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        secure: bool,
        source: str = "",
    ) -> "Signed | None":
        """None where nobody signed it by a header."""
        found = _CREDENTIAL.search(headers.get("authorization", ""))
        if found is None:
            return None
        return cls(
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            secure=secure,
            access_key=found["key"],
            region=found["region"],
            service=found["service"],
            source=source,
        )

    @property
    def context(self) -> dict[str, list[str]]:
        """What is known of any request."""
        return in_small_letters(
            [("aws:SecureTransport", str(self.secure).lower()), ("aws:RequestedRegion", self.region)]
        )

    @property
    def document(self) -> dict[str, object]:
        """The body of a service that takes JSON."""
        return dict(json.loads(self.body or b"{}"))

    @property
    def form(self) -> dict[str, str]:
        """The body of a service that takes a form, or what stands in the address."""
        return dict(parse_qsl(self.body.decode() or self.query, keep_blank_values=True))

    @property
    def operation(self) -> str:
        """The name of what is asked, of a service that tells it. Raises UnknownRequestError."""
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if action := self.form.get("Action"):
            return action
        raise UnknownRequestError(f"{self.method} {self.path} of {self.service}")

    @property
    def bucket(self) -> str:
        """Of a request to S3; empty where it is about none."""
        return unquote(self.path.lstrip("/").partition("/")[0])

    @property
    def key(self) -> str:
        """Of a request to S3; empty where it is about a bucket."""
        return unquote(self.path.lstrip("/").partition("/")[2])


def of_storage(asked: Signed) -> Iterator[Question]:
    """What is asked of S3. Raises UnknownRequestError."""
    parameters = parse_qs(asked.query, keep_blank_values=True)
    part = next((one for one in _PARTS if one in parameters), "")
    if not asked.bucket:
        yield Question(action="s3:ListAllMyBuckets", resource="*", context=asked.context)
        return
    names = _OF_OBJECT if asked.key else _OF_BUCKET
    name = names.get((asked.method, part))
    if name is None or parameters.keys() - _FURTHER - set(_PARTS) or "x-amz-copy-source" in asked.headers:
        raise UnknownRequestError(f"{asked.method} {asked.path}?{asked.query} of s3")
    context = {**asked.context, **dict(_listed(parameters)), **dict(_uploaded(asked.headers))}
    resource = f"arn:aws:s3:::{asked.bucket}" + (f"/{asked.key}" if asked.key else "")
    yield Question(action=f"s3:{name}", resource=resource, context=context)
    if name == "PutObject" and any(one.startswith("x-amz-object-lock-") for one in asked.headers):
        yield Question(action="s3:PutObjectRetention", resource=resource, context=context)
    if asked.headers.get("x-amz-bypass-governance-retention", "").lower() == "true":
        yield Question(action="s3:BypassGovernanceRetention", resource=resource, context=context)


def _listed(parameters: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    for name in ("prefix", "delimiter", "max-keys"):
        if name in parameters:
            yield f"s3:{name}", parameters[name]
    if "versionId" in parameters:
        yield "s3:versionid", parameters["versionId"]


def _uploaded(headers: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    for name in (_ENCRYPTION, _KEY_OF_UPLOAD):
        if name in headers:
            yield f"s3:{name}", [headers[name]]


def key_of_upload(asked: Signed) -> str | None:
    """The key that an upload names."""
    return asked.headers.get(_KEY_OF_UPLOAD)


def key_of_ciphertext(asked: Signed) -> str | None:
    """The id of the key that a ciphertext was made by; None: it is none of moto's, which has the id before the rest."""
    try:
        whole = base64.b64decode(str(asked.document.get("CiphertextBlob", "")), validate=True)
    except binascii.Error:
        return None
    found = _CIPHERTEXT.match(whole)
    return found[0].decode("ascii") if found else None


def of_secrets(asked: Signed, arn: str, tags: Mapping[str, str]) -> Iterator[Question]:
    """What is asked of Secrets Manager about a secret, by its ARN and with its tags."""
    document = asked.document
    context = asked.context
    for tag, value in tags.items():
        context[f"secretsmanager:resourcetag/{tag.lower()}"] = context[f"aws:resourcetag/{tag.lower()}"] = [value]
    for given in _tags(document):
        context[f"aws:requesttag/{given['Key'].lower()}"] = [given["Value"]]
    if "Name" in document:
        context["secretsmanager:name"] = [str(document["Name"])]
    if "SecretId" in document:
        context["secretsmanager:secretid"] = [arn]
    yield Question(action=f"secretsmanager:{asked.operation}", resource=arn, context=context)
    if asked.operation == "CreateSecret" and _tags(document):
        yield Question(action="secretsmanager:TagResource", resource=arn, context=context)


def _tags(document: Mapping[str, object]) -> list[dict[str, str]]:
    found = document.get("Tags") or []
    return list(found) if isinstance(found, list) else []


def of_role(asked: Signed) -> Iterator[Question]:
    """What is asked of the token service about the role that is taken on."""
    arn = asked.form["RoleArn"]
    yield Question(action=f"sts:{asked.operation}", resource=arn, context=asked.context)
    if session_tags(asked):
        yield Question(action="sts:TagSession", resource=arn, context=asked.context)


def session_tags(asked: Signed) -> dict[str, str]:
    """What a session is to be tagged with."""
    form = asked.form
    numbers = [name.split(".")[2] for name in form if re.fullmatch(r"Tags\.member\.[0-9]+\.Key", name)]
    return {form[f"Tags.member.{one}.Key"]: form.get(f"Tags.member.{one}.Value", "") for one in numbers}
