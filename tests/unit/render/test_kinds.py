"""What differs by the kind of a seal, a certificate or an audit device, as one table each."""

import pytest

from components.render.audit import AuditDevice, FileAudit, SocketAudit, SyslogAudit
from components.render.seals import AwsKmsSeal, Seal, kinds_for
from components.render.tls import Tls
from components.render.traffic import Need
from tests.unit.render.nodes import CERTIFICATES, SEALS, TEXTS

OWN = AwsKmsSeal(region="eu-central-1")


@pytest.mark.parametrize(
    ("seal", "facts"),
    [
        (SEALS["static"], (True, False, False, [], ())),
        (SEALS["awskms"], (True, True, True, ["kms.eu-central-1.amazonaws.com"], ())),
        (OWN, (True, True, True, ["kms.eu-central-1.amazonaws.com"], ("aws",))),
        (SEALS["transit"], (True, True, True, ["other.example.com"], ())),
        (SEALS["shamir"], (False, True, False, [], ())),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_seals(seal: Seal, facts: object) -> None:
    hosts = [need.host for need in seal.needs()]

    assert (seal.auto_unseal, seal.needs_operator, seal.waits_for_operator, hosts, seal.providers) == facts


def test_every_server_has_the_seals_it_has() -> None:
    assert kinds_for("openbao") == ["transit", "static", "shamir"]
    assert kinds_for("vault") == ["awskms", "transit", "shamir"]


@pytest.mark.parametrize(
    ("tls", "facts"),
    [
        (CERTIFICATES["acme"], (False, True, False, None, ["acme.example.com"])),
        (CERTIFICATES["provided"], (False, False, True, "ca.crt", [])),
        (CERTIFICATES["internal"], (True, False, False, "node.crt", [])),
    ],
    ids=CERTIFICATES,
)
def test_certificates(tls: Tls, facts: object) -> None:
    hosts = [need.host for need in tls.needs()]

    assert (tls.is_pinned, tls.takes_challenges, tls.waits_for_operator, tls.authority_file, hosts) == facts
    assert tls.needs_name is not tls.is_pinned
    assert all(content.strip() for content, _ in tls.files(TEXTS).values())


@pytest.mark.parametrize(
    ("device", "needs"),
    [
        (FileAudit(file_path="/a"), ()),
        (SyslogAudit(), ()),
        (SocketAudit(address="/run/audit.sock", socket_type="unix"), ()),
        (SocketAudit(address="10.0.0.9:9090"), (Need(host="10.0.0.9", port=9090, reason="audit device far"),)),
        (
            SocketAudit(address="logs.internal:514", socket_type="udp"),
            (Need(host="logs.internal", port=514, reason="audit device far", protocol="udp"),),
        ),
    ],
)
def test_audit_devices(device: AuditDevice, needs: tuple[Need, ...]) -> None:
    assert device.needs("far") == needs
