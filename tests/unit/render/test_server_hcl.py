"""The server's configuration as text: three whole files, what is refused, and that HCL reads what was meant.

Doesn't prove: that a server takes it; the live tests start OpenBao with it.
"""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from components.render.server_hcl import (
    AwsKmsSeal,
    FileAudit,
    Flavor,
    ServerHcl,
    ShamirSeal,
    StaticSeal,
    SyslogAudit,
    quote,
    render,
)

OPENBAO = ServerHcl(
    flavor=Flavor.OPENBAO,
    storage_path="/srv/data",
    node_id="one",
    listener_address="127.0.0.1:8200",
    cluster_listener_address="127.0.0.1:8201",
    api_address="https://127.0.0.1:8200",
    cluster_address="https://127.0.0.1:8201",
    certificate_file="/srv/tls/server.crt",
    key_file="/srv/tls/server.key",
    seal=StaticSeal(key_file="/srv/seal.key"),
    audit_devices=(FileAudit(name="main", path="/srv/audit.log"), SyslogAudit(name="second")),
)
VAULT = replace(
    OPENBAO, flavor=Flavor.VAULT, seal=AwsKmsSeal(region="eu-central-1", key_id="alias/vault"), audit_devices=()
)

LISTENER = """\
listener "tcp" {
  address = "127.0.0.1:8200"
  cluster_address = "127.0.0.1:8201"
  tls_cert_file = "/srv/tls/server.crt"
  tls_key_file = "/srv/tls/server.key"
  tls_min_version = "tls13"
  custom_response_headers {
    "default" = {
      "Strict-Transport-Security" = ["max-age=31536000; includeSubDomains"]
    }
  }
}
"""
STORAGE = """\
storage "raft" {
  path = "/srv/data"
  node_id = "one"
  performance_multiplier = 1
}
"""
COMMON = """\
api_addr = "https://127.0.0.1:8200"
cluster_addr = "https://127.0.0.1:8201"
cluster_name = "vault-estate"
default_lease_ttl = "3600s"
max_lease_ttl = "2764800s"
log_format = "json"
ui = false
"""
STATIC = """\
seal "static" {
  current_key_id = "1"
  current_key = "file:///srv/seal.key"
}
"""
AWSKMS = """\
seal "awskms" {
  region = "eu-central-1"
  kms_key_id = "alias/vault"
}
"""
AUDIT = """\
audit "file" "main" {
  options {
    file_path = "/srv/audit.log"
    mode = "0600"
  }
}
audit "syslog" "second" {
  options {
    facility = "AUTH"
    tag = "vault"
  }
}
"""
VAULT_ONLY = "disable_mlock = true\ndeny_slash_in_templated_paths = true\n"


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (OPENBAO, STORAGE + STATIC + LISTENER + AUDIT + COMMON),
        (VAULT, STORAGE + AWSKMS + LISTENER + COMMON + VAULT_ONLY),
        (replace(VAULT, seal=ShamirSeal()), STORAGE + LISTENER + COMMON + VAULT_ONLY),
    ],
    ids=["openbao-static", "vault-awskms", "vault-by-hand"],
)
def test_the_whole_file(server: ServerHcl, text: str) -> None:
    assert render(server) == text


def test_every_setting_arrives() -> None:
    text = render(
        replace(
            OPENBAO,
            cluster_name="other",
            default_lease_ttl_seconds=60,
            max_lease_ttl_seconds=120,
            performance_multiplier=5,
            seal=StaticSeal(key_file="/k", key_id="2026"),
        )
    )
    for line in (
        'cluster_name = "other"',
        'default_lease_ttl = "60s"',
        'max_lease_ttl = "120s"',
        "  performance_multiplier = 5",
        '  current_key_id = "2026"',
        '  current_key = "file:///k"',
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("path", ['/a "b"/c', "/a\\b", "/ünï", "/blank space", "/$dollar", "/100%"])
def test_an_unusual_path_is_quoted_by_jsons_rules(path: str) -> None:
    """JSON's escapes are a subset of HCL's; a live test starts a server in such directories."""
    assert json.loads(quote(path)) == path
    assert quote(path).isprintable()


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\x7f", "${path}", "%{if}"])
def test_what_hcl_would_not_take_literally_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"control character|template marker"):
        quote(value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flavor": Flavor.VAULT}, "seal: the static seal exists in OpenBao only"),
        ({"audit_devices": ()}, "audit_devices: OpenBao takes audit devices from this file only"),
        ({"audit_devices": (FileAudit(name="a", path="/a"),) * 2}, "audit_devices: names must differ"),
        ({"api_address": "http://127.0.0.1:8200"}, "api_address: 'http://127.0.0.1:8200' is not an https://"),
        ({"cluster_address": "127.0.0.1:8201"}, "cluster_address: '127.0.0.1:8201' is not an https://"),
        ({"default_lease_ttl_seconds": 0}, "default_lease_ttl_seconds: 0 must be above 0"),
        ({"default_lease_ttl_seconds": 9, "max_lease_ttl_seconds": 8}, "default_lease_ttl_seconds: 9 must be"),
        ({"performance_multiplier": 0}, "performance_multiplier: 0 is not between 1 and 10"),
        ({"performance_multiplier": 11}, "performance_multiplier: 11 is not between 1 and 10"),
    ],
)
def test_what_a_server_would_not_honour_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        replace(OPENBAO, **change)


def test_vault_refuses_declared_audit_devices() -> None:
    with pytest.raises(ValueError, match="audit_devices: Vault takes audit devices through its API"):
        replace(VAULT, audit_devices=(FileAudit(name="main", path="/a"),))


def test_the_edges_of_each_range_are_accepted() -> None:
    edges: list[dict[str, Any]] = [
        {"default_lease_ttl_seconds": 1, "max_lease_ttl_seconds": 1},
        {"performance_multiplier": 1},
        {"performance_multiplier": 10},
    ]
    assert all(render(replace(OPENBAO, **edge)) for edge in edges)
