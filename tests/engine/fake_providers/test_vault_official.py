"""What the official Vault plugin keeps in state, and the fake one too: ids, defaults, schema versions, empty outputs.

`official.json` was read off pulumi-resource-vault (sources of v7.11, stamped 7.14.0; pulumi-terraform-bridge 3.134) by
giving it the cases of this folder against OpenBao 2.7.2. Doesn't prove that a later plugin keeps the same.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fake_providers.envelope import compact
from fake_providers.vault.fields import flat
from fake_providers.vault.table import TABLE
from tests.engine.fake_providers.cases import ID_PLACEHOLDER, Case
from tests.engine.fake_providers.filling import ALL, asked, filled, placed
from tests.engine.fake_providers.wire import Known, Values, Wire
from tests.support.servers import VaultServer

OFFICIAL: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "official.json").read_text())
DELTA = "__pulumi_raw_state_delta"


def as_official(known: Known) -> Known:
    """The same state with what only the official plugin writes: nulls, and its account of Terraform's own form."""
    known.outputs.values |= {"namespace": None, DELTA: {"obj": {}}}
    return known


def real(template: Case, prepared: dict[str, str]) -> Case:
    """The case with its placeholders replaced."""
    return Case(**{item.name: filled(getattr(template, item.name), prepared) for item in dataclasses.fields(Case)})


@pytest.mark.parametrize("template", ALL, ids=lambda case: case.name)
def test_state_is_the_official_one(
    template: Case, wire: Wire, vault_server: VaultServer, prepared: dict[str, str]
) -> None:
    case, official = real(template, prepared), OFFICIAL[template.name]
    made = wire.create(f"vault:{case.token}", case.inputs)
    case = placed(case, made.identity)
    official = filled(official, {ID_PLACEHOLDER: made.identity})
    assert made.identity == official["id"]
    table = TABLE[case.token].table
    inputs, outputs = flat(made.inputs.values, table), flat(made.outputs.values, table)
    assert {name: value for name, value in inputs.items() if name.endswith("__defaults")} == official["inputs"]
    assert {name: outputs.get(name) for name in official["outputs"]} == official["outputs"]

    if "dataJson" in case.inputs:
        assert outputs["dataJson"] == compact(json.loads(case.inputs["dataJson"])), (
            "else it is written, and rotated, again"
        )

    known = as_official(made)
    assert wire.read(known) == known, "a refresh must leave the official plugin's own keys alone"
    assert not wire.diff(known, case.inputs).diffs
    changed = wire.update(known, case.inputs | case.change)
    assert DELTA not in changed.outputs.values, "it tells of outputs that are gone"
    wire.delete(changed)
    assert (asked(vault_server.client, case.at) is None) == case.deletable


def test_a_refresh_that_finds_a_change_drops_the_account_of_the_old_outputs(
    wire: Wire, vault_server: VaultServer
) -> None:
    token = "vault:index/mount:Mount"
    inputs: Values = {"path": "kept", "type": "kv", "description": "first"}
    made = wire.create(token, inputs)
    made.outputs.values[DELTA] = {"obj": {}}
    vault_server.client.adapter.post("/v1/sys/mounts/kept/tune", json={"description": "second"})
    spoilt = wire.read(made)
    assert spoilt is not None
    assert spoilt.outputs.values["description"] == "second"
    assert DELTA not in spoilt.outputs.values
    assert spoilt.outputs.values["id"] == "kept"
    wire.delete(spoilt)


def test_texts_are_written_as_go_writes_them() -> None:
    assert compact({"b": "<&>", "a": [1, "é"]}) == '{"a":[1,"é"],"b":"\\u003c\\u0026\\u003e"}'
