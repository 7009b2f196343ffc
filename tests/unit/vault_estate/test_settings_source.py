"""Which of several sources a field is from, in every case, and what is said where none has it. Vault is a double that
counts; `tests/live/vault_estate/` has the real one."""

import logging
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pydantic import AliasChoices, BaseModel, PostgresDsn, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

import vault_estate
from settings import parse
from settings.client_manifest import client_manifest
from tests.support.precedence import FROM_VAULT, SWITCHES, CellSettings, alone, cells
from tests.unit.settings.samples import MINIMAL
from tests.unit.vault_estate.readers import DoubleReader
from vault_estate.errors import (
    ConfigurationError,
    PermissionDenied,
    SecretDeleted,
    SecretNotFound,
    VaultEstateError,
    VaultSealed,
    VaultTimeout,
)
from vault_estate.manifest import ClientManifest
from vault_estate.settings_source import VaultField, VaultSettings, VaultSettingsSource, given

CANARY = "canary-2f6b8d1c9e3a4750"
AWAY = VaultTimeout("https://vault.example.com:8200 timed out after 3 s")


def reader(**secrets: Mapping[str, str] | VaultEstateError) -> DoubleReader:
    """A double that has these secrets."""
    return DoubleReader(secrets)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and none of the variables."""
    alone(tmp_path, monkeypatch)


def settings_of(double: DoubleReader) -> type[CellSettings]:
    """Settings with one sensitive field that has a default, read by a double."""

    class Settings(CellSettings):
        vault_client = given(double)

    return Settings


def key_of(settings: VaultSettings) -> str:
    """The sensitive field."""
    return str(settings.model_dump()["SECRET_KEY"])


# --- the whole table of precedence, of which tests/live/vault_estate/test_settings.py asks a real server

IN_VAULT = (None, "", FROM_VAULT, AWAY)
"""Not there, empty, a value; and Vault is away."""


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("vault", IN_VAULT, ids=str)
def test_every_cell_of_the_order(
    vault: str | VaultEstateError | None, switch: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    every = list(cells(switch))
    assert len(every) == 18
    for cell in every:
        double = reader(security=vault if isinstance(vault, VaultEstateError) else _values(vault))
        wanted = cell.expected(None if isinstance(vault, VaultEstateError) else vault)
        if wanted is None:
            with pytest.raises(ConfigurationError, match="SECRET_KEY is missing; expected variable SECRET_KEY, or"):
                cell.found(settings_of(double), tmp_path, monkeypatch)
        else:
            assert cell.found(settings_of(double), tmp_path, monkeypatch) == wanted
        assert double.asked == (["security"] if cell.asks_vault() else [])


def _values(vault: str | None) -> Mapping[str, str]:
    return {} if vault is None else {"secret_key": vault}


def test_a_switch_that_says_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_VAULT", CANARY)
    with pytest.raises(ConfigurationError) as caught:
        settings_of(reader())()
    assert str(caught.value) == "USE_VAULT is something else; expected true or false"


def test_the_switch_may_stand_in_dotenv_and_the_environment_comes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("USE_VAULT=false\nVAULT_URL=https://vault.example.com\n")
    double = reader(security={"secret_key": "from-vault"})
    assert key_of(settings_of(double)()) == "everybody-knows-it"
    monkeypatch.setenv("USE_VAULT", "true")
    assert key_of(settings_of(double)()) == "from-vault"


def test_a_client_sees_what_dotenv_says_below_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VAULT_URL=https://one.example.com\nVAULT_TOKEN=t1\n")
    monkeypatch.setenv("VAULT_TOKEN", "t2")
    seen: list[Mapping[str, str]] = []
    double = reader(security={"secret_key": "k"})

    def client(environ: Mapping[str, str]) -> AbstractContextManager[DoubleReader]:
        seen.append(environ)
        return given(double)(environ)  # type: ignore[return-value]

    settings = settings_of(double)
    settings.vault_client = client
    settings()

    assert {name: seen[0][name] for name in ("VAULT_URL", "VAULT_TOKEN")} == {
        "VAULT_URL": "https://one.example.com",
        "VAULT_TOKEN": "t2",
    }


# --- reading

PAKE = {"database": {"url": "postgresql://u:p@h/d"}, "security": {"secret_key": "k1", "pepper": "k2"}}


class Pake(VaultSettings):
    """Of several secrets, one with two fields."""

    SECRET_KEY: SecretStr = VaultField("security", "secret_key")
    PEPPER: SecretStr = VaultField("security", "pepper")
    DATABASE_URL: PostgresDsn = VaultField("database", "url")
    API_KEY: SecretStr | None = VaultField("api_keys", "api_key", None)
    DEBUG: bool = False


def pake(double: DoubleReader) -> type[Pake]:
    """The same, read by a double."""

    class Settings(Pake):
        vault_client = given(double)

    return Settings


def test_each_secret_is_read_once_and_one_that_is_not_needed_never(monkeypatch: pytest.MonkeyPatch) -> None:
    double = reader(**PAKE, api_keys={"api_key": "k3"})
    found = pake(double)()
    assert (found.SECRET_KEY.get_secret_value(), found.PEPPER.get_secret_value()) == ("k1", "k2")
    assert sorted(double.asked) == ["api_keys", "database", "security"]

    monkeypatch.setenv("DATABASE_URL", "postgresql://other/d")
    again = reader(**PAKE)
    assert str(pake(again)().DATABASE_URL) == "postgresql://other/d"
    assert "database" not in again.asked


def test_a_field_that_may_be_absent_is_none_where_nobody_gave_it_and_only_there() -> None:
    assert pake(reader(**PAKE))().API_KEY is None
    assert pake(reader(**PAKE, api_keys=SecretDeleted("it is deleted")))().API_KEY is None
    for error in (PermissionDenied("403"), AWAY, VaultSealed("sealed"), ConfigurationError("no such name")):
        with pytest.raises(ConfigurationError, match="API_KEY is missing"):
            pake(reader(**PAKE, api_keys=error))()


def manifest_of(**keys: tuple[str, ...]) -> ClientManifest:
    """A document that has these secrets with these keys, in a mount of PAKE's."""
    settings = parse(
        {
            **MINIMAL,
            "kv": {"pake_system": {}},
            "approle": {},
            "applications": {
                "pake": {
                    "login": {"kind": "approle"},
                    "mount": "pake_system",
                    "layout": "{mount}/{environment}/{name}",
                    "secrets": {name: {"keys": list(those)} for name, those in keys.items()},
                }
            },
        }
    )
    return client_manifest(settings, "pake", address="https://v.example.com", ca_certificate=None, role_id="r1")


