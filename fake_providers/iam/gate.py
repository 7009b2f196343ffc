"""What a sandbox's AWS is asked goes through here to moto, if the account's own policies allow it.

Run as a program with the file of a sandbox's objects, its account, the role of whoever runs `up`, that of emergencies,
an address, and a certificate with its key. Owns who signs: sessions of roles, the agent of Pod Identity, the metadata
service of nodes, whoever runs `up`, and the role of emergencies; these two may do everything that no thing's own policy
denies. Who asks from another address than this one is in the cluster's network, and comes by its endpoints. Beside each
request it judges what the service asks of KMS for it, and looks at the key's state. A refusal is worded as AWS does.
Verifies the signature of an address by which somebody proves who they are, and of no other request: whoever has a
session's token has its secret. Tells each request in a line of its log.
"""

import io
import json
import re
import ssl
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from fake_providers.iam import requests
from fake_providers.iam.declared import DeclaredAccount, NetworkEndpoint
from fake_providers.iam.policies import Caller, Document, Granted, Question, Reach, UnknownPolicyError, judge, reach
from fake_providers.iam.presigned import Presigned
from fake_providers.iam.requests import Signed, UnknownRequestError

DEPLOYER, BREAK_GLASS = "sandbox", "break-glass"
"""Access keys of whoever runs `up`, and of the role of emergencies."""
DEPLOYERS_SECRET = "sandbox"  # noqa: S105 - no secret: of this machine's own AWS, and known to all
AGENT, METADATA = "agent", "metadata"
"""Those of what hands out roles: Pod Identity's agent, and the metadata service of nodes."""
PODS, NODES = "pods.eks.amazonaws.com", "ec2.amazonaws.com"
Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
_FORBIDDEN, _BAD, _UNKNOWN = "403 Forbidden", "400 Bad Request", "501 Not Implemented"
_WITH_A_KEY = {
    "CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "GetSecretValue": ("kms:Decrypt",),
    "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UpdateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
}
"""What Secrets Manager asks of KMS in the caller's name (AWS Secrets Manager, secret encryption and decryption)."""
_NEEDS_A_KEY = {"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncrypt"}
_JSON = {"secretsmanager", "kms"}
_ISSUED = {name: re.compile(f"<{name}>([^<]+)</{name}>") for name in ("AccessKeyId", "SessionToken", "SecretAccessKey")}
_UNKNOWN_KEY = "The security token included in the request is invalid."
_NOT_MATCHING = "The request signature we calculated does not match the signature you provided."
_STATES = {"Disabled": "DisabledException", "PendingDeletion": "KMSInvalidStateException"}


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Why a request isn't handed on."""

    code: str
    message: str
    status: str = _FORBIDDEN


@dataclass(frozen=True, kw_only=True)
class RoleSession:
    """A role's, that was handed out here."""

    caller: Caller
    token: str
    secret: str = field(default="", repr=False)


