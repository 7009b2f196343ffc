"""The server's configuration as text: three whole files, what is refused, and that HCL reads what was meant.

Doesn't prove: that a server takes it; the live tests start OpenBao with it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hcl2
import pytest

from components.render.audit import FileAudit, SyslogAudit
from components.render.hcl import quote
from components.render.kms_plugin import KmsPlugin
from components.render.release import FLAVORS, Flavor
from components.render.seals import AwsKmsSeal, SealPlace, ShamirSeal, StaticSeal, TransitSeal
from components.render.server_hcl import RetryJoin, ServerHcl, Telemetry, render

OPENBAO = ServerHcl(
    flavor="openbao",
    storage_path="/srv/data",
    node_id="one",
    listener_address="127.0.0.1:8200",
    cluster_listener_address="127.0.0.1:8201",
    api_address="https://127.0.0.1:8200",
    cluster_address="https://127.0.0.1:8201",
    certificate_file="/srv/tls/server.crt",
    key_file="/srv/tls/server.key",
    seal=StaticSeal(),
    seal_place=SealPlace(static_key_file="/srv/seal.key", kms_key="alias/vault"),
    audit_devices={"main": FileAudit(file_path="/srv/audit.log"), "second": SyslogAudit()},
)
VAULT = replace(OPENBAO, flavor="vault", seal=AwsKmsSeal(region="eu-central-1"), audit_devices={})

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
    place = SealPlace(static_key_file="/k")
    text = render(replace(OPENBAO, cluster_name="other", seal_place=place))

    for line in ('cluster_name = "other"', '  current_key_id = "1"', '  current_key = "file:///k"'):
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
        ({"flavor": "vault"}, "seal.kind is 'static'; expected one that 'vault' has"),
        ({"audit_devices": {}}, "audit_devices is empty; expected at least one"),
        ({"api_address": "http://127.0.0.1:8200"}, "api_address is 'http://127.0.0.1:8200'; expected an https:// URL"),
        ({"cluster_address": "127.0.0.1:8201"}, "cluster_address is '127.0.0.1:8201'; expected an https:// URL"),
        (
            {"flavor": "vault", "seal": AwsKmsSeal(region="eu-central-1"), "audit_devices": {}, "reload": True},
            "reload is given; expected none: Vault takes another certificate after SIGHUP only",
        ),
        ({"seal": AwsKmsSeal(region="eu-central-1")}, "seal.kind is 'awskms'; expected one that 'openbao' has"),
    ],
)
def test_what_a_server_would_not_honour_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        replace(OPENBAO, **change)


PLUGIN = {"version": "v0.1.0", "sha256sum": "0" * 64}
BY_KMS: dict[str, Any] = {
    "seal": AwsKmsSeal(region="eu-central-1"),
    "seal_place": SealPlace(kms_key="alias/vault"),
    "plugin_directory": "/openbao/plugins",
}


def test_openbao_has_the_seal_by_aws_kms_as_a_plugin() -> None:
    image = KmsPlugin(image="ghcr.io/openbao/openbao-plugin-kms-aws", **PLUGIN)
    fetched = render(replace(OPENBAO, **BY_KMS, kms_plugin=image))
    assert (
        'plugin_directory = "/openbao/plugins"\n'
        "plugin_auto_download = true\n"
        'plugin "kms" "awskms" {\n'
        '  image = "ghcr.io/openbao/openbao-plugin-kms-aws"\n'
        '  version = "v0.1.0"\n'
        f'  sha256sum = "{"0" * 64}"\n'
        "}\n"
        'seal "awskms" {\n'
    ) in fetched
    assert [(need.host, need.port) for need in image.needs()] == [("ghcr.io", 443)]

    program = KmsPlugin(command="openbao-plugin-kms-aws", **PLUGIN)
    there = render(replace(OPENBAO, **BY_KMS, kms_plugin=program))
    assert '  command = "openbao-plugin-kms-aws"\n' in there
    assert "plugin_auto_download" not in there
    assert program.needs() == ()


def test_a_plugin_that_is_of_no_use_is_refused() -> None:
    program = KmsPlugin(command="openbao-plugin-kms-aws", **PLUGIN)
    with pytest.raises(ValueError, match="kms_plugin is given; expected none: 'openbao' has no use for it"):
        replace(OPENBAO, kms_plugin=program)
    with pytest.raises(ValueError, match="plugin_directory is missing; expected it beside kms_plugin"):
        replace(OPENBAO, **{**BY_KMS, "plugin_directory": None}, kms_plugin=program)


def test_vault_refuses_declared_audit_devices() -> None:
    with pytest.raises(ValueError, match="audit_devices is given; expected none: Vault takes them through its API"):
        replace(VAULT, audit_devices={"main": FileAudit(file_path="/a")})


def read(server: ServerHcl) -> Any:
    """What another reader of HCL makes of the file, without its own marks."""
    # The servers read HCL 1, in which an attribute's name may be in quotes.
    return plain(hcl2.loads(render(server).replace('"default" =', "default =")))


def plain(found: Any) -> Any:
    if isinstance(found, dict):
        return {plain(key): plain(value) for key, value in found.items() if key != "__is_block__"}
    if isinstance(found, list):
        return [plain(one) for one in found]
    return found.strip('"') if isinstance(found, str) else found


ONE: dict[str, Any] = {
    "leader_api_addr": "https://one:8200",
    "leader_ca_cert_file": "/ca.crt",
    "leader_tls_servername": "vault",
}
TWO: dict[str, Any] = {"leader_api_addr": "https://two:8200"}
JOINS: list[tuple[tuple[RetryJoin, ...], list[dict[str, Any]]]] = [
    ((RetryJoin(**ONE),), [ONE]),
    ((RetryJoin(**ONE), RetryJoin(**TWO)), [ONE, TWO]),
    ((RetryJoin(auto_join="provider=k8s namespace=vault"),), [{"auto_join": "provider=k8s namespace=vault"}]),
]


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize(("joins", "expected"), JOINS)
def test_nodes_to_join_are_part_of_the_storage(
    flavor: Flavor, joins: tuple[RetryJoin, ...], expected: list[dict[str, Any]]
) -> None:
    standard = OPENBAO if flavor == "openbao" else VAULT

    found = read(replace(standard, retry_join=joins))

    (storage,) = found["storage"]
    assert storage["raft"]["retry_join"] == expected
    assert storage["raft"]["node_id"] == "one"
    assert "retry_join" not in render(standard)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_metrics_are_asked_for_in_the_servers_block_and_opened_in_the_listeners(flavor: Flavor) -> None:
    standard = OPENBAO if flavor == "openbao" else VAULT

    open_to_all = Telemetry(
        prometheus_retention_time=3_600, disable_hostname=False, unauthenticated_metrics_access=True
    )
    closed, opened = (read(replace(standard, telemetry=one)) for one in (Telemetry(), open_to_all))

    assert closed["telemetry"] == [{"prometheus_retention_time": "86400s", "disable_hostname": True}]
    assert "telemetry" not in closed["listener"][0]["tcp"]
    assert opened["telemetry"] == [{"prometheus_retention_time": "3600s", "disable_hostname": False}]
    assert opened["listener"][0]["tcp"]["telemetry"] == [{"unauthenticated_metrics_access": True}]
    assert "telemetry" not in render(standard)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_what_a_pods_environment_says_is_left_out(flavor: Flavor) -> None:
    standard = OPENBAO if flavor == "openbao" else VAULT
    pod = replace(standard, node_id=None, api_address=None, cluster_address=None, registers_pods=True)

    found, always = read(pod), read(standard)

    assert {"api_addr", "cluster_addr"} == always.keys() - found.keys()
    assert set(always["storage"][0]["raft"]) - set(found["storage"][0]["raft"]) == {"node_id"}
    assert found["service_registration"] == [{"kubernetes": {}}]
    assert "service_registration" not in render(standard)


def test_openbao_looks_for_another_certificate_by_itself() -> None:
    (listener,) = read(replace(OPENBAO, reload=True))["listener"]

    assert listener["tcp"]["tls_auto_reload"] is True
    assert listener["tcp"]["tls_auto_reload_interval"] == "5s"
    assert "tls_auto_reload" not in render(OPENBAO)


SEALS: list[tuple[Any, Any]] = [
    (ShamirSeal(), None),
    (AwsKmsSeal(region="eu-central-1"), {"awskms": {"region": "eu-central-1", "kms_key_id": "alias/vault"}}),
    (
        TransitSeal(address="https://other:8200", key="k", mount="a/b"),
        {"transit": {"address": "https://other:8200", "key_name": "k", "mount_path": "a/b/"}},
    ),
    (StaticSeal(), {"static": {"current_key_id": "1", "current_key": "file:///srv/seal.key"}}),
]


@pytest.mark.parametrize(("seal", "expected"), SEALS)
def test_each_seal_is_a_stanza_that_hcl_reads(seal: Any, expected: Any) -> None:
    server = next(one for one in (OPENBAO, VAULT) if one.flavor in seal.flavors)

    assert read(replace(server, seal=seal)).get("seal", [None]) == [expected]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (RetryJoin, "retry_join.leader_api_addr is missing beside auto_join; expected exactly one of the two"),
        (
            lambda: RetryJoin(leader_api_addr="https://a", auto_join="x"),
            "is given beside auto_join; expected exactly one of the two",
        ),
        (lambda: RetryJoin(leader_api_addr="http://a"), "retry_join.leader_api_addr is 'http://a'; expected an https"),
        (lambda: Telemetry(prometheus_retention_time=0), "prometheus_retention_time is 0; expected more than 0"),
        (lambda: StaticSeal().stanza(SealPlace()), "static_key_file is missing; expected its absolute path"),
        (lambda: AwsKmsSeal(region="eu-central-1").stanza(SealPlace()), "seal.key_arn is missing; expected it"),
    ],
)
def test_parts_that_could_not_work_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        make()
