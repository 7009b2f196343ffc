"""The Pulumi program: load this stack's settings, build the estate, export what people and other stacks need."""

import pulumi

import estate
import settings
from ops.keys import placing

config = pulumi.Config()
wanted = settings.load(config)
placing.place(wanted, pulumi.get_stack(), config.get)
for name, value in estate.build(wanted, config.require_secret).items():
    pulumi.export(name, value)
