"""What the engine tells while it works, and what of it a person is told.

Owns the wording of its failures. Refuses to pass on a traceback, or advice to use commands that aren't this project's.
"""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pulumi.automation import events

from components.platform.readiness import WAITING
from ops.console import Steps
from settings.layers import WHOLE

_UNCHANGED = "same"
_STACK_TYPE = "pulumi:pulumi:Stack"
_LAST_WORDS = {"preview failed", "update failed", "refresh failed", "destroy failed"}
_CANCELLED = "context canceled"
"""How what was under way ends when something else has failed; it says nothing beside that."""
_PROTECTED = re.compile(
    r"resource \"(urn:pulumi:([^:]+)::[^\"]+)\".*(?:marked for protection|it is protected)", re.DOTALL
)
"""How the engine says that something is protected; it goes on to advise commands that aren't this project's."""
_ISSUER = re.compile(
    r"AuthBackend (?P<mount>oidc|jwt|tenants)-mount: .*error checking (?P<kind>oidc discovery|jwks) URL(?P<said>.*)",
    re.DOTALL,
)
"""How a server says that it doesn't reach whose tokens it is to take. HashiCorp's doesn't say why."""
_ISSUERS: Mapping[tuple[str, str], str] = {
    ("oidc", "oidc discovery"): "people.oidc.discovery_url",
    **{
        (mount, kind): f"{section}.{setting}"
        for mount, section in (("jwt", "jwt"), ("tenants", "tenants.issuer"))
        for kind, setting in (("oidc discovery", "oidc_discovery_url"), ("jwks", "jwks_url"))
    },
}
"""The setting of each, by the mount's resource and what the server calls the address."""
_ADDRESS = re.compile(r'"(https://[^"]+?)(?:/\.well-known/[^"]*)?": ')
_SHIM_NOTICE = "using pulumi-"
"""How the engine announces a helper it took from PATH, which is how ours are found."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Something that stays when its stack goes."""

    kind: str
    """What it is: of a resource its type."""
    identity: str
    """Its provider's name for it."""
    days: int | None = None
    """After how many it is gone; until then its deletion can be cancelled. None: it stays."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an operation did, or in a preview would do: how many resources by kind of change."""

    counts: Mapping[str, int]
    resources: tuple[tuple[str, str], ...] = ()
    """Each change: its kind and the resource's URN."""
    properties: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The properties that differ on the server, by URN, where it was only looked at."""
    warnings: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the stack exports after an `up`."""
    kept: tuple[Kept, ...] = ()
    """What a `down` left on purpose, or would leave in an account."""

    @property
    def total(self) -> int:
        """How many resources were or would be touched."""
        return sum(count for kind, count in self.counts.items() if kind != _UNCHANGED)

    def sentence(self) -> str:
        """For people: `0 changes (180 unchanged)`."""
        changed = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()) if kind != _UNCHANGED)
        unchanged = f"{self.counts.get(_UNCHANGED, 0)} unchanged"
        noun = "change" if self.total == 1 else "changes"
        return f"{self.total} {noun} ({changed + ', ' if changed else ''}{unchanged})"


