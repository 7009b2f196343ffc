"""Stand-ins for programs that a unit test must not run: small scripts that say so in their first line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.paths import ROOT, Paths

SETTINGS = (ROOT / "Pulumi.local.yaml").read_text(encoding="utf-8")
"""The committed settings of the local stack."""


def fake_program(path: Path, *lines: str) -> Path:
    """Write a fake program: a shell script of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", "# a fake, made by a test", *lines, ""]))
    path.chmod(0o755)
    return path


def checkout(folder: Path, settings: str = SETTINGS, stack: str = "local") -> Paths:
    """A checkout of its own, with one stack's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"Pulumi.{stack}.yaml").write_text(settings, encoding="utf-8")
    shutil.copy(ROOT / "estate.base.yaml", folder)
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return Paths(project=folder)


class Said(list[str]):
    """What a function told while it worked."""

    @property
    def say(self) -> Callable[[str], None]:
        """The function to hand over."""
        return self.append


def asked_of(monkeypatch: pytest.MonkeyPatch, target: str, answer: object) -> list[tuple[Any, ...]]:
    """Replace a function by a fake that remembers its arguments, those by name last, and answers or raises."""
    asked: list[tuple[Any, ...]] = []

    def fake(*arguments: Any, **named: Any) -> Any:
        asked.append((*arguments, *named.values()))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(target, fake)
    return asked
