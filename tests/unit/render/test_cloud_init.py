"""A node's user-data for every flavour, seal and certificate, against one node rendered whole.

Doesn't prove that a machine boots from it, nor that `nft` and `systemd-analyze` take its files. `shellcheck` looks at
the scripts where it is installed.
"""

import base64
import difflib
import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pysequoia import Profile, Tsk

from components.render import acl, cloud_init
from components.render.administrator import administrator_policy
from components.render.cloud_init import MAXIMUM_BYTES, SSHD, first_boot
from components.render.node.archive import PROGRAM, pack, unpack
from components.render.node.model import Node, Place
from components.render.release import Download, Flavor, Server, variables
from components.render.tls import AcmeTls, ProvidedTls
from tests.unit.golden import node as golden
from tests.unit.render.nodes import (
    AUTHORITY,
    CERTIFICATES,
    COMBINATIONS,
    DOWNLOAD,
    NODE,
    OTHERS,
    PLACE,
    SEALS,
    SNAPSHOTS,
    SSH,
    SSH_KEY,
    TEXTS,
    files,
    node,
    of,
    opened,
    operators,
    place_of,
    render,
    unpacked,
    with_seal,
)

UNIT = "/etc/systemd/system/vault.service"
SCRIPTS = sorted((Path(cloud_init.__file__).parents[1] / "payloads").glob("*.sh"))


def environment(wanted: Node, place: Place = PLACE) -> dict[str, str]:
    """What the scripts read, without quotes."""
    lines = files(wanted, place)["/etc/vault-estate/node.env"][0].splitlines()
    return {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)}


@pytest.mark.parametrize(
    ("file", "now"),
    [(golden.FILE, golden.text(NODE)), (golden.DIFFERENCES, golden.differences(NODE, OTHERS))],
    ids=["one", "all"],
)
def test_every_node_is_the_one_agreed_on(file: Path, now: str) -> None:
    agreed = file.read_text(encoding="utf-8").splitlines()

    difference = list(difflib.unified_diff(agreed, now.splitlines(), "agreed", "now", lineterm=""))

    assert not difference, "\n".join([*difference[:200], f"If this is meant: {golden.AGAIN}"])


@pytest.mark.parametrize(("flavor", "seal", "tls"), COMBINATIONS)
def test_every_combination_is_loadable_and_small_enough(flavor: Flavor, seal: str, tls: str) -> None:
    wanted = of(flavor, seal, tls)
    text = render(wanted)
    document = yaml.safe_load(text)

    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) <= MAXIMUM_BYTES
    assert unpacked(text) == {path: content for path, (content, _) in files(wanted).items()}
    assert document["runcmd"][-1] == ["/usr/local/lib/vault-estate/setup"]
    assert render(wanted) == text


ONLY_ACME = {
    "/etc/letsencrypt/cli.ini",
    "/etc/systemd/system/certbot.service.d/vault-estate.conf",
    "/etc/systemd/system/vault-certificate.service",
    "/usr/local/lib/vault-estate/acme",
    "/usr/local/lib/vault-estate/deploy-certificate",
}


@pytest.mark.parametrize(("flavor", "seal", "tls"), COMBINATIONS)
def test_a_combination_differs_only_where_it_has_to(flavor: Flavor, seal: str, tls: str) -> None:
    standard, other = files(NODE), files(of(flavor, seal, tls))
    different = {path for path in standard.keys() | other.keys() if standard.get(path) != other.get(path)}
    library = "/usr/local/lib/vault-estate"

    expected: set[str] = set()
    if flavor == "vault" or seal != "static" or tls != "acme":
        expected |= {"/etc/vault-estate/node.env"}
    if flavor == "vault" or seal != "static":
        expected |= {UNIT, "/etc/vault-estate/server.hcl"}
    if flavor == "vault" or seal != "static":
        expected |= {"/etc/apparmor.d/vault-estate", f"{library}/serve-static"}
    if tls != "acme":
        expected |= ONLY_ACME | {"/etc/vault-estate/bootstrap.json"}
    if tls == "provided":
        expected |= {"/etc/vault-estate/authority.crt", "/etc/systemd/system/vault.path"}
    if seal in {"awskms", "transit"}:
        expected |= {"/etc/systemd/system/vault.path"}
    if seal == "transit":
        expected |= {f"{library}/serve-transit"}
    if seal == "shamir":
        expected |= {"/etc/apt/apt.conf.d/90vault-estate", "/etc/vault-estate/bootstrap.json"}
    assert different == expected