@dataclass(kw_only=True)
class IamGate:
    """Judges requests for one account."""

    inner: Application
    account: DeclaredAccount
    deployer: str
    """ARN of the role that runs `up`."""
    break_glass: str = ""
    """ARN of the role of emergencies; empty: there is none."""
    address: str = ""
    """This machine's. Empty: nobody is in the cluster's network."""
    tell: Callable[[str], None] = print
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sessions: dict[str, RoleSession] = field(default_factory=dict)

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """As WSGI has it."""
        looks = environ["PATH_INFO"].startswith("/moto-api") and environ["REQUEST_METHOD"] == "GET"
        if looks and not self._is_inside(str(environ.get("REMOTE_ADDR", ""))):
            # All that moto has, unjudged: for this machine's own commands and tests.
            return self.inner(environ, start)
        if presigned := Presigned.read(environ.get("QUERY_STRING", "")):
            return self._identify(presigned, _headers(environ), environ["REQUEST_METHOD"], start)
        asked = _signed(environ)
        if asked is None:
            unsigned = Refused(code="MissingAuthenticationToken", message="The request isn't signed")
            return _answer(unsigned, "", environ["REQUEST_METHOD"], start)
        try:
            refused = self._refused(asked)
        except (UnknownRequestError, UnknownPolicyError) as error:
            refused = Refused(code="NotImplemented", message=f"unknown to the sandbox: {error}", status=_UNKNOWN)
        if refused:
            self.tell(f"refused: {refused.code}: {refused.message}")
            # A client that still sends would miss the answer.
            whole = environ.get("wsgi.input_terminated")
            environ["wsgi.input"].read(*([] if whole else [int(environ.get("CONTENT_LENGTH") or 0)]))
            return _answer(refused, asked.service, asked.method, start)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account.number
        if asked.service == "sts" and asked.operation == "AssumeRole":
            return self._issue(asked, environ, start)
        return self.inner(environ, start)

    def _issue(self, asked: Signed, environ: Environ, start: Start) -> list[bytes]:
        answer = b"".join(self.inner(environ, start))
        found = {name: one[1] for name, form in _ISSUED.items() if (one := form.search(answer.decode()))}
        if found:
            arn, name = asked.form["RoleArn"], asked.form["RoleSessionName"]
            session = f"arn:aws:sts::{self.account.number}:assumed-role/{arn.rpartition('/')[2]}/{name}"
            caller = Caller(name=arn, session=session, account=self.account.number, tags=requests.session_tags(asked))
            self.sessions[found["AccessKeyId"]] = RoleSession(
                caller=caller, token=found["SessionToken"], secret=found["SecretAccessKey"]
            )
        return [answer]

    def _identify(self, asked: Presigned, headers: Mapping[str, str], method: str, start: Start) -> list[bytes]:
        """Tell who signed an address, in the form that a cluster reads."""
        found = self._signer(asked, headers, method)
        if isinstance(found, Refused):
            self.tell(f"refused: {found.code}: {found.message}")
            return _answer(found, "sts", method, start)
        who = {"Account": self.account.number, "Arn": found.session, "UserId": f"AROA:{found.session.split('/')[-1]}"}
        body = json.dumps({"GetCallerIdentityResponse": {"GetCallerIdentityResult": who}}).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _signer(self, asked: Presigned, headers: Mapping[str, str], method: str) -> Caller | Refused:
        session = self.sessions.get(asked.access_key)
        if asked.access_key == DEPLOYER:
            session = RoleSession(caller=self._deploying(), token="", secret=DEPLOYERS_SECRET)
        if not asked.is_of_identity or method != "GET":
            return Refused(code="NotImplemented", message="unknown to the sandbox: a signed address", status=_UNKNOWN)
        if session is None or not session.secret or session.token != (asked.token or ""):
            return Refused(code="InvalidClientTokenId", message=_UNKNOWN_KEY)
        if asked.is_expired(self.now()):
            return Refused(code="SignatureDoesNotMatch", message="Signature expired")
        if not asked.is_signed_by(session.secret, headers):
            return Refused(code="SignatureDoesNotMatch", message=_NOT_MATCHING)
        return session.caller

    def _deploying(self) -> Caller:
        session = f"arn:aws:sts::{self.account.number}:assumed-role/{self.deployer.rpartition('/')[2]}/sandbox"
        return Caller(name=self.deployer, session=session, account=self.account.number)

    def _caller(self, asked: Signed) -> Caller | Refused:
        if asked.access_key == DEPLOYER:
            return Caller(name=self.deployer, account=self.account.number)
        if asked.access_key == BREAK_GLASS and self.break_glass:
            return Caller(name=self.break_glass, account=self.account.number)
        if service := {AGENT: PODS, METADATA: NODES}.get(asked.access_key):
            return Caller(name=service, account=self.account.number, is_service=True)
        session = self.sessions.get(asked.access_key)
        if session is None or session.token != asked.headers.get("x-amz-security-token"):
            code = "InvalidAccessKeyId" if asked.service == "s3" else "UnrecognizedClientException"
            return Refused(code=code, message=_UNKNOWN_KEY)
        return session.caller

    def _refused(self, asked: Signed) -> Refused | None:
        caller = self._caller(asked)
        if isinstance(caller, Refused):
            return caller
        if asked.service == "sts" and asked.operation == "GetCallerIdentity":
            return None
        inside = self._is_inside(asked.source) and not caller.is_service
        way = self.account.endpoint(asked.service) if inside else None
        for question, thing, alone in self._questions(asked):
            if refused := self._denied(asked, caller, question, thing, alone=alone, way=way):
                return refused
        return self._refused_by_key(asked, caller)

    def _is_inside(self, source: str) -> bool:
        return bool(self.address) and source != self.address

    def _denied(
        self,
        asked: Signed,
        caller: Caller,
        question: Question,
        thing: Document | None,
        *,
        alone: bool,
        way: NetworkEndpoint | None = None,
    ) -> Refused | None:
        if way:
            by_it = {**question.context, "aws:sourcevpce": [way.identity]}
            question = Question(action=question.action, resource=question.resource, context=by_it)
        if caller.is_service:
            granted = Granted(identity=())
            of_agent = {"aws:sourceaccount": [self.account.number], "aws:sourcearn": [self.account.cluster]}
            question = Question(
                action=question.action, resource=question.resource, context={**question.context, **of_agent}
            )
        elif caller.name in {self.deployer, self.break_glass}:
            granted = Granted(identity=None)
        else:
            granted = self.account.granted(caller.name)
        why = judge(caller, question, granted, thing, alone=alone)
        if why is None and way and way.policy and reach(way.policy, caller, question) is not Reach.ALLOWED:
            why = f"because no VPC endpoint policy allows the {question.action} action"
        self.tell(f"{'denied' if why else 'allowed'}: {caller.name} {question.action} {question.resource}")
        if why is None:
            return None
        message = (
            f"User: {caller.session or caller.name} is not authorized to perform: {question.action} on resource: "
            f"{question.resource} {why}"
        )
        return Refused(
            code="AccessDeniedException" if asked.service in _JSON else "AccessDenied",
            message=message,
            status=_BAD if asked.service in _JSON else _FORBIDDEN,
        )

    def _questions(self, asked: Signed) -> Iterator[tuple[Question, Document | None, bool]]:
        """Each with the policy of its thing, and whether that one counts alone."""
        if asked.service == "s3":
            policy = self.account.bucket_policy(asked.bucket)
            yield from ((one, policy, False) for one in requests.of_storage(asked))
        elif asked.service == "secretsmanager":
            arn, policy, tags = self._secret(asked)
            yield from ((one, policy, False) for one in requests.of_secrets(asked, arn, tags))
        elif asked.service == "sts" and "RoleArn" in asked.form:
            trust = self.account.trust(asked.form["RoleArn"])
            yield from ((one, trust, True) for one in requests.of_role(asked))
        elif asked.service == "kms" and (key := self._key(asked)):
            self.account.have_keys()
            context = {**asked.context, "kms:calleraccount": [self.account.number]}
            question = Question(action=f"kms:{asked.operation}", resource=key, context=context)
            yield question, self.account.key_policy(key), True
        else:
            yield (
                Question(action=f"{asked.service}:{asked.operation}", resource="*", context=asked.context),
                None,
                False,
            )

    def _secret(self, asked: Signed) -> tuple[str, Document | None, Mapping[str, str]]:
        document = asked.document
        prefix = f"arn:aws:secretsmanager:{asked.region}:{self.account.number}:secret:"
        if "Name" in document:
            # Six characters that AWS is going to add.
            return f"{prefix}{document['Name']}-AbCdEf", None, {}
        if "SecretId" not in document:
            return "*", None, {}
        named = str(document["SecretId"])
        found = self.account.secret(named, asked.region)
        # One that isn't there has no such characters yet.
        return (found.arn, found.policy, found.tags) if found else (f"{prefix}{named}", None, {})

    def _refused_by_key(self, asked: Signed, caller: Caller) -> Refused | None:
        """What the service asks KMS in the caller's name, and whether the key can be used."""
        arn, actions = self._with_key(asked)
        if arn is None:
            return None
        via = {
            "kms:viaservice": [f"{asked.service}.{asked.region}.amazonaws.com"],
            "kms:calleraccount": [self.account.number],
        }
        for action in actions if asked.service != "kms" else ():
            question = Question(action=action, resource=arn, context={**asked.context, **via})
            if refused := self._denied(asked, caller, question, self.account.key_policy(arn), alone=True):
                return refused
        if not actions or (state := self.account.key_state(arn)) == "Enabled":
            return None
        code = _STATES.get(state, "NotFoundException")
        return Refused(
            code=f"KMS.{code}" if asked.service == "s3" else code, message=f"{arn} is {state.lower()}.", status=_BAD
        )

    def _with_key(self, asked: Signed) -> tuple[str | None, tuple[str, ...]]:
        if asked.service == "s3" and asked.key:
            named = requests.key_of_upload(asked)
            arn = self.account.key_arn(named) if named else self.account.bucket_key(asked.bucket)
            names = {one.action for one in requests.of_storage(asked)}
            if names & {"s3:GetObject", "s3:GetObjectVersion"} and asked.method == "GET":
                return arn, ("kms:Decrypt",)
            if "s3:PutObject" in names:
                # Of an upload in parts, each is read again as they are put together.
                in_parts = "uploadId" in asked.query or "uploads" in asked.query
                return arn, ("kms:GenerateDataKey", "kms:Decrypt") if in_parts else ("kms:GenerateDataKey",)
        if asked.service == "secretsmanager":
            document = asked.document
            found = self.account.secret(str(document.get("SecretId", "")), asked.region)
            key = document.get("KmsKeyId") or (found.key if found else None)
            if isinstance(key, str) and not key.startswith("alias/aws/"):
                return self.account.key_arn(key), _WITH_A_KEY.get(asked.operation, ())
        if asked.service == "kms" and asked.operation in _NEEDS_A_KEY and (arn := self._key(asked)):
            return arn, (f"kms:{asked.operation}",)
        return None, ()

    def _key(self, asked: Signed) -> str | None:
        """ARN of the key that a request to KMS is about. A ciphertext tells its own, by which AWS decrypts where no key
        is named."""
        named = asked.document.get("KeyId") or requests.key_of_ciphertext(asked)
        return self.account.key_arn(str(named)) if named else None


