"""Driving the real engine on one stack through the Automation API, with this repository's program inline.

Owns the engine's environment and the wording of its failures. Refuses to know what a stack is made of.
"""

import gc
import json
import os
import re
import runpy
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pulumi import automation
from pulumi.automation import events

from components.platform.readiness import WAITING
from composition.private_files import create_private, write_private
from ops.console import Steps
from ops.engine.automation_stack import ToldStack
from ops.engine.finding import Engine, search_path_with
from ops.engine.inline_program import InlineProgram
from ops.engine.interrupts import patience
from ops.errors import EstateError
from ops.paths import ROOT
from ops.stack_file import PROJECT, is_secret
from settings import SETTING

Wrap = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes one program of another."""

Operation = Literal["preview", "up", "refresh", "drift", "destroy"]
"""As the engine names them; `drift` is a refresh that changes nothing, the state included."""

_SHIMS = {
    "pulumi-resource-pulumi-python": "pulumi.dynamic",
    # Without a Python language host on PATH the engine takes this one for policy packs; with one, it takes the host.
    "pulumi-analyzer-policy-python": "pulumi.policy",
}
_UNCHANGED = "same"
_STACK_TYPE = "pulumi:pulumi:Stack"
_LAST_WORDS = {"preview failed", "update failed", "refresh failed", "destroy failed"}
_INVENTED = "invented-for-fake-providers"
_FOREIGN = ("VAULT_", "BAO_", "TERRAFORM_VAULT_")
"""Variables that point Vault's clients at some server. Ours is named by the settings; these would change how the
provider talks to it (`VAULT_SKIP_VERIFY`, `VAULT_NAMESPACE`) or hand it another server's token (`VAULT_TOKEN`)."""
_PROTECTED = re.compile(
    r"resource \"(urn:pulumi:([^:]+)::[^\"]+)\".*(?:marked for protection|it is protected)", re.DOTALL
)
"""How the engine says that something is protected; it goes on to advise commands that aren't this project's."""
_SHIM_NOTICE = "using pulumi-"
"""How the engine announces a helper it took from PATH, which is how ours are found."""


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


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Where a stack's state is, and what encrypts the secrets in it. None of it: the user's own Pulumi login."""

    state: Path | None = None
    passphrase_file: Path | None = None

    def prepare(self) -> None:
        """Make what isn't there yet.
        Raises EstateError where there is a state, and no passphrase: another one wouldn't open its secrets."""
        if self.state:
            self.state.mkdir(parents=True, exist_ok=True)
        if self.passphrase_file:
            if self.state and not self.passphrase_file.exists() and any(self.state.glob(".pulumi/stacks/**/*.json")):
                raise EstateError(
                    f"{self.passphrase_file} is missing, while {self.state} holds secrets that only it opens; expected "
                    "the file, from a copy"
                )
            create_private(self.passphrase_file, secrets.token_urlsafe(32).encode())


@dataclass(kw_only=True)
class _Listener:
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