UNITS: list[tuple[str, list[str], list[str]]] = [
    (
        "static",
        [
            "ExecStart=/usr/local/lib/vault-estate/serve-static /usr/local/bin/bao server",
            "LoadCredentialEncrypted=seal-key:/var/lib/vault/credentials/seal-key",
            "LoadCredentialEncrypted=seal-key-previous:/var/lib/vault/credentials/seal-key-previous",
            "SetCredential=seal-key-previous:\\n",
        ],
        ["AWS_", "serve-transit"],
    ),
    (
        "awskms",
        [
            "LoadCredentialEncrypted=aws:/var/lib/vault/credentials/aws",
            "AWS_SHARED_CREDENTIALS_FILE=/run/credentials/vault.service/aws",
            "ConditionPathExists=/var/lib/vault/credentials/aws",
        ],
        ["serve-transit", "seal-key"],
    ),
    (
        "transit",
        [
            "ExecStart=/usr/local/lib/vault-estate/serve-transit /usr/local/bin/bao server",
            "LoadCredentialEncrypted=transit-token:/var/lib/vault/credentials/transit-token",
        ],
        ["AWS_", "VAULT_TOKEN"],
    ),
    ("shamir", ["ExecStart=/usr/local/bin/bao server -config=/etc/vault-estate/server.hcl"], ["LoadCredential"]),
]


@pytest.mark.parametrize(("seal", "there", "absent"), UNITS)
def test_the_unit_loads_what_its_seal_needs(seal: str, there: list[str], absent: list[str]) -> None:
    unit = files(with_seal(seal))[UNIT][0]

    assert [line for line in there if line not in unit] == []
    assert [word for word in absent if word in unit] == []


def test_the_environment_tells_the_scripts_what_differs() -> None:
    assert {name: environment(NODE)[name] for name in ("NODE", "NODE_HOST_NAME", "NODE_SUBJECT", "TLS", "SEAL")} == {
        "NODE": "vault.example.com",
        "NODE_HOST_NAME": "vault.example.com",
        "NODE_SUBJECT": "DNS:vault.example.com",
        "TLS": "acme",
        "SEAL": "static",
    }
    by_address = environment(node(tls=CERTIFICATES["internal"]), place_of("by-address"))
    assert (by_address["NODE_HOST_NAME"], by_address["NODE_SUBJECT"]) == ("", "IP:198.51.100.7")
    waiting = {seal: environment(with_seal(seal))["WAITS_FOR_OPERATOR"] for seal in SEALS}
    assert waiting == {"static": "no", "awskms": "yes", "transit": "yes", "shamir": "no"}
    assert environment(node(tls=CERTIFICATES["provided"]))["WAITS_FOR_OPERATOR"] == "yes"


CA_FILES = {
    "acme": "/etc/ssl/certs/ca-certificates.crt",
    "provided": "/etc/vault-estate/authority.crt",
    "internal": "/var/lib/vault/tls/server.crt",
}


@pytest.mark.parametrize("tls", CA_FILES)
def test_the_node_verifies_its_own_server(tls: str) -> None:
    parameters = first_boot(node(tls=CERTIFICATES[tls]), PLACE)

    assert (parameters.address, parameters.ca_file) == ("https://vault.example.com:8200", CA_FILES[tls])


def test_a_provided_certificate_of_a_public_authority_needs_no_file() -> None:
    wanted = node(tls=ProvidedTls())

    assert first_boot(wanted, PLACE).ca_file == CA_FILES["acme"]
    assert "/etc/vault-estate/authority.crt" not in files(wanted)
    assert files(node(tls=CERTIFICATES["provided"]))["/etc/vault-estate/authority.crt"][0] == AUTHORITY