def test_the_manifest_tells_the_place_and_a_key_that_it_hasnt_is_never_absent() -> None:
    keys = {"security": ("secret_key", "pepper"), "database": ("url",)}

    class Settings(Pake):
        vault_client = given(DoubleReader(PAKE, manifest_of(**keys, api_keys=("api_key",))))

    assert Settings().API_KEY is None

    class Wrong(Pake):
        vault_client = given(DoubleReader({**PAKE, "api_keys": {"key": "k"}}, manifest_of(**keys, api_keys=("key",))))

    with pytest.raises(ConfigurationError) as caught:
        Wrong()
    assert str(caught.value) == (
        "API_KEY is missing; expected variable API_KEY, or pake_system/test/api_keys#api_key in Vault, which can't be "
        "read: api_keys has the keys key"
    )


@pytest.mark.parametrize(
    ("others", "method"),
    [
        ({}, "token"),
        ({"VAULT_AUTH_METHOD": "approle"}, "approle"),
        ({"BAO_SECRET_ID_FILE": "/run/x"}, None),
        ({"VAULT_AGENT_ADDR": "unix:///run/x"}, None),
        ({"VAULT_JWT_FILE": "/run/x"}, None),
        ({"BAO_KUBERNETES_ROLE": "x"}, None),
        ({"OTHER_SECRET_ID": "x"}, "token"),
    ],
)
def test_a_token_that_was_given_is_the_login_where_no_other_is(
    others: Mapping[str, str], method: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Mapping[str, str]] = []

    def client(*, environ: Mapping[str, str]) -> DoubleReader:
        seen.append(environ)
        return DoubleReader(PAKE)

    monkeypatch.setattr(vault_estate, "VaultClient", client)
    for name, value in {"VAULT_TOKEN": "t", **others}.items():
        monkeypatch.setenv(name, value)
    Pake()
    assert seen[0].get("VAULT_AUTH_METHOD") == method


def test_what_is_missing_is_told_a_line_each_with_the_reason() -> None:
    double = reader(
        security={"secret": "x"}, database=PermissionDenied("denied at pake_system/data/development/database")
    )
    with pytest.raises(ConfigurationError) as caught:
        pake(double)()
    assert str(caught.value).splitlines() == [
        (
            "SECRET_KEY is missing; expected variable SECRET_KEY, or security#secret_key in Vault, which can't be "
            "read: security has the keys secret"
        ),
        (
            "PEPPER is missing; expected variable PEPPER, or security#pepper in Vault, which can't be read: "
            "security has the keys secret"
        ),
        (
            "DATABASE_URL is missing; expected variable DATABASE_URL, or database#url in Vault, which can't be read: "
            "denied at pake_system/data/development/database"
        ),
    ]
    assert isinstance(caught.value.__cause__, SecretNotFound)


def test_a_vault_that_is_away_is_asked_once() -> None:
    double = reader(security=AWAY, database=AWAY, api_keys=AWAY)
    with pytest.raises(ConfigurationError) as caught:
        pake(double)()
    assert double.asked == ["security"]
    assert len(str(caught.value).splitlines()) == 4
    assert str(caught.value).count("timed out after 3 s") == 4
    assert caught.value.__cause__ is AWAY


