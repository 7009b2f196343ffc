"""What every test run starts from. Owns the environment that Pulumi's SDK reads, what an interrupt does, which
tests share a worker, and what is said of what isn't there."""

import os
import signal

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# An Output that is put into a string by accident raises instead of deploying the text "Calling __str__ on an Output…".
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"

# A shell that starts the tests in the background has them ignore interrupts, and all their children with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Have each module run in one worker, all modules of machines in the same, and all of clusters: they share what
    was booted."""
    scheduler = LoadScopeScheduling(config, log)
    of_others = scheduler._split_scope
    heavy = ("tests/machines/", "tests/clusters/")
    scheduler._split_scope = lambda test: next((one for one in heavy if test.startswith(one)), None) or of_others(test)
    return scheduler


def pytest_report_header() -> list[str]:
    """What isn't on this machine, and which tests of charts therefore aren't collected."""
    from tests.support import official_chart

    return list(official_chart.missing())
