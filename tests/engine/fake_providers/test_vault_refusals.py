"""What the fake Vault provider refuses, and in which words: each mistake is one line, and no line holds a secret."""

import json
from typing import Any

import grpc
import pytest

from fake_providers.attach import attach
from tests.engine.fake_providers.filling import asked, write
from tests.engine.fake_providers.wire import Known, Values, Wire
from tests.support.servers import VaultServer, free_ports, seal

MOUNT, POLICY = "vault:index/mount:Mount", "vault:index/policy:Policy"
CONNECTION = "vault:database/secretBackendConnection:SecretBackendConnection"


def status(error: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    """The one line the engine prints."""
    text = str(error.value.details())
    assert "\n" not in text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("token", "inputs", "words"),
    [
        ("vault:index/noSuch:NoSuch", {}, "this type isn't offered by the fake Vault provider"),
        (MOUNT, {"path": "x", "type": "kv", "colour": "red"}, "property colour: not offered"),
        (MOUNT, {"type": "kv", "namespace": "n"}, "property namespace: not offered"),
        (MOUNT, {"path": "x"}, "property type is missing"),
        (POLICY, {"policy": "x"}, "property name is missing"),
        (POLICY, {"name": "x", "policy": 7}, "property policy: expected text, not int"),
        (MOUNT, {"path": "x", "type": "kv", "maxLeaseTtlSeconds": True}, "expected seconds, not bool"),
        (
            CONNECTION,
            {"backend": "d", "name": "x", "postgresql": {"host": "h"}},
            "property postgresql.host: not offered",
        ),
        (CONNECTION, {"backend": "d", "name": "x", "mysql": {}}, "property mysql: not offered"),
    ],
)
def test_check(wire: Wire, token: str, inputs: Values, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wire.check(token, inputs)


def test_a_path_in_use_keeps_the_servers_words(wire: Wire, vault_server: VaultServer) -> None:
    write(vault_server.client, "sys/mounts/taken", {"type": "kv"})
    with pytest.raises(grpc.RpcError) as error:
        wire.create(MOUNT, {"path": "taken", "type": "kv"})
    assert "path is already in use at taken/" in status(error)
    write(vault_server.client, "sys/auth/taken", {"type": "approle"})
    with pytest.raises(grpc.RpcError) as error:
        wire.create("vault:index/authBackend:AuthBackend", {"path": "taken", "type": "approle"})
    assert "path is already in use at taken/" in status(error)


def test_openbao_takes_no_audit_device_from_the_api(wire: Wire) -> None:
    audit = {"type": "file", "path": "second", "options": {"file_path": "/tmp/audit.log"}}  # noqa: S108 - never opened
    known = Known("vault:index/audit:Audit", "second", wire.check("vault:index/audit:Audit", audit))
    with pytest.raises(grpc.RpcError) as error:
        wire.create("vault:index/audit:Audit", audit)
    assert "declarative, config-based audit device management" in status(error)
    assert wire.read(known) is None
    other = wire.diff(known, audit | {"options": {"file_path": "/tmp/other.log"}})  # noqa: S108 - as above
    assert list(other.replaces) == ["options"]


def test_a_declared_audit_device_can_be_read(wire: Wire, vault_server: VaultServer) -> None:
    devices = asked(vault_server.client, "sys/audit")
    assert devices
    name = next(iter(devices)).strip("/")
    loaded = wire.load("vault:index/audit:Audit", name)
    assert loaded is not None
    assert loaded.inputs.values["type"] == devices[f"{name}/"]["type"]


def test_half_made_jwt_method_is_taken_away(wire: Wire, vault_server: VaultServer) -> None:
    with pytest.raises(grpc.RpcError) as error:
        wire.create("vault:jwt/authBackend:AuthBackend", {"path": "broken", "jwtValidationPubkeys": ["no key"]})
    assert "public key" in status(error)
    assert asked(vault_server.client, "sys/auth/broken") is None


def test_no_secret_in_a_refusal(wire: Wire, vault_server: VaultServer) -> None:
    write(vault_server.client, "sys/mounts/told", {"type": "kv", "options": {"version": "1"}})
    canary = "-".join(("never", "in", "a", "message"))
    with pytest.raises(grpc.RpcError) as error:
        wire.create(POLICY, {"name": "bad", "policy": f'path "{canary}" {{ capabilities = ["{canary}"] }}'}, ["policy"])
    assert canary not in status(error)
    assert "[secret]" in status(error)


def test_no_rest_of_a_secret_whose_beginning_was_the_old_one(wire: Wire) -> None:
    def policy(path: str, capability: str) -> Values:
        return {"name": "grown", "policy": f'path "{path}" {{ capabilities = ["{capability}"] }}'}

    known = wire.create(POLICY, policy("first-part", "read"), ["policy"])
    with pytest.raises(grpc.RpcError) as error:
        wire.update(known, policy("any", "first-part-and-the-rest"), ["policy"])
    assert "rest" not in status(error)
    assert "[secret]" in status(error)


def broken(settings: Values, **changes: Any) -> str:
    """What a first call says with these settings."""
    given = {key: value for key, value in (settings | changes).items() if value is not None}
    with (
        attach(["vault"]) as environment,
        pytest.raises(grpc.RpcError) as error,
        Wire(environment, "vault", given) as wire,
    ):
        wire.load(POLICY, "default")
    return status(error)


def test_settings(settings: Values, vault_server: VaultServer) -> None:
    login = json.loads(settings["authLoginCert"])
    nobody = f"https://127.0.0.1:{free_ports(1)[0]}"
    assert f"Vault at {nobody} can't be reached: connection refused" in broken(settings, address=nobody)
    assert "TLS failed" in broken(settings, caCertFile=None)
    assert "address is missing" in broken(settings, address=None)
    assert "expected one of them" in broken(settings, authLoginCert=None)
    assert "provider setting colour" in broken(settings, colour="red")
    assert "TLS is always verified" in broken(settings, skipTlsVerify="true")
    assert "authLoginCert: role unknown" in broken(settings, authLoginCert=json.dumps(login | {"role": "x"}))
    assert "no such file" in broken(settings, authLoginCert=json.dumps(login | {"keyFile": "/nowhere.pem"}))
    assert "auth/cert/login" in broken(settings, authLoginCert=json.dumps(login | {"name": "nobody"}))
    token = "-".join(("not", "a", "token"))
    refused = broken(settings, authLoginCert=None, token=token)
    assert "permission denied" in refused
    assert token not in refused
    assert vault_server.address in refused


def test_a_sealed_server_is_named(settings: Values, vault_server: VaultServer) -> None:
    with attach(["vault"]) as environment, Wire(environment, "vault", settings) as wire:
        seal(vault_server.client, vault_server.platform)
        with pytest.raises(grpc.RpcError) as error:
            wire.load(POLICY, "default")
    assert f"Vault at {vault_server.address} is sealed" in status(error)
