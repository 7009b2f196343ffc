"""Pod Identity as EKS has it: pods of an associated service account are given a token, and for it a role's credentials.

Run as a program, with a cluster's folder, whose `identity.json` says which account has which role, and where AWS' token
service is. Owns the admission webhook that gives pods the token, and what answers for the agent on each node. What a
pod gets are that service's own temporary credentials, in a session with the tags that EKS writes; what these may do is
judged there and not here. Refuses a token that the cluster didn't make for this, and an account without a role. Left
out: targets in other accounts.
"""

import base64
import json
import ssl
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from fake_providers.nodes.api import Asked, ClusterApi, Object
from fake_providers.nodes.network import IDENTITY_ADDRESS

AUDIENCE = "pods.eks.amazonaws.com"
WEBHOOK_PORT, AGENT_PORT = 9443, 9480
"""Of the control plane's address."""
_FOLDER = f"/var/run/secrets/{AUDIENCE}/serviceaccount"
_FILE = "eks-pod-identity-token"
_TOKEN_SECONDS = 86_400
_CREDENTIALS_SECONDS = 3_600


class DeniedError(Exception):
    """Why a pod gets no credentials, in one line."""


@dataclass(frozen=True)
class Associations:
    """Which account has which role."""

    folder: Path
    """The cluster's."""

    @property
    def file(self) -> Path:
        """Where they are kept."""
        return self.folder / "identity.json"

    @property
    def kept(self) -> dict[str, Any]:
        """As they are now."""
        return json.loads(self.file.read_text(encoding="utf-8")) if self.file.is_file() else {}

    def role(self, namespace: str, account: str) -> str | None:
        """The role of a service account, by its ARN."""
        found: str | None = self.kept.get("roles", {}).get(f"{namespace}/{account}")
        return found


def injected(pod: Object, region: str) -> list[dict[str, Any]]:
    """What the webhook adds to a pod, as a JSON patch. A variable that a container has stays as it is."""
    specification = pod["spec"]
    source = {"audience": AUDIENCE, "expirationSeconds": _TOKEN_SECONDS, "path": _FILE}
    volume = {"name": _FILE, "projected": {"sources": [{"serviceAccountToken": source}]}}
    wanted = {
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{IDENTITY_ADDRESS}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{_FOLDER}/{_FILE}",
    }
    patch: list[dict[str, Any]] = [_added("/spec/volumes", [*(specification.get("volumes") or []), volume])]
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(specification.get(kind) or []):
            path = f"/spec/{kind}/{number}"
            there = container.get("env") or []
            more = [{"name": name, "value": value} for name, value in wanted.items() if name not in _names(there)]
            mount = {"name": _FILE, "mountPath": _FOLDER, "readOnly": True}
            patch.append(_added(f"{path}/env", [*there, *more]))
            patch.append(_added(f"{path}/volumeMounts", [*(container.get("volumeMounts") or []), mount]))
    return patch


def _names(variables: list[Object]) -> set[str]:
    return {str(one["name"]) for one in variables}


def _added(path: str, value: object) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def reviewed(review: Object, associations: Associations) -> dict[str, Any]:
    """The webhook's answer to the API server. Nothing is refused; pods without a role stay as they are."""
    request = review["request"]
    pod = request["object"]
    account = pod["spec"].get("serviceAccountName") or "default"
    response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    if associations.role(request["namespace"], account):
        patch = json.dumps(injected(pod, associations.kept["region"]))
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch.encode()).decode()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


@dataclass(frozen=True, kw_only=True)
class PodSession:
    """Of a role, for one pod."""

    role: str
    """By its ARN."""
    name: str
    tags: Mapping[str, str]
    """What conditions may read (AWS EKS, Pod Identity session tags)."""