def test_a_client_that_cant_begin_is_told_by_field() -> None:
    def client(environ: Mapping[str, str]) -> AbstractContextManager[DoubleReader]:
        raise ConfigurationError("vault-estate.json is missing")

    class Settings(Pake):
        vault_client = client

    with pytest.raises(ConfigurationError, match=r"SECRET_KEY is missing; .*: vault-estate\.json is missing"):
        Settings()


def test_a_folder_of_secrets_comes_after_vault_and_while_it_is_away(tmp_path: Path) -> None:
    (tmp_path / "SECRET_KEY").write_text("from-folder")

    def key(double: DoubleReader) -> str:
        return key_of(settings_of(double)(_secrets_dir=tmp_path))

    assert key(reader(security={"secret_key": "from-vault"})) == "from-vault"
    assert key(reader(security=AWAY)) == "from-folder"
    with pytest.raises(ConfigurationError):
        key(reader(security=PermissionDenied("403")))


def test_prefixes_aliases_and_json_are_as_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(VaultSettings):
        model_config = SettingsConfigDict(env_prefix="APP_")
        vault_client = given(reader(security={"secret_key": "k1"}, keys={"all": '["a", "b"]', "bad": CANARY}))
        secret_key: str = VaultField("security", "secret_key")
        other: str = VaultField("security", "secret_key", alias="OTHER_KEY")
        several: str = VaultField("security", "secret_key", validation_alias=AliasChoices("FIRST", "SECOND"))
        keys: list[str] = VaultField("keys", "all")

    found = Settings()
    assert (found.secret_key, found.other, found.several, found.keys) == ("k1", "k1", "k1", ["a", "b"])
    for name, attribute in (("APP_SECRET_KEY", "secret_key"), ("OTHER_KEY", "other"), ("SECOND", "several")):
        monkeypatch.setenv(name, "own")
        assert getattr(Settings(), attribute) == "own"

    class Bad(Settings):
        keys: list[str] = VaultField("keys", "bad")

    with pytest.raises(ConfigurationError, match="keys is no JSON in Vault") as caught:
        Bad()
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_missing_field_is_told_where_vault_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_VAULT", "false")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    with pytest.raises(ConfigurationError) as caught:
        pake(reader())()
    assert str(caught.value).splitlines() == [
        "SECRET_KEY is missing; expected variable SECRET_KEY, since USE_VAULT is off",
        "PEPPER is missing; expected variable PEPPER, since USE_VAULT is off",
    ]


def test_a_mistake_in_another_field_stays_pydantics_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "perhaps")
    with pytest.raises(ValidationError) as caught:
        pake(reader(**PAKE))()
    (mistake,) = caught.value.errors()
    assert (mistake["type"], mistake["loc"]) == ("bool_parsing", ("DEBUG",))
    assert mistake["msg"].startswith("Input should be a valid boolean")


def test_a_field_of_vault_inside_of_another_is_refused() -> None:
    class Database(BaseModel):
        url: str = VaultField("database", "url", "sqlite://")

    with pytest.raises(ConfigurationError, match=r"Nested\.database has a VaultField inside"):

        class Nested(VaultSettings):
            database: Database = Database()


def test_the_source_can_be_put_among_others() -> None:
    double = reader(**PAKE)

    class Plain(BaseSettings):
        SECRET_KEY: str = VaultField("security", "secret_key")

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            vault = VaultSettingsSource(settings_cls, client=given(double))
            return vault, init_settings, env_settings, dotenv_settings, file_secret_settings

    assert Plain().SECRET_KEY == "k1"


# --- no value is shown


def test_no_value_is_in_a_repr_a_log_or_an_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    class Settings(Pake):
        vault_client = given(reader(security={"secret_key": CANARY, "pepper": CANARY}, database={"url": CANARY}))
        NUMBER: int = VaultField("security", "pepper")

    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert str(caught.value).splitlines() == [
        (
            "DATABASE_URL is not shown, as it may be a secret; expected what its type takes (url_parsing), in variable "
            "DATABASE_URL or database#url in Vault"
        ),
        (
            "NUMBER is not shown, as it may be a secret; expected what its type takes (int_parsing), in variable "
            "NUMBER or security#pepper in Vault"
        ),
    ]
    assert caught.value.__context__ is None

    class Whole(VaultSettings):
        vault_client = given(reader(security={"secret_key": CANARY}))
        SECRET_KEY: str = VaultField("security", "secret_key")

        @model_validator(mode="after")
        def _check(self) -> "Whole":
            raise ValueError("the two don't {fit}")

    with pytest.raises(ValidationError) as whole:
        Whole()
    assert whole.value.errors()[0]["msg"] == "Value error, the two don't {fit}"
    assert CANARY not in repr(whole.value.errors()) + "".join(traceback.format_exception(whole.value))
    assert whole.value.__context__ is None

    class Plain(VaultSettings):
        vault_client = given(reader(security={"secret_key": CANARY}))
        SECRET_KEY: str = VaultField("security", "secret_key")

    found = Plain()
    assert found.SECRET_KEY == CANARY
    assert CANARY not in repr(found) + str(found) + caplog.text
