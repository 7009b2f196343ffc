"""Password policies: how Vault makes the passwords it sets elsewhere.

Owns `vault.PasswordPolicy`s. Refuses policies that make guessable passwords.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

import pulumi
import pulumi_vault as vault
from pydantic import Field, model_validator

from ..model import Form, Section, SettingError, hold, names
from .children import child

_LEAST_BITS = 96
"""Least entropy of a generated password: out of reach of guessing by any means known (NIST SP 800-63B asks for 112
bits of keys)."""


class CharsetRule(Section):
    """Characters to draw from."""

    charset: Annotated[
        str,
        Form(
            r"(?:([!#&-Z[\]-z|~])(?!.*\1))+", 'printable ASCII, each character once, without spaces or any of "\\$%{}'
        ),
    ]
    """The characters, each once."""
    min_chars: Annotated[int, Field(ge=0)] = 1
    """How many of them at least."""


class PasswordPolicy(Section):
    """How Vault makes passwords."""

    length: Annotated[int, Field(ge=20, le=100)] = 32
    """Characters of each password."""
    rules: Annotated[tuple[CharsetRule, ...], Field(min_length=1, strict=False)] = (
        CharsetRule(charset="abcdefghijklmnopqrstuvwxyz"),
        CharsetRule(charset="ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        CharsetRule(charset="0123456789"),
    )
    """What to draw from. By default letters of both cases and digits, one of each at least: they need no quoting in
    URLs and shells."""

    @model_validator(mode="after")
    def _not_guessable(self) -> Self:
        required = sum(rule.min_chars for rule in self.rules)
        if required > self.length:
            raise SettingError("length", str(self.length), f"at least the {required} characters that rules ask for")
        characters = len(set("".join(rule.charset for rule in self.rules)))
        bits = self.length * math.log2(characters)
        if bits < _LEAST_BITS:
            raise SettingError(
                "length",
                str(self.length),
                f"more: of {characters} different characters that gives {bits:.0f} bits, and {_LEAST_BITS} are needed",
            )
        return self

    def render(self) -> str:
        """Vault's HCL for it."""
        blocks = "".join(
            f'\nrule "charset" {{\n  charset   = {json.dumps(rule.charset)}\n  min-chars = {rule.min_chars}\n}}\n'
            for rule in self.rules
        )
        return f"length = {self.length}\n{blocks}"


@dataclass(frozen=True, kw_only=True)
class PasswordPoliciesArgs:
    """What `PasswordPolicies` needs."""

    policies: Mapping[str, PasswordPolicy]
    """Policies by name in Vault."""

    def __post_init__(self) -> None:
        """Raise ValueError for a bad name."""
        hold("policies", self.policies, names)


class PasswordPolicies(pulumi.ComponentResource):
    """Any number of password policies."""

    names: Mapping[str, pulumi.Output[str]]
    """Name of each policy in Vault; known once it exists."""

    def __init__(self, name: str, args: PasswordPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PasswordPolicies", name, {}, opts)
        self.names = {
            key: vault.PasswordPolicy(f"{name}-{key}", name=key, policy=policy.render(), opts=child(self)).name
            for key, policy in args.policies.items()
        }
        self.register_outputs({"names": dict(self.names)})
