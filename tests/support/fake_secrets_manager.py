"""A fake of AWS Secrets Manager behind a real client of boto3, and of who may ask it what.

It is as strict as AWS' documents and what was measured there: a name is made once, the same request twice is one
(API reference, CreateSecret); a role is judged by the secret's whole ARN, one to be made by what its ARN will be
(https://github.com/iann0036/iam-dataset/pull/22), one that isn't there by its name alone
(https://github.com/ministackorg/ministack/pull/1737). The client checks what it sends and reads answers as ever.
Not here: whether AWS does so today, throttling, and replication.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3  # type: ignore[import-untyped]  # the wheel ships no types
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped]  # the wheel ships no types

REGION, ACCOUNT = "eu-central-1", "123456789012"
_ADDED = "-AbCdEf"
"""What AWS adds to a name; it is random there."""
_MOST_TAGS = 50
_TAG_VALUE = re.compile(r"[\w\s+\-=.:/@]{0,256}", re.ASCII)
"""How many tags a secret has, and what one may hold (Secrets Manager API reference, Tag; AWS, tag naming limits)."""


@dataclass
class Secret:
    """One secret."""

    arn: str
    value: str = field(repr=False)
    token: str
    key: str | None
    tags: dict[str, str] = field(default_factory=dict)
    policy: str = ""
    deleted: bool = False


class AwsRefusedError(Exception):
    """An error of the service's own, by its name."""


class FakeSecretsManager:
    """One account's secrets in one region, asked by one role."""

    def __init__(self, *, policy: str, key: str, around: Callable[[str, Callable[[], Any]], Any]) -> None:
        self.policy, self.key, self.around = json.loads(policy), key, around
        self.secrets: dict[str, Secret] = {}
        self.asked: list[tuple[str, str]] = []

    def answer(self, request: Any, **more: Any) -> AWSResponse:
        """What the service answers; for boto3's event `before-send`."""
        del more
        action = request.headers["X-Amz-Target"].decode().partition(".")[2]
        body = json.loads(request.body)
        status, document = self.around(f"aws {action}", lambda: self._answered(action, body))
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        return AWSResponse(request.url, status, headers, _Raw(json.dumps(document).encode()))

    def _answered(self, action: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        name = body.get("Name") or body["SecretId"]
        self.asked.append((action, name))
        try:
            for one in (action, "TagResource") if body.get("Tags") else (action,):
                self._judge(one, name, made=action == "CreateSecret")
            return 200, getattr(self, f"_{action}")(name, body)
        except AwsRefusedError as error:
            return 400, {"__type": str(error), "Message": f"{action} was refused"}

    def _judge(self, action: str, name: str, *, made: bool) -> None:
        """A role that adds tags to what it makes has to be allowed both (Secrets Manager, API reference)."""
        bare = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
        found = self.secrets.get(name)
        arn = found.arn if found else f"{bare}{_ADDED}" if made else bare
        for statement in self.policy["Statement"]:
            named = f"secretsmanager:{action}" in statement["Action"]
            if named and any(fnmatchcase(arn, pattern) for pattern in statement["Resource"]):
                assert statement["Effect"] == "Allow"
                return
        raise AwsRefusedError("AccessDeniedException")

    def _CreateSecret(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802 - AWS' name
        found, token = self.secrets.get(name), body["ClientRequestToken"]
        if found and found.deleted:
            raise AwsRefusedError("InvalidRequestException")
        if found and (found.token, found.value) != (token, body["SecretString"]):
            raise AwsRefusedError("ResourceExistsException")
        if body.get("KmsKeyId") != self.key:
            raise AwsRefusedError("EncryptionFailure")
        if not found:
            arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}{_ADDED}"
            self.secrets[name] = Secret(arn=arn, value=body["SecretString"], token=token, key=body["KmsKeyId"])
            self._tag(self.secrets[name], body.get("Tags") or [])
        return {"ARN": self.secrets[name].arn, "Name": name, "VersionId": token}

    def _DescribeSecret(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802 - AWS' name
        del body
        secret = self._found(name)
        tags = [{"Key": key, "Value": value} for key, value in secret.tags.items()]
        deleted = {"DeletedDate": 1_700_000_000} if secret.deleted else {}
        return {"ARN": secret.arn, "Name": name, "KmsKeyId": secret.key, "Tags": tags, **deleted}

    def _TagResource(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802 - AWS' name
        secret = self._found(name)
        if secret.deleted:
            raise AwsRefusedError("InvalidRequestException")
        self._tag(secret, body["Tags"])
        return {}

    def _PutResourcePolicy(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: N802 - AWS' name
        assert body["BlockPublicPolicy"] is True
        secret = self._found(name)
        json.loads(body["ResourcePolicy"])
        secret.policy = body["ResourcePolicy"]
        return {"ARN": secret.arn, "Name": name}

    def _tag(self, secret: Secret, wanted: Sequence[Mapping[str, str]]) -> None:
        tags = {tag["Key"]: tag["Value"] for tag in wanted}
        if len(secret.tags | tags) > _MOST_TAGS or not all(map(_TAG_VALUE.fullmatch, tags.values())):
            raise AwsRefusedError("InvalidParameterException")
        secret.tags |= tags

    def _found(self, name: str) -> Secret:
        if name not in self.secrets:
            raise AwsRefusedError("ResourceNotFoundException")
        return self.secrets[name]


@cache
def client() -> Any:
    """A client of boto3, made once, since that takes longer than a whole first boot without a server."""
    word = "-".join(("a", "fake"))
    session = boto3.session.Session(aws_access_key_id=word, aws_secret_access_key=word, region_name=REGION)
    return session.client("secretsmanager")


@contextmanager
def served(answer: Callable[..., AWSResponse]) -> Iterator[None]:
    """Whoever makes a client meanwhile gets one that this answers."""

    def made(service: str, *, region_name: str, config: Any) -> Any:
        assert (service, region_name, config.retries["max_attempts"]) == ("secretsmanager", REGION, 5)
        return client()

    events = client().meta.events
    events.register("before-send.secretsmanager", answer, unique_id="fake")
    try:
        with patch.object(boto3, "client", made):
            yield
    finally:
        events.unregister("before-send.secretsmanager", unique_id="fake")


class _Raw(io.BytesIO):
    """An answer's body as urllib3 gives it."""

    def stream(self, *arguments: Any, **options: Any) -> Any:
        """All of it."""
        del arguments, options
        yield self.read()
