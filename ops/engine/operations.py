"""Driving the real engine on one stack through the Automation API, with this repository's program inline.

Owns which stack that is, and the copies of its files that the engine works on. Refuses to know what a stack is made of.
"""

import gc
import json
import os
import runpy
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pulumi import automation

from ops.console import Steps
from ops.engine.automation_stack import FoundCommand, ToldStack
from ops.engine.environment import process_environment
from ops.engine.finding import Engine
from ops.engine.inline_program import InlineProgram
from ops.engine.interrupts import patience
from ops.engine.listening import Changes, Listener, failure
from ops.errors import EstateError
from ops.paths import ROOT
from ops.stack_file import PROJECT, is_secret
from settings import SETTING

Wrap = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes one program of another."""

Operation = Literal["preview", "up", "refresh", "drift", "destroy"]
"""As the engine names them; `drift` is a refresh that changes nothing, the state included."""

_INVENTED = "invented-for-fake-providers"


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
        listener = Listener(steps=steps, looks_only=operation == "drift")
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


def program() -> None:
    """The repository's own program, as plain `pulumi up` runs it."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="vault_estate_program")


@contextmanager
def opened(
    *,
    name: str,
    project: Path,
    engine: Engine,
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
        engine: which one runs it.
        variables: as `environment` made them for that engine.
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
        options = automation.LocalWorkspaceOptions(
            work_dir=str(folder), env_vars=dict(variables), pulumi_command=FoundCommand(engine)
        )
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