def test_a_private_acme_authority_is_trusted_by_the_whole_node() -> None:
    wanted = node(tls=AcmeTls(email="a@example.com", directory="https://acme.internal/x", ca_certificate_file="ca.crt"))
    path = "/usr/local/share/ca-certificates/vault-estate.crt"

    assert files(wanted)[path] == (AUTHORITY, "0644")
    assert first_boot(wanted, PLACE).ca_file == CA_FILES["acme"]
    assert path not in files(NODE)


def test_only_a_seal_that_opens_by_itself_lets_the_node_reboot_by_itself() -> None:
    reboots = {seal: files(with_seal(seal))["/etc/apt/apt.conf.d/90vault-estate"][0] for seal in SEALS}

    assert ['Automatic-Reboot "true"' in text for text in reboots.values()] == [True, True, True, False]


def test_nobody_logs_in_unless_keys_are_given() -> None:
    closed, opened = (
        yaml.safe_load(render(NODE)),
        yaml.safe_load(render(node(ssh=SSH, texts={**TEXTS, "ada.pub": f"{SSH_KEY}\n"}))),
    )

    nobody = [{"name": "root"}]
    assert (closed["users"], closed["disable_root"], closed["ssh_pwauth"]) == (nobody, True, False)
    assert environment(NODE)["SSH"] == "no"
    (user,) = opened["users"]
    assert (user["name"], user["lock_passwd"], user["ssh_authorized_keys"]) == ("estate", True, [SSH_KEY])
    assert SSHD in unpacked(render(node(ssh=SSH)))


RELEASES: list[tuple[Flavor, str, str, str, str]] = [
    (
        "openbao",
        "https://github.com/openbao/openbao/releases/download/v2.7.1",
        "openbao_2.7.1_linux_arm64.tar.gz",
        "checksums.txt.gpgsig",
        "66D15FDD87287219C8E15478D200CD702853E6D0",
    ),
    (
        "vault",
        "https://releases.hashicorp.com/vault/2.7.1",
        "vault_2.7.1_linux_arm64.zip",
        "vault_2.7.1_SHA256SUMS.sig",
        "C874011F0AB405110D02105534365D9472D7468F",
    ),
]


@pytest.mark.parametrize(("flavor", "source", "archive", "signature", "fingerprint"), RELEASES)
def test_where_a_release_is_and_who_signs_it(
    flavor: Flavor, source: str, archive: str, signature: str, fingerprint: str
) -> None:
    found = variables(Server(flavor=flavor, version="2.7.1"), "arm64", DOWNLOAD)

    assert (found["RELEASE"], found["ARCHIVE"], found["SIGNATURE"]) == (source, archive, signature)
    assert found["SIGNING_KEY_FINGERPRINT"] == fingerprint


