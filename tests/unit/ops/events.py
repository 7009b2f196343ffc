"""Events as the engine sends them, made by hand, and someone who remembers what steps were told."""

from collections.abc import Mapping

from pulumi.automation import events

from ops.console import Steps

URN = "urn:pulumi:local::vault-estate::vault-estate:index:KvMount$vault:index/mount:Mount::kv-secret-mount"
STACK_URN = "urn:pulumi:local::vault-estate::pulumi:pulumi:Stack::vault-estate-local"


class Told(Steps):
    """Steps that only remember."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, bool]] = []

    def step(self, name: str, *, finished: bool) -> None:
        self.steps.append((name, finished))


def metadata(operation: events.OpType) -> events.StepEventMetadata:
    return events.StepEventMetadata(op=operation, urn=URN, type="vault:index/mount:Mount", provider="", logical=True)


def pre(operation: events.OpType) -> events.EngineEvent:
    return events.EngineEvent(
        sequence=1,
        timestamp=1,
        resource_pre_event=events.ResourcePreEvent(metadata=metadata(operation)),
    )


def exported(outputs: Mapping[str, str]) -> events.EngineEvent:
    state = events.StepEventStateMetadata(
        type="pulumi:pulumi:Stack", urn=STACK_URN, id="", parent="", provider="", inputs={}, outputs=outputs
    )
    step = events.StepEventMetadata(
        op=events.OpType.SAME, urn=STACK_URN, type="pulumi:pulumi:Stack", provider="", new=state
    )
    return events.EngineEvent(sequence=1, timestamp=1, res_outputs_event=events.ResOutputsEvent(metadata=step))


def summary(counts: Mapping[events.OpType, int]) -> events.EngineEvent:
    ended = events.SummaryEvent(maybe_corrupt=False, duration_seconds=1, resource_changes=dict(counts), policy_packs={})
    return events.EngineEvent(sequence=1, timestamp=1, summary_event=ended)


def diagnostic(severity: str, message: str, urn: str | None = URN) -> events.EngineEvent:
    return events.EngineEvent(
        sequence=1,
        timestamp=1,
        diagnostic_event=events.DiagnosticEvent(message=message, color="never", severity=severity, urn=urn),
    )


def policy(level: str) -> events.EngineEvent:
    return events.EngineEvent(
        sequence=1,
        timestamp=1,
        policy_event=events.PolicyEvent(
            message=" no wildcard \n",
            color="never",
            policy_name="acl-no-broad-wildcard",
            policy_pack_name="estate",
            policy_pack_version="1",
            policy_pack_version_tag="1",
            enforcement_level=level,
        ),
    )
