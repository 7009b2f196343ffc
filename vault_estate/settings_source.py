"""Settings of pydantic-settings whose sensitive fields are kept in Vault.

Owns the order: arguments, environment, `.env`, Vault, a folder of secrets, defaults. Empty counts as not given. Refuses
to let a field of Vault's fall to its default while Vault is in use, whatever the reason; each error names the field,
its variable, its place in Vault and why, and no value. Needs the extra `settings`.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from vault_estate.environment import ReadsSecrets
from vault_estate.errors import ConfigurationError, SecretNotFound, VaultEstateError, VaultUnavailable
from vault_estate.hiding import hides_values
from vault_estate.manifest import ClientManifest

SWITCH = "USE_VAULT"
"""Variable that says whether Vault is asked; where it isn't set, it is."""

_OF_ANOTHER_LOGIN = (
    *("SECRET_ID", "SECRET_ID_FILE", "AUTH_METHOD", "AGENT_ADDR"),
    *("KUBERNETES_ROLE", "KUBERNETES_TOKEN_FILE", "JWT_ROLE", "JWT_FILE"),
)
"""How variables end that say which login is meant, if it isn't `VAULT_TOKEN`'s."""


@dataclass(frozen=True)
class VaultKey:
    """Where the value of a field is kept."""

    secret: str
    """Name of the secret, as the manifest has it."""
    key: str
    """Name of the value inside."""

    def __str__(self) -> str:
        return f"{self.secret}#{self.key}"


def VaultField(secret: str, key: str, default: Any = PydanticUndefined, **more: Any) -> Any:  # noqa: N802 - as `Field`
    """A field whose value is kept in Vault: under `key` of `secret`. It isn't shown in its settings' repr.

    `default` is for `USE_VAULT=false` only, but for None: that is what the field is where nobody has given a value yet.
    `more` is what pydantic's `Field` takes.
    """
    found: FieldInfo = Field(default, **{"repr": False, **more})
    found.metadata.append(VaultKey(secret, key))
    return found


class VaultSettings(BaseSettings):
    """Base of settings with fields of Vault's. Not given anywhere: ConfigurationError, a line for each such field."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,  # an empty SECRET_KEY= that a `.env` begins with would win over Vault
        extra="ignore",  # a `.env` also has USE_VAULT, VAULT_URL and what others read
        hide_input_in_errors=True,
    )
    vault_client: ClassVar[Callable[[Mapping[str, str]], AbstractContextManager[ReadsSecrets]] | None] = None
    """Who reads, given the variables of the environment and of `.env`. None: a `VaultClient`, which is closed then."""

    @hides_values
    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            refused = _refused(type(self), error) or _without_values(error)
        else:
            return
        # Out here, so that pydantic's error, which has the values, isn't its context.
        raise refused

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        super().__pydantic_init_subclass__(**more)
        for name, one in cls.model_fields.items():
            inner = one.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel) and any(_kept(inner)):
                raise ConfigurationError(f"{cls.__name__}.{name} has a VaultField inside; expected it beside {name}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of this module."""
        source = VaultSettingsSource(
            settings_cls, client=cls.vault_client, environ=_environ(dotenv_settings), later=file_secret_settings
        )
        return init_settings, env_settings, dotenv_settings, source, file_secret_settings


