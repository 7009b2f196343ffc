"""A cluster's API as programs here ask it, with the rights of its administrator."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import requests

Object = Mapping[str, Any]
_SECONDS = 10.0


class Asked(Protocol):
    """What is asked."""

    def call(self, method: str, path: str, body: Object | None = None) -> Any:
        """One request; its answer. Raises OSError: none, or a refusal."""


class ClusterApi:
    """The API of the cluster in a folder. Each thread has its own."""

    def __init__(self, folder: Path) -> None:
        kubeconfig = json.loads((folder / "kubeconfig").read_text(encoding="utf-8"))
        self._server = kubeconfig["clusters"][0]["cluster"]["server"]
        self._session = requests.Session()
        # Proxies of this machine's user are for what is outside.
        self._session.trust_env = False
        self._session.verify = str(folder / "tls" / "ca.crt")
        self._session.headers["Authorization"] = f"Bearer {kubeconfig['users'][0]['user']['token']}"

    def call(self, method: str, path: str, body: Object | None = None) -> Any:
        """One request; its answer. Raises OSError: none, or a refusal."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind} if body is not None else {}
        answer = self._session.request(method, self._server + path, json=body, headers=headers, timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()
