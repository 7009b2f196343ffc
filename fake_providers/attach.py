"""Starts the fake providers in this process, where the engine finds them through PULUMI_DEBUG_PROVIDERS.

Owns the gRPC servers (loopback only, ports given by the operating system) and which provider a package gets. Refuses a
package that has no fake provider.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from fake_providers.servicer import Provider, Servicer

# The engine runs at most 4 operations per core at once by default (pulumi 3.259: --parallel); 16 serves four cores.
WORKERS = 16


@contextmanager
def attach(
    packages: Sequence[str], *, world: Path | None = None, machines: Path | None = None, adopting: bool = False
) -> Iterator[Mapping[str, str]]:
    """Serve the packages until the block ends; yields the environment the engine needs, e.g. `vault:45001,aws:45002`.

    `world` is the sandbox's JSON file, in which the clouds in memory keep their objects for a second process to see;
    without it they live as long as the block. `machines` is the folder of the machines that boot behind a cloud's
    servers, and outlive the block; without it servers stay in memory. While `adopting`, what is created and Vault has
    already is taken over. At the end every Vault token that was taken is revoked. Raises ValueError for a package
    without one.
    """
    with ExitStack() as stack:
        ports = {
            package: stack.enter_context(_serve(package, _provider(package, world, machines, adopting=adopting)))
            for package in dict.fromkeys(packages)
        }
        yield {"PULUMI_DEBUG_PROVIDERS": ",".join(f"{package}:{port}" for package, port in ports.items())}


@contextmanager
def attach_apart(
    packages: Sequence[str], *, world: Path | None = None, machines: Path | None = None, adopting: bool = False
) -> Iterator[Mapping[str, str]]:
    """The same as `attach`, in a process of its own: the way for large stacks.

    In the program's own process each answer wakes every thread that waits for a registration; measured on two cores,
    `up` of 1,000 policies takes 22 s that way and 10 s this way. Costs about 0.4 s to start. Ends with this process.
    """
    if not packages:
        yield {}
        return
    command = [sys.executable, "-m", "fake_providers"]
    order = {
        "packages": list(packages),
        "world": world and str(world),
        "machines": machines and str(machines),
        "adopting": adopting,
    }
    # The child works in this process's folder, which relative file names in provider settings begin at.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    # A session of its own, so that Ctrl-C reaches the engine first, which then still has its providers to finish with.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as child:
        assert child.stdin is not None  # noqa: S101 - PIPE was asked for; this tells the type checker
        assert child.stdout is not None  # noqa: S101 - as above
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.flush()
        ports = child.stdout.readline().strip()
        if not ports:
            raise ValueError(f"the fake providers of {', '.join(packages)} did not start; their own error is above")
        yield {"PULUMI_DEBUG_PROVIDERS": ports}


def _provider(package: str, world: Path | None, machines: Path | None, *, adopting: bool) -> Provider:
    # Each is imported for those who attach it: what the cloud's need takes 10 MB of Vault's process.
    if package == "vault":
        from fake_providers.vault.provider import VaultProvider  # noqa: PLC0415

        return VaultProvider(adopting=adopting)
    if package == "hcloud":
        from fake_providers.hcloud import HcloudProvider  # noqa: PLC0415

        return HcloudProvider(world, machines)
    if package == "aws":
        from fake_providers.aws import AwsProvider  # noqa: PLC0415

        return AwsProvider(world, machines)
    if package == "kubernetes":
        from fake_providers.kubernetes import KubernetesProvider  # noqa: PLC0415

        return KubernetesProvider(world, machines)
    raise ValueError(f"package {package!r}: expected one of vault, hcloud, aws, kubernetes")


@contextmanager
def _serve(package: str, provider: Provider) -> Iterator[int]:
    servicer = Servicer(package, provider)
    # Messages are as large as a resource's properties; the 4 MB default of gRPC is too small for rendered manifests.
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(1.0).wait()
        servicer.close()
