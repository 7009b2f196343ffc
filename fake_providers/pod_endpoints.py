"""Where pods of an account find their sandbox's AWS: variables for each new one, by an admission policy of the cluster.

Owns that policy, one for each association of a role. It is the sandbox's own, beside what EKS Pod Identity does, since
names of AWS' services lead nowhere here. Refuses to change a pod that is there.
"""

import json
from collections.abc import Iterator, Mapping

from fake_providers.cluster_api import ClusterApi
from fake_providers.servicer import Values

POLICY, BINDING = (f"admissionregistration.k8s.io/v1:MutatingAdmissionPolicy{suffix}" for suffix in ("", "Binding"))
_VERSION = "admissionregistration.k8s.io/v1"
_MANAGER = "sandbox"


def tell(api: ClusterApi, name: str, namespace: str, account: str, variables: Mapping[str, str]) -> None:
    """Give pods of an account these variables from now on. Raises ApiRefusedError."""
    for kind, wanted in _objects(name, namespace, account, variables):
        api.apply(kind, wanted, _MANAGER)


def forget(api: ClusterApi, name: str) -> None:
    """Give pods that come nothing any more. Raises ApiRefusedError."""
    for kind in (BINDING, POLICY):
        api.delete(kind, None, name, "Foreground")


def _objects(name: str, namespace: str, account: str, variables: Mapping[str, str]) -> Iterator[tuple[str, Values]]:
    given = ", ".join(
        f"Object.spec.containers.env{{name: {json.dumps(key)}, value: {json.dumps(value)}}}"
        for key, value in sorted(variables.items())
    )
    change = (
        "Object{spec: Object.spec{containers: object.spec.containers.map(one, "
        f"Object.spec.containers{{name: one.name, env: [{given}]}})}}}}"
    )
    yield (
        POLICY,
        {
            "apiVersion": _VERSION,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ],
                },
                "matchConditions": [
                    {"name": "account", "expression": f"object.spec.serviceAccountName == {json.dumps(account)}"}
                ],
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": change}}],
            },
        },
    )
    yield (
        BINDING,
        {
            "apiVersion": _VERSION,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name},
        },
    )
