"""A component that a provider makes: its children, registered with the engine in the name of the program.

Owns the protocol's side of it. What the children are says the provider.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from fake_providers.envelope import pack


@dataclass(frozen=True, kw_only=True)
class ChildResource:
    """One resource of a component that a provider makes."""

    type: str
    """Its token."""
    name: str
    """Of the resource, in the engine."""
    inputs: Mapping[str, Any]


def construct(request: pb.ConstructRequest, children: Iterable[ChildResource]) -> pb.ConstructResponse:
    """Register a component and its children. What the component waits for, they wait for too."""
    package = request.type.partition(":")[0]
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(request.monitorEndpoint, options=options) as channel:
        monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
        itself = resource_pb2.RegisterResourceRequest(
            type=request.type,
            name=request.name,
            parent=request.parent,
            custom=False,
            protect=request.protect,
            dependencies=request.dependencies,
            providers=request.providers,
            object=pack({}),
            acceptSecrets=True,
        )
        urn = monitor.RegisterResource(itself).urn
        for child in children:
            monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type=child.type,
                    name=child.name,
                    parent=urn,
                    custom=True,
                    protect=request.protect,
                    dependencies=request.dependencies,
                    provider=request.providers.get(package, ""),
                    object=pack(child.inputs),
                    acceptSecrets=True,
                )
            )
        monitor.RegisterResourceOutputs(resource_pb2.RegisterResourceOutputsRequest(urn=urn, outputs=pack({})))
    return pb.ConstructResponse(urn=urn, state=pack({}))
