"""What publishes the servers' authority: what it sends to Kubernetes, and what it refuses to send.

Doesn't prove: that Kubernetes merges it as its documents on server-side apply say.
"""

import http.client
import json
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.payloads import publish_authority

CERTIFICATES = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class Kubernetes:
    """A fake of the cluster's API: takes one request and answers it."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.sent = status, list[Any]()

    def __call__(self, host: str, port: int, *, timeout: float, context: str) -> "Kubernetes":
        self.sent.append((host, port, context))
        assert timeout
        return self

    def request(self, method: str, path: str, body: str, headers: dict[str, str]) -> None:
        self.sent.append((method, path, json.loads(body), headers))

    def getresponse(self) -> Any:
        return SimpleNamespace(status=self.status, reason="Forbidden", read=lambda: b"canary")

    def close(self) -> None:
        self.sent.append("closed")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pod's own credential."""
    text = "-".join(("canary", "token"))
    (tmp_path / "token").write_text(text)
    monkeypatch.setattr(publish_authority, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "172.20.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: cafile)
    return text


def run(file: Path, text: str) -> int:
    file.write_text(text)
    return publish_authority.main([str(file), "vault-jobs", "vault-authority"])


def test_one_config_map_is_changed_and_what_others_wrote_stays(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubernetes = Kubernetes()
    monkeypatch.setattr(http.client, "HTTPSConnection", kubernetes)

    assert run(tmp_path / "ca", CERTIFICATES * 2) == 0
    opened, (method, path, body, headers), closed = kubernetes.sent
    assert opened == ("172.20.0.1", 443, str(tmp_path / "ca.crt"))
    assert (method, closed) == ("PATCH", "closed")
    assert path.startswith("/api/v1/namespaces/vault-jobs/configmaps/vault-authority?fieldManager=")
    assert headers == {"Authorization": f"Bearer {token}", "Content-Type": "application/apply-patch+yaml"}
    assert body["data"] == {"ca.crt": CERTIFICATES * 2}


@pytest.mark.parametrize(
    "text", ["", "AAAA", f"{CERTIFICATES}-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"]
)
def test_anything_but_certificates_is_refused_and_not_quoted(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    kubernetes = Kubernetes()
    monkeypatch.setattr(http.client, "HTTPSConnection", kubernetes)

    assert run(tmp_path / "ca", text) == 2
    assert kubernetes.sent == []
    said = capsys.readouterr().err
    assert said.endswith("holds something else than certificates\n")
    assert token not in said


def test_a_refusal_is_one_sentence(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client, "HTTPSConnection", Kubernetes(403))
    assert run(tmp_path / "ca", CERTIFICATES) == 1
    said = capsys.readouterr().err
    assert said == "publish_authority: ConfigMap vault-authority in vault-jobs: 403 Forbidden\n"
    assert token not in said
    assert publish_authority.main(["alone"]) == 2


def test_no_answer_is_one_sentence(token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreached(*arguments: Any, **options: Any) -> None:
        raise ConnectionRefusedError(str((arguments, options)))

    assert token
    monkeypatch.setattr(http.client, "HTTPSConnection", unreached)
    assert run(tmp_path / "ca", CERTIFICATES) == 1
