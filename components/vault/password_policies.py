"""Password policies: how Vault makes the passwords it sets elsewhere.

Owns `vault.PasswordPolicy`s. Refuses policies that make guessable passwords.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_vault as vault

from components.vault.checks import check_between, check_names, check_not_empty

_LEAST_BITS = 96
"""Least entropy of a generated password: out of reach of guessing by any means known (NIST SP 800-63B asks for 112
bits of keys).
"""


@dataclass(frozen=True, kw_only=True)
class CharsetRule:
    """Characters to draw from."""

    charset: str
    """The characters, each once; printable ASCII."""

    min_chars: int = 1
    """How many of them at least."""

    def __post_init__(self) -> None:
        """Raise ValueError for an empty or repeating charset, one outside of printable ASCII, or a negative number."""
        if not self.charset or len(set(self.charset)) != len(self.charset):
            raise ValueError(f"charset: {self.charset!r}: expected at least one character and each once")
        if not (self.charset.isascii() and self.charset.isprintable()) or set(self.charset) & set('"\\${}%'):
            raise ValueError(
                f"charset: {self.charset!r}: expected printable ASCII without quotes, backslash, $, %, {{ and }}"
            )
        check_between("min_chars", self.min_chars, 0)


@dataclass(frozen=True, kw_only=True)
class PasswordPolicy:
    """How to make one password."""

    length: int = 32
    """Characters; 20 to 100."""

    rules: Sequence[CharsetRule] = (
        CharsetRule(charset="abcdefghijklmnopqrstuvwxyz"),
        CharsetRule(charset="ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        CharsetRule(charset="0123456789"),
    )
    """What to draw from. The default has no punctuation: it needs no quoting in URLs and shells."""

    def __post_init__(self) -> None:
        """Raise ValueError for too short or too guessable a password, or rules that ask for more than its length."""
        check_between("length", self.length, 20, 100)
        check_not_empty("rules", self.rules)
        required = sum(rule.min_chars for rule in self.rules)
        if required > self.length:
            raise ValueError(f"rules: ask for {required} characters of {self.length}: expected at most the length")
        characters = len(set("".join(rule.charset for rule in self.rules)))
        bits = self.length * math.log2(characters)
        if bits < _LEAST_BITS:
            raise ValueError(
                f"rules: {self.length} of {characters} characters give {bits:.0f} bits: expected at least {_LEAST_BITS}"
            )

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
        check_names("policies", self.policies)


class PasswordPolicies(pulumi.ComponentResource):
    """Any number of password policies."""

    names: Mapping[str, pulumi.Output[str]]
    """Name of each policy in Vault; known once it exists."""

    def __init__(self, name: str, args: PasswordPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vault-estate:index:PasswordPolicies", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.names = {
            key: vault.PasswordPolicy(f"{name}-{key}", name=key, policy=policy.render(), opts=child).name
            for key, policy in args.policies.items()
        }
        self.register_outputs({"names": dict(self.names)})