class VaultSettingsSource(PydanticBaseSettingsSource):
    """Vault as a source of settings, for settings that have an order of their own. What earlier sources gave isn't
    asked for; each secret is read once."""

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        *,
        client: Callable[[Mapping[str, str]], AbstractContextManager[ReadsSecrets]] | None = None,
        environ: Mapping[str, str] | None = None,
        later: PydanticBaseSettingsSource | None = None,
    ) -> None:
        """`later` is the source that may have what Vault, being away, can't give."""
        super().__init__(settings_cls)
        self._environ = dict(os.environ) if environ is None else environ
        self._client = client or own_client
        self._later = later

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Nothing: fields of one secret are read together, when the source is called."""
        return None, _key(field_name, field), False

    @hides_values
    def __call__(self) -> dict[str, Any]:
        """The values of the fields that no earlier source has.
        Raises ConfigurationError: one can't be had; its cause is the client's error."""
        fields = self.settings_cls.model_fields
        open_ones = {name: kept for name, kept in _kept(self.settings_cls) if not self._given(name, fields[name])}
        if not open_ones or not used(self._environ):
            return {}
        reading = _Reading(settings=self.settings_cls)
        try:
            with self._client(self._environ) as client:
                reading.read(client, open_ones)
        except VaultEstateError as error:
            for name, kept in open_ones.items():
                reading.miss(name, kept, error)
        if reading.away and self._later is not None:
            there = self._later()
            for name in [name for name in reading.away if _key(name, fields[name]) in there]:
                del reading.missed[name]
        if reading.missed:
            raise ConfigurationError("\n".join(reading.missed.values())) from reading.cause
        return {
            _key(name, fields[name]): self._prepared(name, fields[name], value) for name, value in reading.found.items()
        }

    def _given(self, name: str, field: FieldInfo) -> bool:
        return any(one in self.current_state for one in _names(name, field))

    def _prepared(self, name: str, field: FieldInfo, value: str) -> Any:
        """The value; of a list or a mapping what its JSON says. Raises ConfigurationError."""
        try:
            return self.prepare_field_value(name, field, value, value_is_complex=False)
        except json.JSONDecodeError:
            pass
        raise ConfigurationError(f"{name} is no JSON in Vault; expected it there, as its type is a list or a mapping")


@dataclass(kw_only=True)
class _Reading:
    """What became of each field that Vault was asked for."""

    settings: type[BaseSettings]
    manifest: ClientManifest | None = None
    """Of the client that reads, if it has one."""
    found: dict[str, str] = field(default_factory=dict, repr=False)
    missed: dict[str, str] = field(default_factory=dict)
    away: list[str] = field(default_factory=list)
    """Of these, those that another time may have."""
    cause: VaultEstateError | None = None

    def read(self, client: ReadsSecrets, fields: Mapping[str, VaultKey]) -> None:
        """Read each secret once; after Vault was away, no further one."""
        known = getattr(client, "manifest", None)
        self.manifest = known if isinstance(known, ClientManifest) else None
        away: VaultUnavailable | None = None
        for secret in dict.fromkeys(kept.secret for kept in fields.values()):
            mine = {name: kept for name, kept in fields.items() if kept.secret == secret}
            try:
                if away is None:
                    self._take(mine, client.get_secret(secret))
            except VaultUnavailable as error:
                away = error
            except VaultEstateError as error:
                for name, kept in mine.items():
                    self._refuse(name, kept, error)
            if away is not None:
                for name, kept in mine.items():
                    self.miss(name, kept, away)

    def miss(self, name: str, kept: VaultKey, error: VaultEstateError) -> None:
        """A field that has no value, and why."""
        variable, place = _variable(self.settings, name), self._place(kept)
        self.missed[name] = (
            f"{name} is missing; expected variable {variable}, or {place} in Vault, which can't be read: {error}"
        )
        if isinstance(error, VaultUnavailable):
            self.away.append(name)
        self.cause = self.cause or error

    def _place(self, kept: VaultKey) -> str:
        there = self.manifest.secrets.get(kept.secret) if self.manifest else None
        return f"{there.mount}/{there.path}#{kept.key}" if there else str(kept)

    def _take(self, fields: Mapping[str, VaultKey], values: Mapping[str, str]) -> None:
        for name, kept in fields.items():
            if values.get(kept.key):
                self.found[name] = values[kept.key]
            else:
                there = ", ".join(sorted(values)) or "none"
                said = "it is empty" if kept.key in values else f"{kept.secret} has the keys {there}"
                self._refuse(name, kept, SecretNotFound(said))

    def _refuse(self, name: str, kept: VaultKey, error: VaultEstateError) -> None:
        """None is what a field is that nobody gave a value; another default would be a secret that everybody knows."""
        there = self.manifest.secrets.get(kept.secret) if self.manifest else None
        may_be_none = self.settings.model_fields[name].default is None and (not there or kept.key in there.keys)
        if not (may_be_none and isinstance(error, SecretNotFound)):
            self.miss(name, kept, error)


def used(environ: Mapping[str, str]) -> bool:
    """Whether `USE_VAULT` says that Vault is asked. Raises ConfigurationError: it says neither."""
    said = environ.get(SWITCH, "").strip()
    if not said:
        return True
    try:
        return TypeAdapter(bool).validate_python(said)
    except ValidationError:
        pass
    raise ConfigurationError(f"{SWITCH} is something else; expected true or false")


def own_client(environ: Mapping[str, str]) -> AbstractContextManager[ReadsSecrets]:
    from vault_estate import VaultClient  # noqa: PLC0415 - only who reads needs an HTTP library

    return VaultClient(environ=_by_token(environ))


def _by_token(environ: Mapping[str, str]) -> Mapping[str, str]:
    """With `VAULT_TOKEN`, and nothing of another login, it is the login, also where the manifest has another."""
    others = [name for name in environ if name.startswith(("VAULT_", "BAO_")) and name.endswith(_OF_ANOTHER_LOGIN)]
    if environ.get("VAULT_TOKEN") and not others:
        return {**environ, "VAULT_AUTH_METHOD": "token"}
    return environ


def given(client: ReadsSecrets) -> Callable[[Mapping[str, str]], AbstractContextManager[ReadsSecrets]]:
    """A client that is there already, and stays open, as `VaultSettings.vault_client` and the source take one."""
    return lambda _: nullcontext(client)


def _environ(dotenv: PydanticBaseSettingsSource) -> Mapping[str, str]:
    """The process' variables over those of `.env`, whose names pydantic-settings may have in small letters."""
    from_file = getattr(dotenv, "env_vars", {})
    below = {name.upper(): value for name, value in from_file.items() if value}
    return {**below, **{name: value for name, value in os.environ.items() if value}}


