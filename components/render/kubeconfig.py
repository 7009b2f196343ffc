"""How Pulumi's provider and people reach an EKS cluster's API: a kubeconfig that asks AWS' own program for each token.

Refuses to hold a token: it is good for 15 minutes, and it would be in the state.
"""

import json


def kubeconfig(
    *, name: str, endpoint: str, authority: str, region: str, profile: str | None = None, role_arn: str | None = None
) -> str:
    """The file as JSON, which is YAML too. `authority` is the cluster's, in base64 as AWS gives it.

    A profile goes as the variable AWS_PROFILE of that program, since nothing else hands it on
    (https://github.com/pulumi/pulumi-eks/issues/1426).
    """
    role = ["--role-arn", role_arn] if role_arn else []
    asked = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json", *role],
        "env": [{"name": "AWS_PROFILE", "value": profile}] if profile else [],
        "interactiveMode": "Never",
    }
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"exec": asked}}],
    }
    return json.dumps(told, sort_keys=True)
