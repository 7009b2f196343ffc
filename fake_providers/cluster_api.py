"""A Kubernetes cluster's API over HTTPS, as far as objects are made, looked at and taken away.

Owns the addresses of objects and the words of refusals. Refuses to guess who it is: the login is that of a kubeconfig
with a token. Waits for nothing; `fake_providers.cluster_waits` does.
"""

import base64
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from fake_providers.servicer import RefusedError, Values

FIRST_MANAGER = "pulumi-kubernetes"
"""Whose fields are what was created (pulumi-kubernetes 4.34, provider/pkg/await/await.go, `Creation`)."""
_ANSWER_SECONDS = 60.0
_NOT_FOUND = 404


class ApiRefusedError(RefusedError):
    """What the API refused, in its own words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class ClusterAccess:
    """Where a cluster's API is, who vouches for it, and who asks."""

    server: str
    authority: bytes
    """PEM."""
    token: str

    def __repr__(self) -> str:
        return f"ClusterAccess({self.server!r})"

    @classmethod
    def of_file(cls, file: Path) -> "ClusterAccess":
        """A kubeconfig's. Raises RefusedError for one without a token."""
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        if "token" not in user:
            raise RefusedError(f"{file.name} has no token; expected a kubeconfig with one")
        return cls(cluster["server"], base64.b64decode(cluster["certificate-authority-data"]), user["token"])


def server_of(kubeconfig: str) -> str:
    """Which API a kubeconfig's text is for; empty where it says none."""
    content = yaml.safe_load(kubeconfig) or {}
    clusters = content.get("clusters") or [{}]
    return str(clusters[0].get("cluster", {}).get("server", ""))


class ClusterApi:
    """One cluster; several threads may ask at once."""

    def __init__(self, access: ClusterAccess) -> None:
        self.server, self._token = access.server, access.token
        self._own = tempfile.TemporaryDirectory(prefix="fake-provider-")
        self._authority = Path(self._own.name) / "authority.crt"
        self._authority.write_bytes(access.authority)
        self._local = threading.local()

    def create(self, kind: str, wanted: Values) -> Values:
        """Make an object that isn't there. A field that its type doesn't have is refused. Raises ApiRefusedError."""
        told = {"fieldManager": FIRST_MANAGER, "fieldValidation": "Strict"}
        return self._ask("POST", _path(kind, _namespace(wanted)), told, wanted)

    def apply(self, kind: str, wanted: Values, manager: str) -> Values:
        """Server-side apply: change one's own fields, and give up those that aren't named any more. Another
        manager's fields aren't taken. Raises ApiRefusedError."""
        told = {"fieldManager": manager, "fieldValidation": "Strict", "force": "false"}
        path = _path(kind, _namespace(wanted), str(wanted["metadata"]["name"]))
        return self._ask("PATCH", path, told, wanted, "application/apply-patch+yaml")

    def patch(self, kind: str, namespace: str | None, name: str, operations: list[Values]) -> Values:
        """Change an object by JSON patch. Raises ApiRefusedError."""
        return self._ask("PATCH", _path(kind, namespace, name), {}, operations, "application/json-patch+json")

    def find(self, kind: str, namespace: str | None, name: str) -> Values | None:
        """An object; None: it isn't there. Raises ApiRefusedError."""
        try:
            return self._ask("GET", _path(kind, namespace, name), {})
        except ApiRefusedError as refused:
            if refused.code == _NOT_FOUND:
                return None
            raise

    def listed(self, kind: str, namespace: str | None = None, selector: str = "") -> Iterator[Values]:
        """All objects of a kind, of one namespace or of all; none where the cluster hasn't the kind.
        Raises ApiRefusedError."""
        try:
            found = self._ask("GET", _path(kind, namespace), {"labelSelector": selector} if selector else {})
        except ApiRefusedError as refused:
            if refused.code == _NOT_FOUND:
                return
            raise
        yield from found["items"]

    def delete(self, kind: str, namespace: str | None, name: str, propagation: str) -> bool:
        """Have an object deleted; False: it wasn't there. Raises ApiRefusedError."""
        try:
            self._ask("DELETE", _path(kind, namespace, name), {}, {"propagationPolicy": propagation})
        except ApiRefusedError as refused:
            if refused.code == _NOT_FOUND:
                return False
            raise
        return True

    def account_token(self, namespace: str, account: str, audience: str, seconds: int) -> str:
        """A token of a service account, for an audience. Raises ApiRefusedError."""
        wanted = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": seconds},
        }
        path = f"{_path('core/v1:ServiceAccount', namespace, account)}/token"
        return str(self._ask("POST", path, {}, wanted)["status"]["token"])

    def last_line(self, namespace: str, pod: str) -> str:
        """What a pod's first container said last; empty: nothing. Raises ApiRefusedError."""
        answer = self._send("GET", f"{_path('core/v1:Pod', namespace, pod)}/log", {"tailLines": "5"})
        return next((line.strip() for line in reversed(answer.text.splitlines()) if line.strip()), "")

    def _ask(
        self,
        method: str,
        path: str,
        told: Mapping[str, str],
        body: Any = None,
        kind: str = "application/json",
    ) -> Values:
        answer: Values = self._send(method, path, told, body, kind).json()
        return answer

    def _send(
        self, method: str, path: str, told: Mapping[str, str], body: Any = None, kind: str = "application/json"
    ) -> requests.Response:
        try:
            answer = self._session().request(
                method,
                f"{self.server}{path}",
                params=told,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": kind},
                timeout=_ANSWER_SECONDS,
            )
        except requests.RequestException as error:
            raise ApiRefusedError(0, f"the cluster at {self.server} doesn't answer: {type(error).__name__}") from None
        if not answer.ok:
            raise ApiRefusedError(answer.status_code, _message(answer, path))
        return answer

    def _session(self) -> requests.Session:
        found: requests.Session | None = getattr(self._local, "session", None)
        if found is None:
            found = requests.Session()
            found.trust_env = False  # no proxy: the cluster is on this machine
            found.verify = str(self._authority)
            found.headers["Authorization"] = f"Bearer {self._token}"
            self._local.session = found
        return found


def _message(answer: requests.Response, path: str) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        if answer.status_code == _NOT_FOUND:
            return f"the cluster has no {path}: its type isn't there"
        return f"the cluster answered {answer.status_code}"


def _namespace(wanted: Values) -> str | None:
    found: str | None = wanted["metadata"].get("namespace")
    return found


def _path(kind: str, namespace: str | None, name: str = "") -> str:
    """Of `apps/v1:StatefulSet`, as provider tokens have it, or of one object of it."""
    version, _, called = kind.partition(":")
    version = version.removeprefix("core/")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{place}/{_plural(called)}" + (f"/{name}" if name else "")


def _plural(kind: str) -> str:
    word = kind.lower()
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("s") else f"{word}s"
