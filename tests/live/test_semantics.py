"""The meaning of ACL policies as a real server has it: 10,000 random sets of policies and paths, answered alike.

Doesn't prove: HashiCorp's server (tests/hashicorp), templates.
"""

import random
from collections.abc import Sequence

import hvac
import pytest
from hvac.exceptions import Forbidden

from components.render.acl import AclPolicy, AclRule, Capability, render
from ops.review.semantics import at, read, together
from tests.support.servers import VaultServer, call

POLICIES, PATHS, COMPARED = 400, 20, 10_000
SEED = 20261126
_SEGMENTS = ("a", "b", "ab", "abc", "é", "x y")
_OTHER = [capability for capability in Capability if capability is not Capability.DENY]


def _path(chance: random.Random) -> str:
    return "/".join(chance.choices(_SEGMENTS, k=chance.randint(1, 4)))


def _pattern(chance: random.Random) -> str:
    """A rule's path, as the model lets one be: wildcards are segments of their own."""
    segments = [segment if chance.random() > 0.25 else "+" for segment in _path(chance).split("/")]
    if chance.random() < 0.35:
        segments.append("*")
    return "/".join(segments)


def _policy(chance: random.Random, name: str) -> AclPolicy:
    paths = {_pattern(chance) for _ in range(chance.randint(1, 8))}
    return AclPolicy(name=name, rules=tuple(_rule(chance, path) for path in sorted(paths)), administrative=True)


def _rule(chance: random.Random, path: str) -> AclRule:
    some = [Capability.DENY] if chance.random() < 0.1 else chance.sample(_OTHER, k=chance.randint(1, 4))
    return AclRule(path=path, capabilities=frozenset(some))


def _asked(chance: random.Random, policies: Sequence[AclPolicy]) -> str:
    """A path near to what the policies name: a rule's own, with its wildcards filled, cut or made longer."""
    rule = chance.choice(chance.choice(policies).rules).path
    filled = [chance.choice(_SEGMENTS) if segment in ("+", "*") else segment for segment in rule.split("/")]
    ways = (filled, filled[:-1] or filled, [*filled, chance.choice(_SEGMENTS)], _path(chance).split("/"))
    return "/".join(chance.choice(ways)) + ("/" if chance.random() < 0.3 else "")


def test_the_model_answers_as_the_server_does(vault_server: VaultServer) -> None:
    chance = random.Random(SEED)  # noqa: S311 - no secret
    policies = [_policy(chance, f"random-{number}") for number in range(POLICIES)]
    client = vault_server.client
    for policy in policies:
        call(client, "post", f"sys/policies/acl/{policy.name}", {"policy": render(policy)})
    compared, allowed = 0, 0
    while compared < COMPARED:
        some = chance.sample(policies, k=chance.randint(1, 3))
        body = {"policies": [policy.name for policy in some], "no_default_policy": True, "ttl": "5m"}
        token = call(client, "post", "auth/token/create", body)["auth"]["client_token"]
        paths = list(dict.fromkeys(_asked(chance, some) for _ in range(PATHS * 2)))[:PATHS]
        answer = call(client, "post", "sys/capabilities", {"token": token, "paths": paths})["data"]
        rules = together(read(render(policy)) for policy in some)
        for path in paths:
            ours = {str(capability) for capability in at(rules, path).capabilities}
            assert set(answer[path]) == ours, f"{path!r} of {[render(policy) for policy in some]}"
            compared, allowed = compared + 1, allowed + (ours != {"deny"})
    assert allowed >= compared / 4


@pytest.mark.parametrize("names", [("held", "free"), ("free", "held")])
def test_a_write_is_held_to_the_parameters_of_one_policy_also_where_another_has_none(
    vault_server: VaultServer, names: Sequence[str]
) -> None:
    client, path = vault_server.client, "sys/policies/password/tried"
    for name, parameters in (("held", frozenset({"policy"})), ("free", frozenset[str]())):
        rule = AclRule(path=path, capabilities=frozenset({Capability.UPDATE}), allowed_parameters=parameters)
        text = render(AclPolicy(name=name, rules=(rule,), administrative=True))
        call(client, "post", f"sys/policies/acl/{name}", {"policy": text})
    token = call(client, "post", "auth/token/create", {"policies": list(names), "ttl": "5m"})["auth"]["client_token"]
    writer = hvac.Client(url=client.url, verify=str(vault_server.ca_file), token=token)
    wanted = {"policy": 'length = 20\nrule "charset" { charset = "abcdefghij" }'}
    call(writer, "post", path, wanted)
    with pytest.raises(Forbidden):
        call(writer, "post", path, {**wanted, "entropy_source": "seal"})
