"""EKS' login as EKS has it: a token that is an address of AWS' token service, signed by whoever wants in.

Run as a program, with a cluster's folder, whose `identity.json` says where that service is, which cluster this is, and
in which file the account's objects are. Owns the webhook that the API server asks of tokens it doesn't know: it refuses
what EKS' own refuses (aws-iam-authenticator, pkg/token/token.go), asks the service who signed the address for this
cluster, and lets in the roles that have an access entry, with its groups and EKS' policies. A policy of a namespace is
bound there when somebody comes who has it. Left out: entries of users and of nodes, who has others here, and policies
beside `POLICIES`.
"""

import base64
import binascii
import json
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import requests

from fake_providers.iam.declared import DeclaredAccount
from fake_providers.iam.presigned import Presigned
from fake_providers.nodes.api import Asked, ClusterApi, Object
from fake_providers.nodes.pod_identity import Associations

PREFIX = "k8s-aws-v1."
HEADER = "x-k8s-aws-id"
"""Has the name of the cluster that a token is for; it is signed, and not in the token."""
PORT = 9444
"""Of the control plane's address."""
POLICIES = {
    "AmazonEKSClusterAdminPolicy": "cluster-admin",
    "AmazonEKSAdminPolicy": "admin",
    "AmazonEKSEditPolicy": "edit",
    "AmazonEKSViewPolicy": "view",
}
"""Which of Kubernetes' own roles allows what such a policy does, but for a few details (AWS EKS, access policies)."""
_MOST_BYTES, _MOST_SECONDS = 4_096, 900
_PARAMETERS = {
    "action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-security-token",
    "x-amz-signature", "x-amz-signedheaders",
}  # fmt: skip
_ANSWER_SECONDS = 10.0
_RBAC = "rbac.authorization.k8s.io"
_CONFLICT = 409


class LoginRefusedError(Exception):
    """Why nobody is let in, in one line."""


@dataclass(frozen=True, kw_only=True)
class ClusterUser:
    """Who a token is of."""

    username: str
    groups: tuple[str, ...]
    namespaces: tuple[tuple[str, str], ...] = ()
    """Policy and namespace, of those that hold in one only."""


def address_in(token: str, service: str, now: datetime) -> str:
    """The signed address in a token, if it is one of the token service's and in time. Raises LoginRefusedError."""
    if len(token) > _MOST_BYTES or not token.startswith(PREFIX):
        raise LoginRefusedError(f"no token of at most {_MOST_BYTES} bytes that begins with {PREFIX}")
    encoded = token.removeprefix(PREFIX)
    try:
        address = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
        split = urlsplit(address)
        _look(split, service)
        _look_at_parameters(split, now)
    except (binascii.Error, ValueError) as error:
        raise LoginRefusedError(f"not a signed address: {type(error).__name__}") from None
    return address


def _look(split: SplitResult, service: str) -> None:
    if (split.scheme, split.netloc) != ("https", urlsplit(service).netloc):
        raise LoginRefusedError("the address isn't one of the token service's")
    if split.path != "/":
        raise LoginRefusedError("unexpected path in the address")


def _look_at_parameters(split: SplitResult, now: datetime) -> None:
    found: dict[str, str] = {}
    for name, values in parse_qs(split.query, keep_blank_values=True, strict_parsing=True).items():
        if name.lower() not in _PARAMETERS or len(values) != 1:
            raise LoginRefusedError(f"unexpected parameter {name!r} in the address")
        found[name.lower()] = values[0]
    if found.get("action") != "GetCallerIdentity":
        raise LoginRefusedError("the address asks for something else than who signed it")
    if HEADER not in found.get("x-amz-signedheaders", "").lower().split(";"):
        raise LoginRefusedError(f"{HEADER} isn't signed")
    lasts = found.get("x-amz-expires", "")
    if not (lasts.isascii() and lasts.isdigit()) or int(lasts) > _MOST_SECONDS:
        raise LoginRefusedError(f"the address is to hold for other than 0 to {_MOST_SECONDS} s")
    if Presigned({"X-Amz-Date": found.get("x-amz-date", "")}).is_expired(now):
        raise LoginRefusedError("the token is more than 15 minutes old, or says no time")


