"""The line that tells which applications lose everything."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ops.commands import removals
from ops.console import Console
from ops.stack_file import StackFile

BUILT = {
    "resources": [
        {"urn": "urn:pulumi:dev::vault-estate::vault-estate:index:AclPolicies::application-policies"},
        *(
            {"urn": f"urn:pulumi:dev::vault-estate::a:b:C$vault:index/policy:Policy::application-policies-{name}"}
            for name in ("web", "shop", "bank")
        ),
    ]
}
TAIL = "in Pulumi.dev.yaml any more, and logins and access go with that, secrets stay: "


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (("web", "shop", "bank", "added"), ""),
        (("web", "shop"), f"1 application isn't {TAIL}bank\n"),
        ((), f"3 applications aren't {TAIL}bank, shop, web\n"),
    ],
)
def test_who_goes_is_told(left: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    settings = SimpleNamespace(applications=dict.fromkeys(left))
    file = cast("StackFile", SimpleNamespace(path=Path("Pulumi.dev.yaml"), settings=settings))

    removals.tell(file, BUILT, Console(as_json=True))

    assert capsys.readouterr().err == said
    removals.tell(file, {}, Console(as_json=True))
    assert capsys.readouterr().err == ""
