"""Run a Pulumi program without an engine, and keep what it registered.

Owns the recorder and the reading of its records: secrets stay marked, unknowns stay unknown. As a program it declares
the stack of the folder it is started in, whatever commit that is of, and is told everything on standard input.
Imports nothing of this project, so that the folder's own modules are the ones that run. Refuses to prove more than the
SDK's mocks can: transforms and hooks don't run, providers check nothing, and nothing is created.
"""

import asyncio
import contextlib
import hashlib
import json
import runpy
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_root_resource, set_root_resource
from pulumi.runtime.stack import Stack

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's marker
_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
# The wire format's own markers (sdk/python/lib/pulumi/runtime/rpc.py); they are part of Pulumi's protocol.

COMPUTED: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:cloudwatch/logGroup:LogGroup": ("arn",),
    "aws:ec2/launchTemplate:LaunchTemplate": ("latestVersion",),
    "aws:iam/role:Role": ("arn",),
    "aws:kms/key:Key": ("arn", "keyId"),
    "pulumi-python:dynamic/vault:AdministratorLogin": ("accessor",),
    "vault:appRole/authBackendRole:AuthBackendRole": ("roleId",),
    "vault:index/authBackend:AuthBackend": ("accessor",),
    "vault:index/mount:Mount": ("accessor",),
    "vault:jwt/authBackend:AuthBackend": ("accessor",),
    "vault:pkiSecret/secretBackendIntermediateCertRequest:SecretBackendIntermediateCertRequest": ("csr",),
    "vault:pkiSecret/secretBackendIntermediateSetSigned:SecretBackendIntermediateSetSigned": ("importedIssuers",),
    "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert": ("certificate", "issuerId"),
    "vault:pkiSecret/secretBackendRootSignIntermediate:SecretBackendRootSignIntermediate": ("certificate",),
}
"""What a server would compute and the components read: each gets `<name>.<property>` as value, only in an update."""

HETZNER: Final[Mapping[str, Mapping[str, str]]] = {
    "hcloud:index/primaryIp:PrimaryIp": {"ipAddress": "198.51.100.7"},
    "hcloud:index/volume:Volume": {"linuxDevice": "/dev/disk/by-id/scsi-0HC_Volume_101"},
}
"""What Hetzner would compute, in the shapes a node is rendered from."""

CLUSTER: Final[Mapping[str, Mapping[str, Any]]] = {
    "aws:eks/cluster:Cluster": {
        "arn": "arn:aws:eks:eu-central-1:123456789012:cluster/estate",
        "endpoint": "https://eks.example.com",
        "certificateAuthority": {"data": "QUE="},
        "identities": [{"oidcs": [{"issuer": "https://oidc.example.com"}]}],
    },
    "aws:eks/nodeGroup:NodeGroup": {"resources": [{"autoscalingGroups": [{"name": "eks-nodes"}]}]},
}
"""What EKS would compute, in the shapes that a kubeconfig and a load balancer are rendered from."""
_INSIDE: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "aws:eks/cluster:Cluster": {"vpcConfig": {"clusterSecurityGroupId": "sg-0123456789abcdef0"}},
}
"""The same, inside of what is given."""

