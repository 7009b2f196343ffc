"""The policy pack's program: hands the rules to the engine. Owns no rule; nothing may import it.

`PolicyPack` starts a server and never returns.

The engine starts this directory as a program, so the directory itself is what Python imports from: the package that is
`policies.rules` to the tests is `rules` here, and inside it all imports are relative.

Measured with engine 3.259 and pulumi-policy 1.21 (`tests/policies/test_pack.py` keeps it true):

- Resource rules run before each resource is made, in `preview` and again in `up`; a violation in `up` stops the
  resource itself, not only the run. Provider resources are among them, with booleans and numbers as text (``'true'``).
- Stack rules run at the end of both, too. In a preview whose provider has an unknown address they see resources with
  *no* properties, which reads like "not set", and in `up` they come after the resources were made. Hence none here.
- An unknown value raises when it is read; the pack then says that it couldn't judge, as a warning. The engine asks
  again in `up`, when the value is known.
- A pack started as a folder gets all of the stack's config, decrypted, in one environment variable. Linux
  limits that to 128 KiB, a few hundred applications; above, the pack doesn't start ("argument list too long"). Given a
  program that runs `pulumi.policy ENGINE FOLDER` in place of the folder, the engine passes no config at all.
- Secrets arrive in plain. No message may quote a value that could be one.
"""

import gc

from pulumi_policy import PolicyPack
from rules import RULES, once, policies  # type: ignore[import-not-found]  # on the path only when the engine runs it

# The pack ends with the preview or `up` that it judges; looking for what it could free took a seventh of its time.
gc.disable()
once.install({rule.name: rule.types for rule in RULES})
PolicyPack("vault-estate", policies=policies())