@dataclass(kw_only=True)
class Listener:
    """Collects what matters from the engine's event stream."""

    steps: Steps
    looks_only: bool = False
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    resources: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Sequence[str]] = field(default_factory=dict)

    def __call__(self, event: events.EngineEvent) -> None:
        if event.diagnostic_event:
            self._diagnostic(event.diagnostic_event)
        if event.policy_event:
            policy = event.policy_event
            listed = self.errors if policy.enforcement_level == "mandatory" else self.warnings
            listed.append(f"policy {policy.policy_name}: {policy.message.strip()}")
        if event.resource_pre_event:
            step = event.resource_pre_event.metadata
            operation = str(step.op.value)
            self.steps.step(short_name(step.urn), finished=False)
            if operation not in {_UNCHANGED, "read", "refresh"} and step.logical and not _is_default_provider(step):
                self.resources.append((operation, step.urn))
        if event.res_outputs_event:
            self._outputs(event.res_outputs_event.metadata)
        if event.summary_event:
            changed = event.summary_event.resource_changes
            self.counts = {str(getattr(kind, "value", kind)): count for kind, count in changed.items()}

    def _outputs(self, step: events.StepEventMetadata) -> None:
        self.steps.step(short_name(step.urn), finished=True)
        # Only now does a refresh tell what it found.
        if self.looks_only and step.op.value not in {_UNCHANGED, "refresh"}:
            self.resources.append((str(step.op.value), step.urn))
            self.properties[step.urn] = tuple(step.diffs or ())
        if step.type == _STACK_TYPE and step.new:
            self.outputs = {name: str(value) for name, value in (step.new.outputs or {}).items()}

    def _diagnostic(self, diagnostic: events.DiagnosticEvent) -> None:
        text = diagnostic.message.strip()
        where = (
            f"{short_name(diagnostic.urn)}: " if diagnostic.urn and f"::{_STACK_TYPE}::" not in diagnostic.urn else ""
        )
        if diagnostic.severity.startswith("info") and text.startswith(WAITING):
            self.steps.step(text, finished=False)
        if diagnostic.severity == "error" and text:
            self.errors.append(f"{where}{text}")
        if diagnostic.severity == "warning" and text and not text.startswith(_SHIM_NOTICE):
            self.warnings.append(f"{where}{text}")


def _is_default_provider(step: events.StepEventMetadata) -> bool:
    """One that no program declared. The engine doesn't count these."""
    name = step.urn.rpartition("::")[2]
    return step.type.startswith("pulumi:providers:") and (name == "default" or name.startswith("default_"))


def short_name(urn: str) -> str:
    """A URN's own type and name, which is what a person looks for."""
    parts = urn.split("::")
    return f"{parts[2].split('$')[-1]} {parts[-1]}" if len(parts) > 3 else urn


def failure(operation: str, diagnostics: list[str], output: str) -> str:
    """Word a failed operation: the diagnostics without tracebacks, or the engine's last lines when there are none."""
    if "incorrect passphrase" in output:
        return (
            "the passphrase isn't the one that the state's secrets were encrypted with; expected that one, from a copy"
        )
    told = [line for line in dict.fromkeys(_worded(_without_traceback(text)) for text in diagnostics) if line]
    # The engine's own last word says nothing beside a reason.
    told = [line for line in told if line not in _LAST_WORDS and not line.endswith(_CANCELLED)] or told
    killed = re.search(r"^ code: -([0-9]+)$", output, re.MULTILINE)
    if not told and killed:
        told = [f"the engine was ended by {signal.Signals(int(killed[1])).name}; run the command again"]
    if not told:
        last = output.splitlines()
        told = ([line for line in last if line.strip().startswith("error:")] or last)[-3:]
    lines = [line for text in told for line in text.splitlines()]
    return "\n".join([f"{operation} failed:", *(f"  {line}" for line in lines)])


def _worded(text: str) -> str:
    """What is said of something protected, or of an issuer, in this project's words; everything else as it is."""
    if found := _ISSUER.search(text):
        setting = _ISSUERS.get((found["mount"], found["kind"]))
        return _unreached(setting, " ".join(found["said"].split())) if setting else text
    found = _PROTECTED.search(text)
    if found is None:
        return text
    return (
        f"{short_name(found[1])}: it is protected, since it holds data; expected it in Pulumi.{found[2]}.yaml as "
        "before, or protect: false there, brought about by an `up` of its own, before it goes"
    )


def _unreached(setting: str, said: str) -> str:
    """What to look at where a server doesn't reach an issuer."""
    address = _ADDRESS.search(said)
    why = said.rpartition('": ')[2].lstrip(": ")
    value = repr(address[1]) if address else "an address without an answer"
    return f"{WHOLE}.{setting} is {value}; expected one that the server reaches{f': {why}' if why else ''}"


def _without_traceback(text: str) -> str:
    """What the exception itself says: everything below the last traceback's frames, without the exception's type."""
    _, mark, below = text.rpartition("Traceback (most recent call last):")
    if not mark:
        return text
    said = [line for line in below.splitlines() if line.strip()]
    while said and said[0].startswith((" ", "\t")):
        del said[0]
    return "\n".join(said).split(": ", 1)[-1] if re.match(r"[\w.]+: ", said[0] if said else "") else "\n".join(said)
