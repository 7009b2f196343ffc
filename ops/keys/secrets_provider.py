"""The stack's own secrets provider, through the engine: what encrypts and decrypts the administrator's private key.

Owns a copy of the project's two files to work on, since the engine writes a stack's file anew and drops its layout.
Refuses to name a secret anywhere but on the engine's standard input.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from composition import administrator_files
from ops.console import Console
from ops.engine import finding
from ops.engine.environment import Backend, environment
from ops.errors import EstateError
from ops.keys.editing import ENGINE_KEYS, EncryptedPair
from ops.paths import Paths
from ops.stack_file import PROJECT, StackFile

_SECONDS = 120.0
"""For one command; a passphrase takes under a second, a cloud's key service a few."""
_UNKNOWN_STACK = "no stack named"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The encrypted settings of one stack, in a copy of its file."""

    stack: str
    folder: Path
    executable: Path
    variables: Mapping[str, str]

    def encrypt(self, name: str, value: str, certificate: str) -> EncryptedPair:
        """Encrypt a value under a name, and prove that it can be decrypted again.
        Raises EstateError with the engine's own words if it can't."""
        arguments = ["config", "set", "--secret", f"{PROJECT}:{name}"]
        answer = self._run(arguments, value)
        if answer.returncode != 0 and _UNKNOWN_STACK in answer.stderr:
            # A stack that was never built: its secrets come before it.
            provider = self._document().get("secretsprovider")
            chosen = ["--secrets-provider", provider] if provider else []
            self._must(self._run(["stack", "init", "--no-select", *chosen, self.stack], "", named=False))
            answer = self._run(arguments, value)
        self._must(answer)
        document = self._document()
        kept = EncryptedPair(
            certificate=certificate,
            name=name,
            ciphertext=document["config"][f"{PROJECT}:{name}"]["secure"],
            engine={key: document[key] for key in ENGINE_KEYS if key in document},
        )
        # The engine takes a line break off the end of what it reads.
        if self.decrypt(name) != value.removesuffix("\n"):
            msg = f"{PROJECT}:{name} doesn't decrypt to what was encrypted; expected a secrets provider that works"
            raise EstateError(msg)
        return kept

    def decrypt(self, name: str) -> str:
        """The value of an encrypted setting: a secret, never to be shown.
        Raises EstateError if it isn't there, or the engine can't decrypt it."""
        answer = self._run(["config", "get", f"{PROJECT}:{name}"], "")
        self._must(answer)
        return answer.stdout.removesuffix("\n")

    def _document(self) -> dict[str, Any]:
        text = (self.folder / f"Pulumi.{self.stack}.yaml").read_text(encoding="utf-8")
        document: dict[str, Any] = yaml.safe_load(text)
        return document

    def _run(self, arguments: list[str], given: str, *, named: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self.executable), "--cwd", str(self.folder), "--non-interactive", *arguments]
        try:
            return subprocess.run(
                [*command, "--stack", self.stack] if named else command,
                input=given,
                env=dict(self.variables),
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            msg = f"the engine did not answer within {_SECONDS:.0f} s; expected a backend and a secrets provider"
            raise EstateError(msg) from None

    def _must(self, answer: subprocess.CompletedProcess[str]) -> None:
        if answer.returncode == 0:
            return
        lines = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith("error:")), lines[0] if lines else "nothing was said")
        msg = f"stack {self.stack!r}: the engine can't keep its secrets: {said.removeprefix('error:').strip()}"
        raise EstateError(msg)


@contextmanager
def opened(
    paths: Paths, file: StackFile, backend: Backend, console: Console, text: str | None = None
) -> Iterator[Secrets]:
    """The secrets of a stack, for as long as the block runs. A text stands for the content of the stack's file.
    Raises EstateError if no engine can be had."""
    engine = finding.find(console.say)
    variables = environment(engine, backend, paths.own / "shims")
    with tempfile.TemporaryDirectory(prefix="keys-", dir=paths.make_own()) as scratch:
        folder = Path(scratch)
        shutil.copy(paths.project / "Pulumi.yaml", folder)
        content = file.path.read_bytes() if text is None else text.encode()
        (folder / file.path.name).write_bytes(content)
        yield Secrets(stack=file.stack, folder=folder, executable=engine.executable, variables=variables)


def ensure_placed(paths: Paths, file: StackFile, backend: Backend, console: Console) -> None:
    """Have the pair's files here although the program, which puts them in place, doesn't run: for a `destroy`, or for a
    command that works beside the engine. Files of a pair that was replaced elsewhere since are none.
    Raises EstateError if the private key isn't in the stack's file, or can't be decrypted."""
    administrator = file.settings.bootstrap.administrator
    if administrator.private_key_secret is None:
        return
    certificate, key = (paths.project / name for name in administrator.login(file.stack).files)
    wanted = administrator.certificate_pem
    if not (key.is_file() and certificate.is_file()) or (wanted and certificate.read_text("ascii") != wanted):
        with opened(paths, file, backend, console) as held:
            administrator_files.place(file.settings, file.stack, held.decrypt, paths.project)