def session_of(token: str, api: Asked, associations: Associations) -> PodSession:
    """The role's session for whoever has a token. Raises DeniedError: the cluster didn't make the token for this, or
    the account has no role."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [AUDIENCE]},
    }
    status = api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    if not status.get("authenticated"):
        raise DeniedError("the token isn't one of this cluster's for Pod Identity")
    user = str(status["user"]["username"])
    if not user.startswith("system:serviceaccount:"):
        raise DeniedError("the token isn't a service account's")
    _, _, namespace, account = user.split(":")
    role = associations.role(namespace, account)
    if role is None:
        raise DeniedError(f"service account {account} in {namespace} has no role")
    cluster, more = str(associations.kept.get("cluster") or ""), status["user"].get("extra") or {}
    pod = {name: "".join(more.get(f"authentication.kubernetes.io/pod-{name}") or []) for name in ("name", "uid")}
    tags = {
        "eks-cluster-arn": cluster,
        "eks-cluster-name": cluster.rpartition("/")[2],
        "kubernetes-namespace": namespace,
        "kubernetes-service-account": account,
        "kubernetes-pod-name": pod["name"],
        "kubernetes-pod-uid": pod["uid"],
    }
    return PodSession(role=role, name=f"{namespace}-{account}"[:64], tags=tags)


def credentials(session: PodSession, kept: Mapping[str, Any]) -> dict[str, str]:
    """A role's, in the form that AWS' clients read. Raises DeniedError: AWS' token service refuses."""
    client = boto3.client(
        "sts",
        endpoint_url=kept["token_service"],
        region_name=kept["region"],
        verify=kept.get("authority_file") or True,
        aws_access_key_id="agent",
        aws_secret_access_key="agent",  # noqa: S106 - no secret: whoever stands in for AWS takes any
    )
    try:
        answer = client.assume_role(
            RoleArn=session.role,
            RoleSessionName=session.name,
            DurationSeconds=_CREDENTIALS_SECONDS,
            Tags=[{"Key": key, "Value": value} for key, value in session.tags.items()],
        )
    except (BotoCoreError, ClientError) as error:
        raise DeniedError(f"{session.role}: {error}") from None
    found = answer["Credentials"]
    return {
        "AccessKeyId": found["AccessKeyId"],
        "SecretAccessKey": found["SecretAccessKey"],
        "Token": found["SessionToken"],
        "AccountId": session.role.split(":")[4],
        "Expiration": found["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class _Answering(BaseHTTPRequestHandler):
    """What both servers have in common."""

    folder: Path

    def answer(self, status: int, document: object) -> None:
        """Send JSON."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as the base class has it
        """A line for each request; a header, and so a token, is never in it."""
        print(format % arguments, file=sys.stderr, flush=True)


class _Webhook(_Answering):
    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, reviewed(review, Associations(self.folder)))


class _Agent(_Answering):
    def do_GET(self) -> None:
        associations = Associations(self.folder)
        token = self.headers.get("Authorization") or ""
        try:
            session = session_of(token, ClusterApi(self.folder), associations)
            self.answer(200, credentials(session, associations.kept))
        except DeniedError as error:
            self.answer(403, {"code": "AccessDeniedException", "message": str(error)})
        except OSError as error:
            self.answer(500, {"code": "InternalServerException", "message": str(error)})


def webhook(address: str, authority: str) -> dict[str, Any]:
    """What has the API server ask; `authority` is PEM in base64. As with EKS' own, a pod is made without identity where
    there is no answer."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    one = {
        "name": "pod-identity.eks.amazonaws.com",
        "clientConfig": {"url": f"https://{address}:{WEBHOOK_PORT}/", "caBundle": authority},
        "rules": [rule],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "pod-identity-webhook"},
        "webhooks": [one],
    }


def main(folder: Path, address: str) -> None:
    """Answer until somebody ends it."""
    handlers = [type(one.__name__, (one,), {"folder": folder}) for one in (_Webhook, _Agent)]
    asked = ThreadingHTTPServer((address, WEBHOOK_PORT), handlers[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls" / "identity.crt", folder / "tls" / "identity.key")
    asked.socket = context.wrap_socket(asked.socket, server_side=True)
    threading.Thread(target=asked.serve_forever, daemon=True).start()
    ThreadingHTTPServer((address, AGENT_PORT), handlers[1]).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