def signer_of(address: str, cluster: str, authority_file: str | None) -> str:
    """ARN of the session that signed an address for a cluster, as the token service tells. Raises LoginRefusedError."""
    try:
        # No proxy: the service is on this machine.
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                address,
                headers={HEADER: cluster, "accept": "application/json"},
                verify=authority_file or True,
                timeout=_ANSWER_SECONDS,
                allow_redirects=False,
            )
    except requests.RequestException as error:
        raise LoginRefusedError(f"the token service doesn't answer: {type(error).__name__}") from None
    if not answer.ok:
        raise LoginRefusedError(f"the token service answered {answer.status_code}")
    return str(answer.json()["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"])


def logged_in(session: str, cluster: str, account: DeclaredAccount) -> ClusterUser:
    """Who a role's session is in a cluster, by the access entry of its role. Raises LoginRefusedError."""
    kind, _, rest = session.rpartition(":")[2].partition("/")
    role = rest.partition("/")[0]
    entry = account.entry(cluster, role) if kind == "assumed-role" else None
    if entry is None:
        raise LoginRefusedError(f"{session} has no access entry")
    groups, namespaces = list(entry.get("kubernetesGroups") or []), []
    for one in account.access(cluster, role):
        policy, scope = str(one["policyArn"]).rpartition("/")[2], one["accessScope"]
        if policy in POLICIES and scope["type"] == "cluster":
            groups.append(_group(policy))
        elif policy in POLICIES:
            namespaces += [(policy, str(namespace)) for namespace in scope.get("namespaces") or []]
    groups += [_group(policy, namespace) for policy, namespace in namespaces]
    return ClusterUser(
        username=str(entry.get("userName") or session), groups=tuple(groups), namespaces=tuple(namespaces)
    )


def _group(policy: str, namespace: str = "") -> str:
    return ":".join(filter(None, ["eks-access-policy", policy, namespace]))


def bindings() -> Iterator[dict[str, Any]]:
    """What EKS' policies allow in the whole cluster."""
    for policy in POLICIES:
        yield {"kind": "ClusterRoleBinding", **_bound(policy), "metadata": {"name": _group(policy)}}


def _bound(policy: str, namespace: str = "") -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": POLICIES[policy]},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": _group(policy, namespace)}],
    }


def _bind(api: Asked, policy: str, namespace: str) -> None:
    """Where the namespace is there; it is as good as bound where it isn't."""
    binding = {"kind": "RoleBinding", **_bound(policy, namespace), "metadata": {"name": _group(policy, namespace)}}
    try:
        api.call("POST", f"/apis/{_RBAC}/v1/namespaces/{namespace}/rolebindings", binding)
    except requests.HTTPError as error:
        if error.response is None or error.response.status_code not in (404, _CONFLICT):
            raise


def reviewed(
    review: Object, kept: Mapping[str, Any], api: Asked, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> dict[str, Any]:
    """The answer to the API server."""
    if "world" not in kept:
        return _answered({"authenticated": False, "error": "no account is told to this cluster"})
    arn = str(kept["cluster"])
    cluster = arn.rpartition("/")[2]
    try:
        address = address_in(str(review["spec"]["token"]), kept["token_service"], now())
        account = DeclaredAccount(world=Path(kept["world"]), number=arn.split(":")[4])
        found = logged_in(signer_of(address, cluster, kept.get("authority_file")), cluster, account)
        for policy, namespace in found.namespaces:
            _bind(api, policy, namespace)
    except LoginRefusedError as error:
        return _answered({"authenticated": False, "error": str(error)})
    except OSError as error:
        return _answered({"authenticated": False, "error": f"the cluster's API refuses: {type(error).__name__}"})
    return _answered({"authenticated": True, "user": {"username": found.username, "groups": list(found.groups)}})


def _answered(status: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


def asks(address: str, authority: str) -> dict[str, Any]:
    """What has the API server ask, as a kubeconfig; `authority` is PEM in base64."""
    server = {"server": f"https://{address}:{PORT}/", "certificate-authority-data": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "logins",
        "contexts": [{"name": "logins", "context": {"cluster": "logins", "user": "api"}}],
        "clusters": [{"name": "logins", "cluster": server}],
        "users": [{"name": "api", "user": {}}],
    }


class _Logins(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = reviewed(review, Associations(self.folder).kept, ClusterApi(self.folder))
        status = answer["status"]
        who = status["user"]["username"] if status["authenticated"] else f"nobody: {status['error']}"
        print(f"let in {who}", file=sys.stderr, flush=True)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing beside the line of its own."""


def main(folder: Path, address: str) -> None:
    """Answer until somebody ends it."""
    server = ThreadingHTTPServer((address, PORT), type("Logins", (_Logins,), {"folder": folder}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls" / "logins.crt", folder / "tls" / "logins.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