def environment(
    engine: Engine, backend: Backend, shims: Path, attached: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables the engine and its children see, `attached` for it to use the fake providers among them.

    Writes the two one-line helpers that the engine looks up on PATH into the folder `shims`.
    """
    _write_shims(shims)
    variables = {
        **os.environ,
        "PATH": search_path_with(engine, shims),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Each operation would otherwise look for newer plugins: 2.5 s without a network (measured).
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_ERROR_OUTPUT_STRING": "true",
        # The collector of the engine and its plugins: 22 of 181 MB less at 1,000 resources, for 0.3 s of their 3.6.
        "GOGC": os.environ.get("GOGC", "50"),
        **(attached or {}),
    }
    if backend.state:
        # Beside each file the backend keeps one of attributes, which it doesn't write in one step: an engine that is
        # killed then leaves an empty one, and "failed to load checkpoint: EOF" (gocloud.dev, fileblob/attrs.go).
        variables["PULUMI_BACKEND_URL"] = f"file://{backend.state}?metadata=skip"
    if backend.passphrase_file:
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(backend.passphrase_file)
        # The salt stays in the state, so that a committed stack file needn't change (ADR 7).
        variables["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
        # Elsewhere they may belong to the Vault that encrypts the stack's secrets (`hashivault://`).
        foreign = [name for name in variables if name.startswith(_FOREIGN)]
        for name in ("PULUMI_CONFIG_PASSPHRASE", *foreign):
            variables.pop(name, None)
    return variables


def pack_program(shims: Path, pack: Path) -> Path:
    """A program that runs a policy pack, to be named to the engine in place of the pack's folder.

    With the folder the engine hands the pack all of the stack's config, decrypted, in one environment variable, which
    Linux limits to 128 KiB; a few hundred applications are more. A program gets none of it.
    """
    program = shims / "vault-estate-policies"
    _write_script(program, f'{_helper("pulumi.policy")} "$1" {shlex.quote(str(pack))}')
    return program


def _write_shims(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in _SHIMS.items():
        _write_script(folder / name, f'{_helper(module)} "$@"')


def _helper(module: str) -> str:
    """The command that runs a helper's module and ends it with the engine, also when that is killed."""
    return shlex.join([sys.executable, "-u", str(Path(__file__).with_name("lifeline.py")), module])


def _write_script(file: Path, command: str) -> None:
    """Write a one-line shell script, in one step and only when it is another one than before."""
    text = f"#!/bin/sh\nexec {command}\n"
    if not file.is_file() or file.read_text() != text:
        write_private(file, text.encode(), mode=0o755)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stack, ready for operations."""

    stack: automation.Stack
    policy_pack: Path | None
    inline: Callable[[], None]

    def deployment(self) -> Mapping[str, Any]:
        """The stack's state as the backend has it, secrets encrypted. Raises EstateError: the engine can't read it."""
        # The Automation API's own export decrypts everything.
        workspace = self.stack.workspace
        command = ["stack", "export", "--stack", self.stack.name]
        try:
            answer = workspace.pulumi_command.run(command, workspace.work_dir, workspace.env_vars)
        except automation.CommandError as error:
            raise EstateError(failure("export", [], str(error))) from None
        content: dict[str, Any] = json.loads(answer.stdout)["deployment"] or {}
        return content

    def forget(self) -> None:
        """Remove the stack and its history from the backend. It must be destroyed already."""
        # Without the flag the engine deletes the stack's file as well.
        self.stack.workspace.remove_stack(self.stack.name, preserve_config=True)

    def operate(
        self,
        operation: Operation,
        steps: Steps,
        *,
        wrap: Wrap | None = None,
        replace: Sequence[str] = (),
        refresh: bool = False,
    ) -> Changes:
        """Run one operation of the engine, with the program wrapped for this one time where `wrap` is given.

        `replace` are URNs of resources that previews and updates replace although nothing calls for it; with `refresh`
        they look at each object on its server first.
        Raises EstateError: it failed; carries the engine's own diagnostics, without the program's traceback."""
        listener = _Listener(steps=steps, looks_only=operation == "drift")
        options: dict[str, object] = {"on_event": listener, "suppress_progress": True}
        if self.policy_pack and operation in {"preview", "up"}:
            options["policy_packs"] = [str(self.policy_pack)]
        program = InlineProgram(wrap(self.inline) if wrap else self.inline)
        options["program"] = program
        if replace:
            options["replace"] = list(replace)
        if refresh:
            options["refresh"] = True
        try:
            with patience(steps), _uncollected():
                getattr(self.stack, "preview_refresh" if operation == "drift" else operation)(**options)
        except automation.CommandError as error:
            # What went wrong is said also where the program doesn't end.
            with suppress(TimeoutError):
                program.end()
            raise EstateError(failure(operation, listener.errors, str(error))) from None
        return Changes(
            counts=listener.counts,
            resources=tuple(listener.resources),
            warnings=tuple(dict.fromkeys(listener.warnings)),
            outputs=listener.outputs,
            properties=listener.properties,
        )


def failure(operation: str, diagnostics: list[str], output: str) -> str:
    """Word a failed operation: the diagnostics without tracebacks, or the engine's last lines when there are none."""
    told = [line for line in dict.fromkeys(_worded(_without_traceback(text)) for text in diagnostics) if line]
    # The engine's own last word says nothing beside a reason.
    told = [line for line in told if line not in _LAST_WORDS] or told
    killed = re.search(r"^ code: -(\d+)$", output, re.MULTILINE)
    if not told and killed:
        told = [f"the engine was ended by {signal.Signals(int(killed[1])).name}; run the command again"]
    if not told:
        last = output.splitlines()
        told = ([line for line in last if line.strip().startswith("error:")] or last)[-3:]
    lines = [line for text in told for line in text.splitlines()]
    return "\n".join([f"{operation} failed:", *(f"  {line}" for line in lines)])


def _worded(text: str) -> str:
    """What the engine says of something protected, in this project's words; everything else as it is."""
    found = _PROTECTED.search(text)
    if found is None:
        return text
    return (
        f"{short_name(found[1])}: it is protected, since it holds data; expected it in Pulumi.{found[2]}.yaml as "
        "before, or protect: false there, brought about by an `up` of its own, before it goes"
    )


def _without_traceback(text: str) -> str:
    """What the exception itself says: everything below the last traceback's frames, without the exception's type."""
    _, mark, below = text.rpartition("Traceback (most recent call last):")
    if not mark:
        return text
    said = [line for line in below.splitlines() if line.strip()]
    while said and said[0].startswith((" ", "\t")):
        del said[0]
    return "\n".join(said).split(": ", 1)[-1] if re.match(r"[\w.]+: ", said[0] if said else "") else "\n".join(said)


def program() -> None:
    """The repository's own program, as plain `pulumi up` runs it."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="vault_estate_program")


@contextmanager
def opened(
    *,
    name: str,
    project: Path,
    variables: Mapping[str, str],
    copies: Path | None,
    policy_pack: Path | None = None,
    invented_secrets: Sequence[str] | None = None,
    content: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    inline: Callable[[], None] = program,
) -> Iterator[Run]:
    """Select a stack, making it at first use.

    Args:
        project: folder of `Pulumi.yaml` and of the stack's file.
        variables: as `environment` made them.
        copies: folder for copies of the project's and the stack's file, of which the engine rewrites the latter (ADR
            7). None: it works on the files themselves.
        policy_pack: folder of the pack previews and updates must pass.
        invented_secrets: flat settings the copy gets an invented value for, instead of every encrypted one in the
            file: nothing that fake providers make is real, and whoever tries a stack needn't be able to decrypt it.
            None: as it is.
        content: the settings that the copy gets instead of the file's own.
        secrets: flat settings that are set, encrypted, in the copy.
    """
    with process_environment(variables):
        folder = project
        if copies:
            folder = copies
            _copy(project, copies, f"Pulumi.{name}.yaml")
            if invented_secrets is not None:
                _invent_secrets(copies / f"Pulumi.{name}.yaml", invented_secrets, content)
        options = automation.LocalWorkspaceOptions(work_dir=str(folder), env_vars=dict(variables))
        stack = ToldStack(automation.create_or_select_stack(name, project_name=PROJECT, program=inline, opts=options))
        for key, value in (secrets or {}).items():
            _set_secret(name, folder, variables, key, value)
        yield Run(stack=stack, policy_pack=policy_pack, inline=inline)


def _copy(project: Path, folder: Path, stack_file: str) -> None:
    """Copy what the engine reads; its processes still work in the project, where the settings' file names begin."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (project / stack_file).read_text(encoding="utf-8").splitlines(keepends=True)
    # Plain Pulumi leaves a salt in the file, which belongs to a passphrase that `down` removes. The state has its own.
    kept = [line for line in lines if not line.startswith("encryptionsalt:")]
    (folder / stack_file).write_text("".join(kept), encoding="utf-8")
    described = yaml.safe_load((project / "Pulumi.yaml").read_text(encoding="utf-8"))
    described["main"] = os.path.relpath(project, folder)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")


def _set_secret(stack: str, folder: Path, variables: Mapping[str, str], key: str, value: str) -> None:
    """Have the engine encrypt a setting. The Automation API would hand it over as an argument, for all to see."""
    answer = subprocess.run(
        ["pulumi", "config", "set", "--secret", "--non-interactive", "--stack", stack, f"{PROJECT}:{key}"],
        cwd=folder,
        env=dict(variables),
        input=value,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise EstateError(failure("config set", [], answer.stderr))


def _invent_secrets(stack_file: Path, names: Sequence[str], content: Mapping[str, Any] | None) -> None:
    document = yaml.safe_load(stack_file.read_text(encoding="utf-8"))
    for key in ("encryptionsalt", "encryptedkey", "secretsprovider"):
        document.pop(key, None)
    kept = {key: value for key, value in document["config"].items() if not is_secret(value)}
    document["config"] = {**kept, **{f"{PROJECT}:{name}": _INVENTED for name in names}}
    if content is not None:
        document["config"][f"{PROJECT}:{SETTING}"] = dict(content)
    stack_file.write_text(yaml.safe_dump(document), encoding="utf-8")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Registrations make many objects that live and hardly any garbage; looking for it takes half of their own time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def process_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """While the block runs, this process has these variables and no others: the inline program, the Automation API and
    clients of servers read some from it."""
    before = dict(os.environ)
    for name in before.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
