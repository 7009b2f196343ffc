"""Wording of changes and failures, and what is kept of the engine's event stream. Events are made by hand."""

from collections.abc import Mapping

import pytest
from pulumi.automation import events

from ops.engine.listening import Changes, Listener, failure, short_name
from tests.unit.ops.events import STACK_URN, URN, Told, diagnostic, metadata, policy, pre

SENTENCES: list[tuple[Mapping[str, int], str]] = [
    ({}, "0 changes (0 unchanged)"),
    ({"same": 180}, "0 changes (180 unchanged)"),
    ({"create": 1}, "1 change (1 create, 0 unchanged)"),
    ({"same": 3, "update": 2, "create": 40}, "42 changes (40 create, 2 update, 3 unchanged)"),
    ({"delete": 7, "same": 0}, "7 changes (7 delete, 0 unchanged)"),
]


@pytest.mark.parametrize(("counts", "sentence"), SENTENCES)
def test_changes_in_one_sentence(counts: Mapping[str, int], sentence: str) -> None:
    assert Changes(counts=counts).sentence() == sentence
    assert Changes(counts=counts).total == int(sentence.split(maxsplit=1)[0])


TRACEBACK = """Program failed with an unhandled exception:
Traceback (most recent call last):
  File "/estate/__main__.py", line 9, in <module>
    for name, value in estate.build(settings.load(config)).items():
                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""
LINES = (
    "settings.loading.SettingsError: vault-estate:estate.protect is 'maybe'; expected true or false\n"
    "vault-estate:estate.kv is empty; expected at least 1 entry"
)

KEY = "urn:pulumi:dev::vault-estate::a:b:C$vault:transit/secretBackendKey:SecretBackendKey::transit-key-a"
ADVICE = "run `pulumi up`, or use the command:\n`pulumi state unprotect 'urn'`"

FAILURES: dict[str, tuple[list[str], str, str]] = {
    "the engine's diagnostics": (
        ["vault:index/mount:Mount kv: path is already in use at secret/"],
        "a lot of output",
        "up failed:\n  vault:index/mount:Mount kv: path is already in use at secret/",
    ),
    "each once": (["a", "b", "a"], "", "up failed:\n  a\n  b"),
    "an exception without its traceback": (
        [TRACEBACK + "ValueError: rules of 'app': is empty: expected at least one"],
        "",
        "up failed:\n  rules of 'app': is empty: expected at least one",
    ),
    "every line of an exception": (
        [TRACEBACK + LINES + "\n"],
        "",
        (
            "up failed:\n  vault-estate:estate.protect is 'maybe'; expected true or false\n"
            "  vault-estate:estate.kv is empty; expected at least 1 entry"
        ),
    ),
    "the last of a chain": (
        [
            TRACEBACK + "KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
            'Traceback (most recent call last):\n  File "a.py", line 1\nRuntimeError: no: really'
        ],
        "",
        "up failed:\n  no: really",
    ),
    "an exception without words": ([TRACEBACK + "KeyboardInterrupt"], "", "up failed:\n  KeyboardInterrupt"),
    "a traceback of nothing else": (
        [TRACEBACK],
        "error: something\n",
        "up failed:\n  error: something",
    ),
    "the engine's own errors": (
        [],
        "Updating\n error: one\nnoise\nerror: two\n",
        "up failed:\n   error: one\n  error: two",
    ),
    "the engine's last lines": ([], "a\nb\nc\nd\n", "up failed:\n  b\n  c\n  d"),
    "an engine that was killed": (
        [],
        "\n code: -9\n stdout: Updating\n stderr: \n",
        "up failed:\n  the engine was ended by SIGKILL; run the command again",
    ),
    "another passphrase": (
        [],
        "code: 255\n stderr: error: getting stack configuration: get stack secrets manager: incorrect passphrase",
        "the passphrase isn't the one that the state's secrets were encrypted with; expected that one, from a copy",
    ),
    "what is protected": (
        [
            f'kv: resource "{KEY}" cannot be deleted\nbecause it is protected. To unprotect the resource, {ADVICE}',
            f'unable to replace resource "{KEY}"\nas it is currently marked for protection. To unprotect {ADVICE}',
        ],
        "",
        (
            "up failed:\n  vault:transit/secretBackendKey:SecretBackendKey transit-key-a: it is protected, since it "
            "holds data; expected it in Pulumi.dev.yaml as before, or protect: false there, brought about by an `up` "
            "of its own, before it goes"
        ),
    ),
    "an issuer that doesn't answer, and what ended with it": (
        [
            (
                "vault:jwt/authBackend:AuthBackend oidc-mount: POST auth/oidc/config at https://127.0.0.1:8200: error "
                "checking oidc discovery URL: error creating provider with given values: NewProvider: unable to create "
                'provider: Get "https://issuer.example/a/.well-known/openid-configuration": dial tcp: no such host'
            ),
            "vault:index/policy:Policy people-policies-group-operators: failed to run policy: context canceled",
        ],
        "",
        (
            "up failed:\n  vault-estate:estate.people.oidc.discovery_url is 'https://issuer.example/a'; expected one "
            "that the server reaches: dial tcp: no such host"
        ),
    ),
    "an issuer of whom a server says no more": (
        [
            (
                "vault:jwt/authBackend:AuthBackend tenants-mount: Error making API request.\n\nURL: PUT https://vault/"
                "v1/auth/tenants/config\nCode: 400. Errors:\n\n* error checking jwks URL"
            )
        ],
        "",
        (
            "up failed:\n  vault-estate:estate.tenants.issuer.jwks_url is an address without an answer; expected one "
            "that the server reaches"
        ),
    ),
    "nothing but an end from outside": (
        ["a b: failed to run policy: context canceled"],
        "",
        "up failed:\n  a b: failed to run policy: context canceled",
    ),
    "nothing at all": ([], "", "up failed:"),
}


@pytest.mark.parametrize(("diagnostics", "output", "text"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_in_the_engines_words(diagnostics: list[str], output: str, text: str) -> None:
    assert failure("up", diagnostics, output) == text


class TestListener:
    """What is kept of the engine's event stream."""

    def listen(self, *happened: events.EngineEvent) -> "Listener":
        listener = Listener(steps=Told())
        for event in happened:
            listener(event)
        return listener

    def test_an_error_names_its_resource(self) -> None:
        listener = self.listen(diagnostic("error", " permission denied\n"))

        assert listener.errors == ["vault:index/mount:Mount kv-secret-mount: permission denied"]
        assert listener.warnings == []

    @pytest.mark.parametrize("urn", [STACK_URN, "", None])
    def test_an_error_of_the_whole_stack_names_none(self, urn: str | None) -> None:
        assert self.listen(diagnostic("error", "no space left", urn)).errors == ["no space left"]

    def test_warnings_are_kept_except_the_one_about_our_own_helpers(self) -> None:
        listener = self.listen(
            diagnostic("warning", "using pulumi-analyzer-policy-python from $PATH at /x", None),
            diagnostic("warning", "this is deprecated"),
            diagnostic("warning", "  "),
        )

        assert listener.warnings == ["vault:index/mount:Mount kv-secret-mount: this is deprecated"]

    @pytest.mark.parametrize("severity", ["info", "info#err", "debug"])
    def test_chatter_is_dropped(self, severity: str) -> None:
        listener = self.listen(diagnostic(severity, "hello"))

        assert (listener.errors, listener.warnings) == ([], [])

    @pytest.mark.parametrize(("level", "kept"), [("mandatory", "errors"), ("advisory", "warnings")])
    def test_a_policys_word_counts_by_its_level(self, level: str, kept: str) -> None:
        listener = self.listen(policy(level))

        assert getattr(listener, kept) == ["policy acl-no-broad-wildcard: no wildcard"]
        assert len(listener.errors) + len(listener.warnings) == 1

    @pytest.mark.parametrize(
        "operation", [events.OpType.CREATE, events.OpType.UPDATE, events.OpType.DELETE, events.OpType.IMPORT]
    )
    def test_a_change_is_kept(self, operation: events.OpType) -> None:
        assert self.listen(pre(operation)).resources == [(operation.value, URN)]

    @pytest.mark.parametrize("operation", [events.OpType.SAME, events.OpType.READ, events.OpType.REFRESH])
    def test_a_step_without_a_change_is_not_counted(self, operation: events.OpType) -> None:
        assert self.listen(pre(operation)).resources == []

    def test_steps_are_told_when_they_begin_and_end(self) -> None:
        told = Told()
        listener = Listener(steps=told)
        listener(pre(events.OpType.CREATE))
        listener(
            events.EngineEvent(
                sequence=2,
                timestamp=1,
                res_outputs_event=events.ResOutputsEvent(metadata=metadata(events.OpType.CREATE)),
            )
        )

        name = "vault:index/mount:Mount kv-secret-mount"
        assert told.steps == [(name, False), (name, True)]

    def test_a_name_that_is_not_a_urn_is_shown_unchanged(self) -> None:
        assert short_name("odd") == "odd"
