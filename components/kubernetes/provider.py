"""How components reach a cluster: a provider that has a kubeconfig, and nothing of whoever runs the program."""

import pulumi
import pulumi_kubernetes as kubernetes


def cluster_provider(
    name: str,
    *,
    kubeconfig: pulumi.Input[str],
    cluster: pulumi.Input[str],
    opts: pulumi.ResourceOptions | None = None,
) -> kubernetes.Provider:
    """The provider of one cluster, which `cluster` identifies: an endpoint or an authority that changes doesn't replace
    what is in it.

    A ConfigMap is changed in its place, since its name is fixed. What can't be reached isn't forgotten: a cluster that
    is away for a while would be empty afterwards, in the state
    (https://github.com/pulumi/pulumi-kubernetes/issues/1013).
    """
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        cluster_identifier=cluster,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        delete_unreachable=False,
        opts=opts,
    )
