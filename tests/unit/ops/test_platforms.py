"""Every platform has a driver, and nobody else asks which platform it is."""

import re
from typing import get_args

import pytest

from ops.paths import ROOT
from ops.platforms import registry
from ops.platforms.driver import PlatformDriver
from settings import Settings

_ASKED = re.compile(r"\bis_local\b|\bplatform\.kind\b|isinstance\([^)]*(?:Local|Hetzner)PlatformDriver|the only cloud")


def test_nobody_asks_for_a_platforms_kind_but_drivers_settings_and_composition() -> None:
    rooms = [ROOT / room for room in ("components", "fake_providers", "ops", "policies")]
    files = [file for room in rooms for file in room.rglob("*.py")]
    # The benchmark's own table of what a program imports goes with the benchmark.
    own = [ROOT / "ops" / "platforms", ROOT / "ops" / "development"]
    asked = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in files
        if not any(file.is_relative_to(room) for room in own)
        for line in file.read_text(encoding="utf-8").splitlines()
        if _ASKED.search(line)
    ]
    assert len(files) > 100
    assert asked == []


def test_each_platform_of_the_settings_has_a_driver() -> None:
    union = get_args(Settings.model_fields["platform"].annotation)
    kinds = {get_args(platform.model_fields["kind"].annotation)[0] for platform in union}

    assert kinds == set(registry._DRIVERS)


@pytest.mark.parametrize("driver", [*registry._DRIVERS.values(), *registry._SANDBOXES.values()])
def test_no_driver_leaves_a_question_open(driver: type[PlatformDriver]) -> None:
    assert not getattr(driver, "__abstractmethods__", ())
