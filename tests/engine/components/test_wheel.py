"""`components/` as another project has it: the wheel, in an environment where nothing else of this repository is.

`examples/another_project` is run as it is committed: up, up again without a change, destroy, against real servers, by
the engine's own command line. Not proven: the language host and the provider plugin, which are doubles here.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import hvac
import psycopg
import pytest
from cryptography import x509
from hvac import exceptions

from fake_providers.attach import attach_apart
from ops.engine.finding import find
from ops.paths import ROOT
from tests.support.distributions import build, environment_with, run
from tests.support.language_host import install
from tests.support.servers import PostgresServer, VaultServer, call

PACKAGE = "pulumi_vault_estate"
_WAITING = f"""
import dill
from {PACKAGE}.platform import readiness
code = dill.dumps(readiness._Waiting())
print({PACKAGE + ".platform.readiness"!r}.encode() in code, type(dill.loads(code)) is readiness._Waiting)
"""
_ALONE = f"""
from importlib.util import find_spec
from {PACKAGE} import *
import {PACKAGE}.hetzner.site
print([name for name in ("components", "settings", "ops", "pulumi_hcloud", "pulumi_aws") if find_spec(name)])
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A copy of the example, and an environment with the wheel and what it depends on."""

    directory: Path
    environment: Mapping[str, str]

    @property
    def python(self) -> Path:
        """Of its environment."""
        return self.directory / ".venv" / "bin" / "python"

    def says(self, program: str) -> str:
        """What a Python program prints there."""
        return run(self.python, "-c", program, directory=self.directory, environment=self.environment).strip()

    def pulumi(self, *arguments: str) -> str:
        """One command of Pulumi."""
        return run("pulumi", *arguments, "--non-interactive", directory=self.directory, environment=self.environment)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the source distribution."""
    built = tmp_path_factory.mktemp("distributions")
    build(ROOT, built)
    return built


@pytest.fixture(scope="module")
def project(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Another project, with versions of ours, which are in the cache."""
    directory = tmp_path_factory.mktemp("another") / "project"
    copytree(ROOT / "examples" / "another_project", directory)
    (wheel,) = distributions.glob("*.whl")
    python = environment_with(wheel, directory / ".venv")
    install(directory.parent, str(python))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PULUMI", "VAULT_"))}
    with attach_apart(["vault"]) as attached:
        search_path = [str(directory.parent), str(find(lambda _: None).executable.parent), kept["PATH"]]
        environment = {
            **kept,
            **attached,
            "PATH": os.pathsep.join(search_path),
            "PULUMI_BACKEND_URL": f"file://{directory.parent}",
            "PULUMI_CONFIG_PASSPHRASE": "trial",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(directory.parent / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        yield Project(directory=directory, environment=environment)


def test_every_file_of_the_folder_is_in_it(distributions: Path, project: Project) -> None:
    (found,) = project.directory.glob(f".venv/lib/python*/site-packages/{PACKAGE}")
    ours = {str(file.relative_to(ROOT / "components")) for file in (ROOT / "components").rglob("*") if file.is_file()}

    assert {file for file in ours if not file.endswith(".pyc")} == {
        str(file.relative_to(found)) for file in found.rglob("*") if file.is_file() and file.suffix != ".pyc"
    }
    assert len(list(distributions.glob("*.tar.gz"))) == 1


def test_it_needs_nothing_else_of_ours_and_no_clouds_sdk(project: Project) -> None:
    assert project.says(_ALONE) == "[]"


def test_its_types_are_seen(project: Project, tmp_path: Path) -> None:
    mypy = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, "--python-executable", project.python)
    run(*mypy, "__main__.py", directory=project.directory)


def test_the_code_of_a_state_is_named_and_found_there(project: Project) -> None:
    assert project.says(_WAITING) == "True True"


def test_another_project_has_an_application_served(
    project: Project, vault_server: VaultServer, postgres_server: PostgresServer
) -> None:
    root = vault_server.client
    settings = {
        "address": vault_server.address,
        "authorityFile": str(vault_server.ca_file),
        "certificateFile": str(vault_server.admin_certificate),
        "privateKeyFile": str(vault_server.admin_key),
        "postgresPort": str(postgres_server.port),
    }
    project.pulumi("stack", "init", "one")
    plain = [part for name, value in settings.items() for part in ("--plaintext", f"{name}={value}")]
    project.pulumi("config", "set-all", *plain, "--secret", f"postgresPassword={postgres_server.root_password}")

    project.pulumi("up", "--yes", "--skip-preview")
    project.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")

    call(root, "POST", "secret/data/shop", {"data": {"greeting": "hello"}})
    client = _logged_in(root, vault_server)
    assert call(client, "GET", "secret/data/shop")["data"]["data"] == {"greeting": "hello"}
    leased = call(client, "GET", "database/creds/shop-reader")["data"]
    with psycopg.connect(postgres_server.dsn(leased["username"], leased["password"], "app")) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    issued = call(client, "POST", "pki_int/issue/shop", {"common_name": "web.shop.internal"})["data"]
    trusted = json.loads(project.pulumi("stack", "output", "--json"))["root_certificate"]
    leaf, issuer, authority = map(_certificate, (issued["certificate"], issued["issuing_ca"], trusted))
    leaf.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(authority)
    with pytest.raises(exceptions.Forbidden):
        call(client, "GET", "secret/data/other")
    (state,) = (project.directory.parent / ".pulumi" / "stacks").rglob("one.json")
    assert postgres_server.root_password not in state.read_text(encoding="utf-8")

    project.pulumi("destroy", "--yes", "--skip-preview")
    mounts = call(root, "GET", "sys/mounts")["data"] | call(root, "GET", "sys/auth")["data"]
    assert not {"secret/", "database/", "pki/", "pki_int/", "approle/"} & mounts.keys()


def _logged_in(root: hvac.Client, server: VaultServer) -> hvac.Client:
    """As the application itself."""
    role = call(root, "GET", "auth/approle/role/shop/role-id")["data"]["role_id"]
    secret = call(root, "POST", "auth/approle/role/shop/secret-id")["data"]["secret_id"]
    client = hvac.Client(url=server.address, verify=str(server.ca_file))
    client.auth.approle.login(role_id=role, secret_id=secret)
    return client


def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode("ascii"))