def test_a_mirror_with_a_key_of_its_own() -> None:
    mirror = Download(
        checksums={"amd64": "0" * 64},
        source="https://mirror.example.com/bao/",
        signing_key="https://mirror.example.com/key.asc",
        signing_key_fingerprint="A" * 40,
    )
    found = variables(NODE.server, "amd64", mirror)

    assert found["RELEASE"] == "https://mirror.example.com/bao"
    assert (found["SIGNING_KEY"], found["SIGNING_KEY_FINGERPRINT"]) == (mirror.signing_key, "A" * 40)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"address": "a b"}, "address is 'a b'; expected a host name or an IPv4 address"),
        ({"volume_device": "/dev/sdb"}, "volume_device is '/dev/sdb'; expected a path below /dev/disk/by-id"),
    ],
)
def test_a_place_that_no_node_could_have_is_refused(parts: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(PLACE, **parts)


def test_another_port_and_another_name_in_the_cluster_arrive_everywhere() -> None:
    found = files(node(api_port=9200, node_id="node-3", snapshots=SNAPSHOTS))
    texts = {path: content for path, (content, _) in found.items() if not path.endswith("/harden")}

    # The flows are planned elsewhere; the server's user has that number for a name.
    assert [path for path, content in texts.items() if "8200" in content] == ["/etc/nftables.conf"]
    assert 'address = "0.0.0.0:9200"' in found["/etc/vault-estate/server.hcl"][0]
    assert 'node_id = "node-3"' in found["/etc/vault-estate/server.hcl"][0]


def test_five_operators_fit() -> None:
    keys = [Tsk.generate(f"operator {number} <{number}@example.com>", profile=Profile.RFC4880) for number in range(5)]
    holders, texts = operators([str(key.extract_certificate()) for key in keys])
    first = NODE.bootstrap.model_copy(update={"operators": holders, "threshold": 3})

    for flavor, seal, tls in COMBINATIONS:
        wanted = of(flavor, seal, tls, bootstrap=first, texts=texts, policy=acl.render(administrator_policy()))
        # Room for what is still to come.
        assert len(render(wanted).encode()) < MAXIMUM_BYTES - 5_000, (flavor, seal, tls)


def test_the_archive_keeps_permissions() -> None:
    wanted = files(node(ssh=SSH))
    modes = {path: permissions for path, (_, permissions) in opened(render(node(ssh=SSH))).items()}

    assert modes == {path: permissions for path, (_, permissions) in wanted.items() if path != SSHD}
    assert modes["/etc/vault-estate/bootstrap.json"] == "0600"
    assert modes["/usr/local/lib/vault-estate/setup"] == "0755"


def test_the_node_unpacks_what_was_packed(tmp_path: Path) -> None:
    wanted = {f"{tmp_path}/deep/er/é": ("ä\n\\0\n", "0755"), f"{tmp_path}/empty": ("", "0600")}
    (tmp_path / "packed").write_text(base64.b85encode(pack(wanted)).decode() + "\n")
    for _ in range(2):
        command = [sys.executable, "-I", "-c", PROGRAM, str(tmp_path / "packed")]
        subprocess.run(command, check=True, timeout=30)
        for path, (content, permissions) in wanted.items():
            assert Path(path).read_text(encoding="utf-8") == content
            assert f"{Path(path).stat().st_mode & 0o7777:04o}" == permissions
    assert unpack(pack(wanted)) == wanted


def test_what_wasnt_packed_here_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be unpacked"):
        unpack(b"nothing")


def test_the_archive_of_the_same_files_has_the_same_bytes() -> None:
    lines = "".join(f"{number} {number**3:x}\n" for number in range(5_000))
    packed = pack({"/b": (lines, "0755"), "/a": ("a", "0644")})

    # Written down, since another encoder's bytes would replace every server there is.
    assert hashlib.sha256(packed).hexdigest() == "79105d416bd836fcb8d4ba544ed6082fc217a5cdecd5f1b0007ce65c3ec64df4"
    assert pack({"/a": ("a", "0644"), "/b": (lines, "0755")}) == packed


def test_a_python_without_the_encoder_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)

    with pytest.raises(ValueError, match="built without its module lzma"):
        render(NODE)


def test_too_much_is_refused_with_what_to_do() -> None:
    import random

    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=40_000))  # noqa: S311 - no secret
    large = node(tls=CERTIFICATES["provided"], texts={**TEXTS, "ca.crt": noise})

    with pytest.raises(ValueError, match=r"user-data: \d+ bytes; expected at most 32768"):
        render(large)


def test_no_script_traces_itself_or_takes_a_secret_as_an_argument() -> None:
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        assert text.startswith("#!/bin/sh\n"), script.name
        assert "\nset -eu\n" in text, script.name
        assert "set -x" not in text, script.name


CHECKS = [["sh", "-n"], *([["shellcheck"]] if shutil.which("shellcheck") else [])]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check[0])
def test_every_script_is_a_good_one(check: list[str]) -> None:
    for script in SCRIPTS:
        answer = subprocess.run([*check, str(script)], capture_output=True, text=True, check=False)

        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", ""), script.name
