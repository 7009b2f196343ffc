"""The official charts without Helm: the objects, and every way in which it refuses to guess.

Not proven here: that Helm makes the same. It was held against Helm's own output of both charts, from which it differs
in the start script and in the checksum.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from components.render.chart.server_file import ClusterServer, server_file
from components.render.chart.values import values
from fake_providers import chart
from tests.support.cluster_samples import ARCHIVES
from tests.unit.render.chart_samples import OPENBAO, PLACE, SERVERS, VAULT

each_flavor = pytest.mark.parametrize("server", SERVERS, ids=[one.flavor for one in SERVERS])


def rendered(
    server: ClusterServer, change: Callable[[Any], object] = lambda _: None, archive: str = ""
) -> dict[tuple[str, str], Any]:
    """Objects by kind and name."""
    given = copy.deepcopy(values(server, server_file(server, PLACE)))
    change(given)
    made = chart.render(archive or ARCHIVES[server.flavor], "vault", "vault", given)
    found = {(one["kind"], one["metadata"]["name"]): one for one in made}
    assert len(found) == len(made)
    return found


@each_flavor
def test_exactly_these_objects(server: ClusterServer) -> None:
    assert rendered(server).keys() == {
        ("ClusterRoleBinding", "vault-server-binding"),
        ("ConfigMap", "vault-config"),
        ("PodDisruptionBudget", "vault"),
        ("Role", "vault-discovery-role"),
        ("RoleBinding", "vault-discovery-rolebinding"),
        ("Service", "vault"),
        ("Service", "vault-active"),
        ("Service", "vault-internal"),
        ("ServiceAccount", "vault"),
        ("StatefulSet", "vault"),
    }


@each_flavor
def test_the_file_and_its_checksum_reach_the_pods(server: ClusterServer) -> None:
    made = rendered(server)
    other = rendered(server, lambda given: given["server"]["ha"]["raft"].update(config="ui = false"))

    def checksums(found: Any) -> set[str]:
        return set(found["StatefulSet", "vault"]["spec"]["template"]["metadata"]["annotations"].values())

    assert (
        made["ConfigMap", "vault-config"]["data"]["extraconfig-from-values.hcl"].strip()
        == server_file(server, PLACE).strip()
    )
    assert len(checksums(made)) == 1
    assert checksums(made) != checksums(other)


def test_a_pods_own_name_is_known_where_its_address_uses_it() -> None:
    """Kubernetes expands only what stands before; `$(HOSTNAME)` there would stay as it is."""
    for server, prefix in ((VAULT, "VAULT"), (OPENBAO, "BAO")):
        (container, _) = rendered(server)["StatefulSet", "vault"]["spec"]["template"]["spec"]["containers"]
        names = [one["name"] for one in container["env"]]
        address = next(one["value"] for one in container["env"] if one["name"] == f"{prefix}_API_ADDR")
        (used,) = re.findall(r"\$\(([A-Z0-9_]+)\)", address)
        assert names.index(used) < names.index(f"{prefix}_API_ADDR")
        assert names.index("HOSTNAME") > names.index(f"{prefix}_API_ADDR")


def test_one_server_is_never_evicted() -> None:
    made = rendered(VAULT, lambda given: given["server"]["ha"].update(replicas=1))

    assert made["PodDisruptionBudget", "vault"]["spec"]["maxUnavailable"] == 0


@pytest.mark.parametrize(
    ("server", "change", "words"),
    [
        (VAULT, {"nonsense": 1}, "value server.nonsense is none that is known of the chart vault"),
        (VAULT, {"readinesProbe": {"path": "/"}}, "value server.readinesProbe.path is none that is known"),
        # What the other flavour's chart has, and this one lets pass.
        (VAULT, {"podManagementPolicy": "Parallel"}, "value server.podManagementPolicy is none that is known"),
        (OPENBAO, {"includeConfigAnnotation": True}, "value server.includeConfigAnnotation is none that is known"),
        (VAULT, {"networkPolicy": {"enabled": True}}, "value server.networkPolicy.enabled is on; expected it off"),
        (VAULT, {"dataStorage": {"enabled": False}}, "value server.dataStorage.enabled is off; expected it on"),
        (VAULT, {"tolerations": None}, "value server.tolerations is missing"),
    ],
)
def test_what_isnt_known_is_refused(server: ClusterServer, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        rendered(server, lambda given: given["server"].update(change))


def test_a_template_and_another_chart_are_refused() -> None:
    with pytest.raises(ValueError, match="holds a template, which Helm would run"):
        rendered(VAULT, lambda given: given["server"]["ha"]["raft"].update(config="a = {{ .Values.x }}"))
    with pytest.raises(ValueError, match=r"chart is vault-0\.35\.0\.tgz; expected one of vault-0\.34\.1\.tgz"):
        rendered(VAULT, archive="vault-0.35.0.tgz")