def _kept(settings: type[BaseModel]) -> Iterator[tuple[str, VaultKey]]:
    for name, one in settings.model_fields.items():
        yield from ((name, kept) for kept in one.metadata if isinstance(kept, VaultKey))


def _names(name: str, field: FieldInfo) -> Iterator[str]:
    """What a source may call the field."""
    yield name
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias, field.alias]
    yield from (one for one in choices if isinstance(one, str))


def _key(name: str, field: FieldInfo) -> str:
    """What pydantic takes the field's value by: its first alias, or its name."""
    return next((one for one in _names(name, field) if one != name), name)


def _variable(settings: type[BaseSettings], name: str) -> str:
    """The environment's variable of a field."""
    key = _key(name, settings.model_fields[name])
    whole = key if key != name else f"{settings.model_config.get('env_prefix', '')}{name}"
    return whole if settings.model_config.get("case_sensitive") else whole.upper()


def _without_values(error: ValidationError) -> ValidationError:
    """Pydantic's error without what was given: of a check of the whole that is every value."""
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)
    details = [
        InitErrorDetails(
            type=PydanticCustomError(one["type"], "{said}", {"said": one["msg"]}),
            loc=one["loc"],
            input=None,
        )
        for one in mistakes
    ]
    return ValidationError.from_exception_data(error.title, details, hide_input=True)


def _refused(settings: type[BaseSettings], error: ValidationError) -> ConfigurationError | None:
    """What pydantic found wrong, without a value; None where no field of Vault's is among it."""
    places = {key: (name, kept) for name, kept in _kept(settings) for key in _names(name, settings.model_fields[name])}
    lines = []
    for mistake in error.errors(include_url=False, include_context=False, include_input=False):
        where = str(mistake["loc"][0]) if mistake["loc"] else ""
        if where not in places:
            continue
        name, kept = places[where]
        variable = _variable(settings, name)
        if mistake["type"] == "missing":
            lines.append(f"{name} is missing; expected variable {variable}, since {SWITCH} is off")
        else:
            expected = f"what its type takes ({mistake['type']}), in variable {variable} or {kept} in Vault"
            lines.append(f"{name} is not shown, as it may be a secret; expected {expected}")
    return ConfigurationError("\n".join(lines)) if lines else None
