"""The administrator's login follows what it should be, never away from who changes it: what each server passes.

Owns the class `LoginFollows`. A module that takes it says by a fixture `server` which one, bootstrapped with `EARLIER`.
The properties are those of the resource `AdministratorLogin`.
"""

from typing import Any

import pytest

from components import https
from components.render.acl import render
from components.render.administrator import administrator_policy
from components.render.bootstrap import ADMINISTRATOR, ADMINISTRATOR_TRIAL
from components.vault import administrator
from components.vault.administrator import LockedOutError, keep
from tests.support.servers import Administered, administrator_client, call

POLICY = render(administrator_policy())


EARLIER = POLICY.replace("administrator-trial", "nobody")


"""As a release before this one wrote it: it can't remove the copy of the role."""


ROLE, TRIAL = f"auth/cert/certs/{ADMINISTRATOR}", f"auth/cert/certs/{ADMINISTRATOR_TRIAL}"


def wanted(platform: Administered, **changes: Any) -> dict[str, Any]:
    """The resource's properties."""
    return {
        "address": platform.address,
        "certificate_file": str(platform.administrator_certificate),
        "private_key_file": str(platform.administrator_key),
        "ca_certificate_file": str(platform.ca_file),
        "login_path": "cert",
        "login_role": ADMINISTRATOR,
        "policy": POLICY,
        "token_ttl": 3_600,
        "token_bound_cidrs": [],
        "networks_setting": "platform.api_cidrs",
        **changes,
    }


def role(platform: Administered) -> dict[str, Any]:
    found: dict[str, Any] = call(administrator_client(platform), "get", ROLE)["data"]
    return found


def nothing_is_left_of_the_trial(platform: Administered) -> None:
    client = administrator_client(platform)
    assert ADMINISTRATOR_TRIAL not in call(client, "list", "auth/cert/certs")["data"]["keys"]
    assert ADMINISTRATOR_TRIAL not in call(client, "list", "sys/policies/acl")["data"]["keys"]


class LoginFollows:
    """What holds on every server."""

    def test_networks_without_the_caller_are_refused_also_under_an_earlier_policy(self, server: Administered) -> None:
        before = role(server)
        with pytest.raises(LockedOutError, match=r"^platform\.api_cidrs is 192\.0\.2\.0/24; expected networks with t"):
            keep(wanted(server, token_bound_cidrs=["192.0.2.0/24"]))

        client = administrator_client(server)
        assert role(server) == before
        assert call(client, "get", f"sys/policies/acl/{ADMINISTRATOR}")["data"]["policy"] == EARLIER
        # That policy lets nobody remove the copy of the role; it gives nothing.
        assert ADMINISTRATOR_TRIAL not in call(client, "list", "sys/policies/acl")["data"]["keys"]

    def test_a_later_releases_policy_and_networks_and_lifetime_are_taken_up(self, server: Administered) -> None:
        keep(wanted(server, token_ttl=1_800, token_bound_cidrs=["10.0.0.0/8", "127.0.0.1/32"]))

        now = role(server)
        assert (now["token_ttl"], now["token_max_ttl"]) == (1_800, 1_800)
        assert sorted(now["token_bound_cidrs"]) == ["10.0.0.0/8", "127.0.0.1"]
        assert (
            call(administrator_client(server), "get", f"sys/policies/acl/{ADMINISTRATOR}")["data"]["policy"] == POLICY
        )
        nothing_is_left_of_the_trial(server)

    def test_a_policy_that_couldnt_be_written_again_is_refused(self, server: Administered) -> None:
        keep(wanted(server))
        lame = POLICY.replace('path "sys/policies/acl/*"', 'path "sys/policies/other/*"')

        with pytest.raises(LockedOutError, match=r"^the administrator's ACL policy can't be written again by"):
            keep(wanted(server, policy=lame))

        keep(wanted(server))
        nothing_is_left_of_the_trial(server)

    def test_whoever_stops_it_at_any_moment_leaves_a_login(
        self, server: Administered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each request in turn is the last one."""
        requested = https.request
        for last in range(1, 40):
            keep(wanted(server))
            left = last

            def stopping(*arguments: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                return requested(*arguments, **more)

            with monkeypatch.context() as patch:
                patch.setattr("components.vault.administrator.request", stopping)
                try:
                    keep(wanted(server, token_ttl=600 + last))
                except KeyboardInterrupt:
                    assert role(server)["token_ttl"] in {3_600, 600 + last}
                    continue
            break
        assert last > 10
        assert role(server)["token_ttl"] == 600 + last
        nothing_is_left_of_the_trial(server)

    def test_what_was_changed_by_hand_is_found_and_mended(self, server: Administered) -> None:
        keep(wanted(server))
        call(administrator_client(server), "post", ROLE, {"token_ttl": 7_200, "token_max_ttl": 7_200})
        keeping = administrator._Keeping()

        drifted = keeping.read(ADMINISTRATOR, wanted(server)).outs or {}

        assert drifted["token_ttl"] == 7_200
        assert keeping.diff(ADMINISTRATOR, drifted, wanted(server)).changes
        keeping.update(ADMINISTRATOR, drifted, wanted(server))
        assert keeping.read(ADMINISTRATOR, wanted(server)).outs == wanted(server)
        settled = keeping.update(ADMINISTRATOR, drifted, wanted(server)).outs or {}
        assert settled["accessor"].startswith("auth_cert_")
        assert not keeping.diff(ADMINISTRATOR, settled, wanted(server)).changes

    def test_a_replacement_and_a_removal_leave_the_login(self, server: Administered) -> None:
        keeping = administrator._Keeping()
        assert keeping.create(wanted(server)).id == ADMINISTRATOR
        keeping.delete(ADMINISTRATOR, wanted(server))
        assert role(server)["token_policies"] == [ADMINISTRATOR]
