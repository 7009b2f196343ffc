"""The fake provider of Vault: table look-up, automatic names, nested and flat values."""

from typing import Any

from fake_providers.envelope import compact
from fake_providers.servicer import Change, Found, RefusedError, Values
from fake_providers.vault import fields
from fake_providers.vault.entry import Entry
from fake_providers.vault.kinds import NO_ID
from fake_providers.vault.session import VaultSession, check_settings
from fake_providers.vault.table import TABLE


class VaultProvider:
    """Every type of the table, against the server each provider instance was configured with.

    While `adopting`, what a program creates and a server has is taken over.
    """

    def __init__(self, *, adopting: bool = False) -> None:
        self._adopting = adopting

    def check_settings(self, settings: Values) -> None:
        """Refuse what would have no effect."""
        check_settings(settings)

    def configure(self, settings: Values) -> VaultSession:
        """A session that logs in at its first call."""
        check_settings(settings)
        return VaultSession(settings)

    def close(self, connection: VaultSession) -> None:
        """Revoke its token."""
        connection.close()

    def check(self, token: str, news: Values) -> Values:
        """Inputs with the defaults of the official provider."""
        entry = _entry(token)
        values = fields.flat(news, entry.table)
        fields.check(entry.table, values)
        return fields.nested(fields.with_defaults(entry.table, values) if entry.names_defaults else values)

    def sensitive(self, token: str) -> frozenset[str]:
        """Sensitive properties, and private keys among the outputs."""
        return frozenset({"privateKey", *(field.name for field in _entry(token).table.values() if field.sensitive)})

    def diff(self, token: str, old: Values, new: Values) -> Change:
        """Compare what the inputs mean."""
        entry = _entry(token)
        return entry.diff(fields.flat(old, entry.table), fields.flat(new, entry.table))

    def planned(self, token: str, inputs: Values, outputs: Values) -> Values:
        """Inputs with defaults; what the server decides is unknown."""
        entry = _entry(token)
        flat = (fields.flat(values, entry.table) for values in (inputs, outputs))
        return fields.nested(dict(entry.shown) | entry.planned(*flat))

    def create(self, connection: Any, token: str, inputs: Values) -> Found:
        """Make the object."""
        entry, given = _entry(token), fields.flat(inputs, _entry(token).table)
        made = entry.adopt(connection, given) if self._adopting else None
        return _nested(made or entry.create(connection, given), entry)

    def read(self, connection: Any, token: str, found: Found) -> Found | None:
        """Look it up."""
        entry = _entry(token)
        known = entry.read(connection, _flat(found, entry))
        if known is None:
            return None
        if not found.outputs:
            marks: dict[str, Any] = {"__defaults": []} if entry.names_defaults else {}
            return _nested(Found(known.identity, marks | known.inputs, known.outputs), entry)
        outputs = _marks(known, entry) | entry.settled(found, known.outputs)
        return Found(known.identity, fields.nested(known.inputs), outputs)

    def update(self, connection: Any, token: str, found: Found, inputs: Values) -> Found:
        """Change it in place."""
        entry = _entry(token)
        return _nested(entry.update(connection, _flat(found, entry), fields.flat(inputs, entry.table)), entry)

    def delete(self, connection: Any, token: str, found: Found) -> None:
        """Remove it."""
        entry = _entry(token)
        entry.delete(connection, _flat(found, entry))


def _entry(token: str) -> Entry:
    entry = TABLE.get(token.removeprefix("vault:"))
    if entry is None:
        raise RefusedError("this type isn't offered by the fake Vault provider; use the official plugin")
    return entry


def _flat(found: Found, entry: Entry) -> Found:
    return Found(found.identity, fields.flat(found.inputs, entry.table), fields.flat(found.outputs, entry.table))


def _nested(found: Found, entry: Entry) -> Found:
    outputs = fields.nested(dict(entry.shown) | found.outputs)
    return Found(found.identity, fields.nested(found.inputs), _marks(found, entry) | outputs)


def _marks(found: Found, entry: Entry) -> dict[str, Any]:
    """What the official plugin needs in a state to read it: its id, and which version of its schema it is in."""
    version = {"__meta": compact({"schema_version": str(entry.version)})} if entry.version else {}
    return version if found.identity == NO_ID else version | {"id": found.identity}