Outputs = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""Computed properties of a resource, by its type, name and inputs."""

PROJECT: Final = "vault-estate"


@dataclass(frozen=True)
class SecretValue:
    """A value that Pulumi keeps encrypted. Compares by what is inside, prints nothing of it."""

    value: object = field(repr=False)


@dataclass(frozen=True)
class Unknown:
    """A value that only an update can tell."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The resource options that reach the engine, references as URNs."""

    protect: bool = False
    depends_on: frozenset[str] = frozenset()
    """Explicit dependencies and those that come with inputs."""
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    retain_on_delete: bool = False
    delete_before_replace: bool = False
    import_id: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Record:
    """One registered resource."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    provider: str = ""
    options: Options = field(default_factory=Options)
    input_dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Which URNs each input came from."""
    read: bool = False
    """Looked up by id, not declared."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What one run registered, in order of registration by name."""

    records: tuple[Record, ...]
    calls: tuple[str, ...]
    """Tokens of the functions that were invoked on providers."""
    outputs: Mapping[str, Mapping[str, Any]]
    """What each component registered as outputs, by URN."""
    exports: Mapping[str, Any]

    def of(self, type_: str) -> tuple[Record, ...]:
        """All resources of a type."""
        return tuple(record for record in self.records if record.type == type_)

    def named(self, name: str, type_: str | None = None) -> Record:
        """The one resource of this name (and type, where a name is used twice). Raises LookupError otherwise."""
        found = [record for record in self.records if record.name == name and type_ in (None, record.type)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources are named {name!r}: {sorted(self.names())}")
        return found[0]

    def names(self) -> tuple[tuple[str, str], ...]:
        """Type and name of each resource: the graph without values, for comparing runs."""
        return tuple((record.type, record.name) for record in self.records)


class Recorder(pulumi.runtime.mocks.MockMonitor):
    """The monitor that a program talks to; keeps each request as a `Record`."""

    def __init__(self, outputs: Outputs, *, preview: bool) -> None:
        super().__init__(_Answers(outputs, preview=preview))
        self.records: list[Record] = []
        self.calls: list[str] = []
        self.outputs: dict[str, Mapping[str, Any]] = {}

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: N802 - gRPC's name
        """Record a declaration, then answer it as the mocks do."""
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's mocks aren't annotated
        if request.type != "pulumi:pulumi:Stack":
            self.records.append(_record(request, response.urn))
        return response

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> Any:  # noqa: N802 - gRPC's name
        """Record a look-up, then answer it as the mocks do."""
        response = super().ReadResource(request)  # type: ignore[no-untyped-call]  # the SDK's mocks aren't annotated
        self.records.append(
            Record(
                type=request.type,
                name=request.name,
                urn=response.urn,
                parent=request.parent,
                custom=True,
                inputs=_mapping(request.properties),
                provider=request.provider,
                read=True,
            )
        )
        return response

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> Any:  # noqa: N802 - gRPC's name
        """Record a function call, then answer it as the mocks do."""
        self.calls.append(request.tok)
        return super().Invoke(request)  # type: ignore[no-untyped-call]  # the SDK's mocks aren't annotated

    def RegisterResourceOutputs(  # noqa: N802 - gRPC's name
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        """Keep what a component registered as its outputs."""
        self.outputs[request.urn] = _mapping(request.outputs)
        return empty_pb2.Empty()


class _Answers(pulumi.runtime.Mocks):
    """What a resource answers: its inputs and, in an update, what a server would compute."""

    def __init__(self, outputs: Outputs, *, preview: bool) -> None:
        self._outputs = outputs
        self._preview = preview

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if self._preview:
            return "", dict(args.inputs)
        computed = {name: f"<{args.name}.{name}>" for name in COMPUTED.get(args.typ, ())}
        computed |= {**HETZNER.get(args.typ, {}), **CLUSTER.get(args.typ, {})}
        # Hetzner's ids are numbers.
        identity = str(zlib.crc32(args.name.encode())) if args.typ.startswith("hcloud:") else f"{args.name}-id"
        inside = {name: {**args.inputs[name], **told} for name, told in _INSIDE.get(args.typ, {}).items()}
        return identity, {**args.inputs, **computed, **inside, **self._outputs(args.typ, args.name, args.inputs)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        return dict(args.args), None


def declare(
    program: Callable[[], object],
    stack_name: str,
    *,
    preview: bool = False,
    outputs: Outputs | None = None,
) -> Declared:
    """Run `program` under recording mocks, wait for everything it started, and return what was registered.

    `outputs` gives the computed properties of a resource (by type, name and inputs) beyond `COMPUTED`'s. In a preview
    nothing computed is known, as with the engine. Whatever the program raises is raised here.
    """
    # The SDK takes the thread's loop, and whoever called `asyncio.run` before left the thread none.
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        try:
            return _declared(program, stack_name, Recorder(outputs or _nothing_more, preview=preview), preview=preview)
        finally:
            asyncio.set_event_loop(None)


def _declared(program: Callable[[], object], stack_name: str, recorder: Recorder, *, preview: bool) -> Declared:
    set_root_resource(None)  # type: ignore[arg-type]  # each run gets a stack of its own; the SDK keeps the first one's
    pulumi.runtime.set_mocks(recorder.mocks, project=PROJECT, stack=stack_name, preview=preview, monitor=recorder)
    stack = get_root_resource()
    if not isinstance(stack, Stack):
        raise TypeError(f"the root resource is {type(stack).__name__}; expected the stack that set_mocks makes")
    stack.outputs = {}
    exports: dict[str, Any] = {}

    async def look_at_exports() -> None:
        for name, value in dict(stack.outputs).items():
            exports[name] = await _seen(pulumi.Output.from_input(value))

    def run() -> pulumi.Output[None]:
        program()
        return pulumi.Output.from_input(look_at_exports())

    pulumi.runtime.test(run)()  # type: ignore[no-untyped-call]  # the SDK's mocks aren't annotated
    return Declared(
        records=tuple(sorted(recorder.records, key=lambda record: (record.type, record.name))),
        calls=tuple(sorted(recorder.calls)),
        outputs=dict(recorder.outputs),
        exports=exports,
    )


def _nothing_more(_type: str, _name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


async def _seen(output: pulumi.Output[Any]) -> object:
    if not await output.is_known():
        value: object = Unknown()
    else:
        value = await output.future()
    return SecretValue(value) if await output.is_secret() else value


def _record(request: resource_pb2.RegisterResourceRequest, urn: str) -> Record:
    return Record(
        type=request.type,
        name=request.name,
        urn=urn,
        parent=request.parent,
        custom=request.custom,
        inputs=_mapping(request.object),
        provider=request.provider,
        input_dependencies={
            name: frozenset(dependencies.urns) for name, dependencies in request.propertyDependencies.items()
        },
        options=Options(
            protect=request.protect,
            depends_on=frozenset(request.dependencies),
            deleted_with=request.deletedWith,
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            retain_on_delete=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace,
            import_id=request.importId,
            aliases=(*request.aliasURNs, *(alias.urn or alias.spec.name for alias in request.aliases)),
        ),
    )


def _mapping(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {name: _value(value) for name, value in struct.fields.items()}


def _value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields and fields[_SIGNATURE].string_value == _SECRET:
            return SecretValue(_value(fields["value"]))
        return _mapping(value.struct_value)
    if kind == "list_value":
        return _values(value.list_value.values)
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "string_value":
        return Unknown() if value.string_value == _UNKNOWN else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _values(values: Sequence[struct_pb2.Value]) -> list[Any]:
    return [_value(value) for value in values]


def main() -> None:
    """Declare the stack of this folder, and print what it registered, secrets as a hash of them."""
    asked = json.load(sys.stdin)
    sys.path.insert(0, ".")
    with contextlib.redirect_stdout(sys.stderr):
        pulumi.runtime.set_all_config(asked["config"], asked["secret_keys"])
        declared = declare(lambda: runpy.run_path("__main__.py"), asked["stack"])
    print(json.dumps([_told(record) for record in declared.records]))


def _told(record: Record) -> dict[str, object]:
    options = record.options
    return {
        "type": record.type,
        "name": record.name,
        "urn": record.urn,
        "aliases": options.aliases,
        "protect": options.protect,
        "ignore_changes": options.ignore_changes,
        "replace_on_changes": options.replace_on_changes,
        "inputs": _plainly(record.inputs),
    }


def _plainly(value: object) -> object:
    """Without the types of this module. A secret is told by a hash: whether it changed is all that may be seen."""
    match value:
        case SecretValue():
            content = json.dumps(_plainly(value.value), sort_keys=True)
            return {"secret": hashlib.sha256(content.encode()).hexdigest()}
        case Unknown():
            return {"unknown": True}
        case Mapping():
            return {name: _plainly(item) for name, item in value.items()}
        case list():
            return [_plainly(item) for item in value]
        case _:
            return value


if __name__ == "__main__":
    main()