def _headers(environ: Environ) -> Mapping[str, str]:
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def _signed(environ: Environ) -> Signed | None:
    headers = _headers(environ)
    body = b""
    if "/s3/aws4_request" not in headers.get("authorization", ""):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
    return Signed.read(
        method=environ["REQUEST_METHOD"],
        path=str(environ.get("RAW_URI") or environ["PATH_INFO"]).partition("?")[0],
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=body,
        secure=environ["wsgi.url_scheme"] == "https",
        source=str(environ.get("REMOTE_ADDR", "")),
    )


def _answer(refused: Refused, service: str, method: str, start: Start) -> list[bytes]:
    code, message = refused.code, refused.message
    if service in _JSON:
        kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
    else:
        kind = "text/xml"
        body = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        inside = f"<Error>{body}</Error>"
        body = inside if service == "s3" else f"<ErrorResponse>{inside}</ErrorResponse>"
    content = b"" if method == "HEAD" else body.encode()
    start(refused.status, [("Content-Type", kind), ("Content-Length", str(len(content)))])
    return [content]


def gate(
    account: DeclaredAccount,
    deployer: str,
    tell: Callable[[str], None] = print,
    *,
    break_glass: str = "",
    address: str = "",
) -> IamGate:
    """In front of a moto of this process."""
    # Whoever never starts a sandbox hasn't it.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

    return IamGate(
        inner=DomainDispatcherApplication(create_backend_app),
        account=account,
        deployer=deployer,
        break_glass=break_glass,
        address=address,
        tell=tell,
    )


def main(arguments: list[str]) -> None:
    """Answer until somebody ends it."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: PLC0415 - as in `gate`
    from werkzeug.serving import run_simple  # noqa: PLC0415 - as in `gate`

    world, number, deployer, break_glass, host, port, certificate, key = arguments
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    account = DeclaredAccount(world=Path(world), number=number)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    run_simple(
        host,
        int(port),
        gate(account, deployer, tell, break_glass=break_glass, address=host),
        threaded=True,
        ssl_context=context,
        request_handler=MotoRequestHandler,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
