"""Logins of pods in a sandbox's cluster, by which access is checked: as an application's pod, and from one.

Owns the applications' namespaces and service accounts, which nobody else makes in a sandbox, and one pod at a time that
logs in and says so. Refuses to print a token: a pod's log is plain text.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from components.render.chart import jobs
from components.render.chart.names import api_in_cluster
from components.render.chart.network_policies import CLIENT_LABEL
from components.vault.kubernetes import KubernetesLogin
from fake_providers.cluster_api import ApiRefusedError, ClusterApi
from fake_providers.servicer import Values
from ops.vault.checks.outcome import CheckError

_MANAGER = "sandbox"
_POD = "core/v1:Pod"
_SECONDS = 120
"""How long a pod may take; one was seen to take 2.3 s."""
PATIENCE_SECONDS = 45
"""How long a login may be denied. OpenBao's standbys were seen to deny for half a minute after the method was set up:
they look each 30 s whom to trust of the cluster (vault-plugin-auth-kubernetes, `tlsConfigUpdateHorizon`)."""
_PAUSE_SECONDS = 0.2
_IDENTITY, _AUTHORITY = "/identity", "/authority"
_PROGRAM = f"""\
import json, ssl, sys, time, urllib.error, urllib.request
address, mount, role, patience = sys.argv[1:]
context = ssl.create_default_context(cafile="{_AUTHORITY}/ca.crt")
def ask(path, body, token=None):
    headers = {{"X-Vault-Token": token}} if token else {{}}
    request = urllib.request.Request(f"{{address}}/v1/{{path}}", json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        return json.loads(answer.read() or b"{{}}")
until = time.monotonic() + float(patience)
def patiently(*asked):
    while True:
        try:
            return ask(*asked)
        except urllib.error.URLError as error:
            code = getattr(error, "code", 500)
            if (code != 403 and code < 500) or time.monotonic() > until:
                raise
            time.sleep(3)
try:
    with open("{_IDENTITY}/token") as file:
        wanted = {{"role": role, "jwt": file.read()}}
    given = patiently(f"auth/{{mount}}/login", wanted)
    patiently("auth/token/revoke-self", {{}}, given["auth"]["client_token"])
except OSError as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""
"""Logs in, and ends that login; its exit code says whether it could. Whoever is asked next may be a standby, which
hears of a new token later than the active server."""


@dataclass(frozen=True, kw_only=True)
class PodLogins:
    """Logins by service accounts of one cluster."""

    api: ClusterApi
    image: str
    """What a pod runs in: Python."""
    authority: str
    """Certificate of the servers' authority, as PEM."""
    patience_seconds: int = PATIENCE_SECONDS
    pause: Callable[[float], None] = time.sleep

    def token(self, login: KubernetesLogin) -> str:
        """A token of the service account, for the audience of the login and for ten minutes. Raises CheckError."""
        try:
            self._made(login)
            return self.api.account_token(login.namespace, login.service_account, login.audience, 600)
        except ApiRefusedError as error:
            raise CheckError(f"no token of {login.namespace}/{login.service_account}: {error}") from None

    def log_in_from_pod(self, login: KubernetesLogin, mount: str, role: str) -> None:
        """Have a pod of the service account log in. Raises CheckError: it can't."""
        try:
            self._made(login)
            pod = self._pod(login, mount, role)
            name = str(pod["metadata"]["name"])
            self.api.delete(_POD, login.namespace, name, "Background")
            self._await_gone(login.namespace, name)
            self.api.create(_POD, pod)
            phase = self._await_ended(login.namespace, name)
            if phase != "Succeeded":
                word = self.api.last_line(login.namespace, name) if phase == "Failed" else "it doesn't end"
                raise CheckError(f"from a pod: {word}")
            self.api.delete(_POD, login.namespace, name, "Background")
        except ApiRefusedError as error:
            raise CheckError(f"from a pod: {error}") from None

    def _made(self, login: KubernetesLogin) -> None:
        labels = {**CLIENT_LABEL, "pod-security.kubernetes.io/enforce": "restricted"}
        self._ensure("core/v1:Namespace", {"metadata": {"name": login.namespace, "labels": labels}})
        place = {"namespace": login.namespace}
        self._ensure("core/v1:ServiceAccount", {"metadata": {"name": login.service_account, **place}})
        authority = {"metadata": {"name": jobs.AUTHORITY, **place}, "data": {"ca.crt": self.authority}}
        self._ensure("core/v1:ConfigMap", authority)

    def _ensure(self, kind: str, wanted: Values) -> None:
        version, _, called = kind.partition(":")
        # As another than the provider, which takes away what it made and no state knows.
        self.api.apply(kind, {"apiVersion": version.removeprefix("core/"), "kind": called, **wanted}, _MANAGER)

    def _await_gone(self, namespace: str, name: str) -> None:
        for _ in range(round(_SECONDS / _PAUSE_SECONDS)):
            if self.api.find(_POD, namespace, name) is None:
                return
            self.pause(_PAUSE_SECONDS)
        raise CheckError("from a pod: the one before it doesn't go")

    def _await_ended(self, namespace: str, name: str) -> str:
        phase = "Pending"
        for _ in range(round(_SECONDS / _PAUSE_SECONDS)):
            found = self.api.find(_POD, namespace, name) or {}
            phase = str((found.get("status") or {}).get("phase") or phase)
            if phase in ("Succeeded", "Failed"):
                break
            self.pause(_PAUSE_SECONDS)
        return phase

    def _pod(self, login: KubernetesLogin, mount: str, role: str) -> Values:
        told = [api_in_cluster(), mount, role, str(self.patience_seconds)]
        projected = {
            "serviceAccountToken": {"audience": login.audience, "expirationSeconds": 600, "path": "token"},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"access-check-{role}", "namespace": login.namespace},
            "spec": {
                "serviceAccountName": login.service_account,
                "automountServiceAccountToken": False,
                "restartPolicy": "Never",
                "activeDeadlineSeconds": _SECONDS,
                "securityContext": jobs.POD_SECURITY,
                "containers": [
                    {
                        "name": "login",
                        "image": self.image,
                        "command": ["python3", "-B", "-I", "-c", _PROGRAM, *told],
                        "securityContext": jobs.CONTAINER_SECURITY,
                        "volumeMounts": [
                            {"name": "identity", "mountPath": _IDENTITY, "readOnly": True},
                            {"name": "authority", "mountPath": _AUTHORITY, "readOnly": True},
                        ],
                    }
                ],
                "volumes": [
                    {"name": "identity", "projected": {"sources": [projected]}},
                    {"name": "authority", "configMap": {"name": jobs.AUTHORITY}},
                ],
            },
        }
