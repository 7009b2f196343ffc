"""How far each variable has come, out of the plan and the journal. Asks nobody, and shows no value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vault_estate.migration.journal import JournalRecord, LinesRebuilt, LinesRedacted, ValuesHeld, ValuesVerified
from vault_estate.migration.plans import MigrationPlan

MigrationStage = Literal["stays", "empty", "planned", "held", "verified", "redacted", "rebuilt"]
"""`held`: Vault has the value. `rebuilt`: it is in `.env` again."""


@dataclass(frozen=True, kw_only=True)
class VariableStatus:
    """One variable."""

    name: str
    place: str
    """Where its value is in Vault, with the mount; empty: nowhere."""
    version: int
    """0: none that is known."""
    stage: MigrationStage


def look(plan: MigrationPlan | None, records: Sequence[JournalRecord]) -> Sequence[VariableStatus]:
    """Every variable of the plan, and those that only the journal knows."""
    found: dict[str, VariableStatus] = {}
    for one in plan.variables if plan else ():
        stage: MigrationStage = "stays" if one.state == "stays" else "empty" if one.state == "empty" else "planned"
        where = str(one.place) if one.place else ""
        found[one.name] = VariableStatus(name=one.name, place=where, version=0, stage=stage)
    for record in records:
        found |= _changed(found, record)
    return list(found.values())


def _changed(found: Mapping[str, VariableStatus], record: JournalRecord) -> Mapping[str, VariableStatus]:
    if isinstance(record, ValuesHeld):
        return {
            name: VariableStatus(name=name, place=f"{record.path}#{key}", version=record.version, stage="held")
            for name, key in record.variables.items()
        }
    if isinstance(record, ValuesVerified):
        return {
            name: replace(found[name], stage="verified")
            for name, version in record.variables.items()
            if name in found and found[name].version == version
        }
    if isinstance(record, LinesRedacted | LinesRebuilt):
        stage: MigrationStage = "redacted" if isinstance(record, LinesRedacted) else "rebuilt"
        return {name: replace(found[name], stage=stage) for name in record.variables if name in found}
    return {}
