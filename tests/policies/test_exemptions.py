"""Exemptions: what the file may say, what it then lets pass, and that each one ends."""

import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi_policy import ResourceValidationPolicy

from policies.rules import RULES, exemptions, policies
from policies.rules import rule as wording
from policies.rules.exemptions import Exemption
from tests.support.policy_rules import resource

TODAY = datetime.date(2026, 11, 26)
RULE = next(one for one in RULES if one.name == "address-stays")
GOOD = {
    "rule": RULE.name,
    "resource": "app",
    "who": "Ada Lovelace",
    "why": "the old address is given back next month",
    "until": datetime.date(2026, 12, 31),
}


def written(tmp_path: Path, *entries: dict[str, Any]) -> Path:
    (tmp_path / exemptions.FILE).write_text(yaml.safe_dump({"exemptions": list(entries)}))
    return tmp_path / exemptions.FILE


def found(exempt: tuple[Exemption, ...]) -> list[str]:
    said: list[str] = []

    def report(message: str, _urn: str | None = None) -> None:
        said.append(message)

    RULE.validate(resource(RULE, {"autoDelete": True}), report, exempt)
    return said


def test_what_is_exempt_passes_until_its_last_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exempt = exemptions.read(written(tmp_path, GOOD), [RULE.name], TODAY)
    for day, count in ((31, 0), (32, 1)):
        now = datetime.date(2026, 12, 1) + datetime.timedelta(day - 1)
        monkeypatch.setattr(wording, "today", partial(datetime.date, now.year, now.month, now.day))
        messages = found(exempt)
        assert len(messages) == count
        assert all("(its exemption ended on 2026-12-31)" in message for message in messages)


@pytest.mark.parametrize(
    ("change", "count"),
    [({}, 0), ({"stack": "test"}, 0), ({"stack": "dev"}, 1), ({"resource": "other"}, 1), ({"rule": "login-ends"}, 1)],
)
def test_it_is_for_one_rule_one_resource_and_one_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], count: int
) -> None:
    monkeypatch.setattr(wording, "today", lambda: TODAY)
    exempt = exemptions.read(written(tmp_path, {**GOOD, **change}), [RULE.name, "login-ends"], TODAY)
    assert len(found(exempt)) == count


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rule": "no-such-rule"}, r"exemptions\[0\].rule is 'no-such-rule'; expected the name of a rule"),
        ({"who": " "}, r"exemptions\[0\].who is missing; expected text"),
        ({"why": None}, r"exemptions\[0\].why is missing; expected text"),
        ({"until": "soon"}, r"exemptions\[0\].until is no date; expected one such as 2027-03-31"),
        ({"until": datetime.datetime(2026, 12, 1)}, r"exemptions\[0\].until is no date"),
        (
            {"until": datetime.date(2027, 11, 28)},
            r"exemptions\[0\].until is 2027-11-28; expected a day within 366 days",
        ),
        ({"stack": 5}, r"exemptions\[0\].stack is no name"),
        (
            {"reason": "x"},
            r"exemptions\[0\].reason is not known; expected one of resource, rule, stack, until, who, why",
        ),
    ],
)
def test_one_that_says_too_little_is_refused(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        exemptions.read(written(tmp_path, {**GOOD, **change}), [RULE.name], TODAY)


@pytest.mark.parametrize(
    "text", ["[", "exemptions: 5", "others: []", "exemptions: []\nmore: 1", "5", "exemptions: [x]"]
)
def test_a_file_that_cant_be_read_refuses_every_stack(tmp_path: Path, text: str) -> None:
    (tmp_path / exemptions.FILE).write_text(text)
    (policy,) = policies(tmp_path / exemptions.FILE)
    assert isinstance(policy, ResourceValidationPolicy)
    assert policy.name == "exemptions-can-be-read"


@pytest.mark.parametrize("text", ["", "exemptions: []", "# nothing yet\n"])
def test_a_file_without_any_exempts_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / exemptions.FILE).write_text(text)
    assert exemptions.read(tmp_path / exemptions.FILE, [RULE.name], TODAY) == ()
    assert exemptions.read(tmp_path / "missing.yaml", [RULE.name], TODAY) == ()
