"""Settings of rotation: which values of a secret are replaced, how, and how often.

Owns the defaults. Refuses to replace by chance a value that somebody else has to know.
"""

from typing import Annotated, Self

from pydantic import model_validator

from components.model import Form, Name, Names, PositiveSeconds, Seconds, Section, SettingError, by_profile

RotatedBy = Annotated[
    str,
    Form(r"random|hook:[a-z][a-z0-9_-]{0,62}", "random, or hook: and the name of an application's own program"),
]
_API_KEYS = ("api-keys", "api_keys")
"""How the names of secrets begin that hold keys of others' services."""


class SecretRotation(Section):
    """How a secret's values are replaced."""

    by: RotatedBy = "random"
    """`random`, or `hook:NAME` for a program of the application's own that knows the other end
    ([rotation](rotation.md))."""
    every: PositiveSeconds | None = None
    """How old they may become; without it `rotation.every`, or `rotation.api_keys_every` where the secret's name
    begins with `api-keys` or `api_keys`."""
    grace: Seconds | None = None
    """How long those before are accepted beside the new ones; without it `rotation.grace`."""
    keys: Names = ()
    """Which of the secret's; without it all. They are replaced together."""
    password_policy: Name | None = None
    """Of `password_policies`, by which random values are made; without it they are 32 characters of base64."""

    @model_validator(mode="after")
    def _policy_of_random_values(self) -> Self:
        if self.password_policy and self.by != "random":
            raise SettingError("password_policy", repr(self.password_policy), "none, since by is not random")
        return self


class Rotation(Section):
    """What holds for every secret that has a rotation and says nothing else."""

    every: PositiveSeconds = by_profile(development="7d", staging="1d", production="12h")
    """How old values may become."""
    api_keys_every: PositiveSeconds = 7_776_000
    """How old keys of others' services may become; 90 days, as these rarely take more."""
    grace: Seconds = 600
    """How long values are accepted beside new ones: twice the 5 minutes for which a library without a document keeps
    one."""

    def every_of(self, name: str, own: SecretRotation) -> int:
        """Of one secret."""
        default = self.api_keys_every if name.partition("/")[0] in _API_KEYS else self.every
        return own.every if own.every is not None else default

    def grace_of(self, own: SecretRotation) -> int:
        """Of one secret."""
        return own.grace if own.grace is not None else self.grace
