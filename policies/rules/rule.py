"""What a rule is, and how it judges a resource. Owns the wording around a finding; knows no rule."""

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pulumi_policy import ReportViolation, ResourceValidationArgs
from pulumi_policy.proxy import UnknownValueError

from .exemptions import Exemption


class Resource:
    """A declared resource as a rule reads it: unknown inputs are remembered instead of raised.

    One unknown value then doesn't hide what the known ones already break.
    """

    def __init__(self, args: ResourceValidationArgs) -> None:
        """Wrap what the engine sent."""
        self.type = args.resource_type
        self.parents = tuple(args.urn.split("::")[2].split("$")[:-1])
        """Types of the components that it is in, the outermost first."""
        self.protected = args.opts.protect
        self.not_applicable = args.not_applicable
        self.first_unknown: UnknownValueError | None = None
        self._inputs: Mapping[str, Any] = args.props

    @property
    def has_inputs(self) -> bool:
        """False when the provider refused the inputs: the engine then sends none, and stops the run itself."""
        return len(self._inputs) > 0

    def get(self, name: str) -> Any:
        """The input's value, or None where it isn't given."""
        return self._inputs.get(name)

    def known(self, name: str) -> bool:
        """Whether the input's value (or its absence) is known yet."""
        try:
            self._inputs.get(name)
        except UnknownValueError as unknown:
            self.first_unknown = self.first_unknown or unknown
            return False
        return True

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """For what is inside a list or a mapping: ends the block at the first unknown value, and remembers it."""
        try:
            yield
        except UnknownValueError as unknown:
            self.first_unknown = self.first_unknown or unknown


Check = Callable[[Resource], Iterator[str]]
"""Yields one phrase for each thing that is wrong. Must read inputs with `get` only after `known`."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing no stack may do."""

    name: str
    """Name in the pack, in kebab case."""
    sentence: str
    """What is always true of a stack that passes."""
    remediation: str
    """What to change when it isn't."""
    source: str
    """Who demands it."""
    types: tuple[str, ...]
    """Type tokens of the resources that the rule is about."""
    check: Check

    def validate(
        self, args: ResourceValidationArgs, report: ReportViolation, exemptions: Sequence[Exemption] = ()
    ) -> None:
        """Judge one resource, in the signature of the engine's pack. One that is exempt isn't judged.
        Raises UnknownValueError: something could not be judged because its value is not known yet. What can be judged
        was reported before; the pack turns this into a warning, and the engine asks again in `up`."""
        if args.resource_type not in self.types:
            return
        resource = Resource(args)
        ended = ""
        for exemption in exemptions:
            if exemption.is_for(self.name, args.name, _stack(args.urn)):
                if exemption.until >= today():
                    return
                ended = f" (its exemption ended on {exemption.until})"
        for finding in self.check(resource):
            report(f"{args.resource_type} '{args.name}': {finding}{ended}. {self.remediation}", args.urn)
        if resource.first_unknown is not None:
            raise resource.first_unknown


def today() -> datetime.date:
    """In UTC, so that an exemption ends at one moment everywhere."""
    return datetime.datetime.now(datetime.UTC).date()


def _stack(urn: str) -> str:
    return urn.split("::", 1)[0].removeprefix("urn:pulumi:")
