"""A rate limit that somebody runs into."""

import hvac
import pytest
import requests

from tests.support.servers import call

_LIMIT = "sys/quotas/rate-limit/narrow"
_MOUNT = "sys/mounts/narrow"


def retry_after(client: hvac.Client) -> int:
    """The seconds that a client is told which went over a limit; the limit is on a mount of its own, and goes again."""
    call(client, "post", _MOUNT, {"type": "kv", "options": {"version": "2"}})
    try:
        call(client, "post", _LIMIT, {"path": "narrow/", "rate": 1, "interval": 60})
        for _ in range(3):
            answer = requests.get(
                f"{client.url}/v1/narrow/config",
                headers={"X-Vault-Token": client.token},
                verify=client.session.verify,
                timeout=10,
            )
            if answer.status_code == requests.codes.too_many_requests:
                return int(answer.headers["Retry-After"])
        pytest.fail("three requests where one was allowed, and none was turned away")
    finally:
        call(client, "delete", _LIMIT)
        call(client, "delete", _MOUNT)
