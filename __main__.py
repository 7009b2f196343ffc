"""The Pulumi program: load this stack's settings, build the estate, export what people and other stacks need."""

import pulumi

import estate
import settings

config = pulumi.Config()
for name, value in estate.build(settings.load(config), config.require_secret).items():
    pulumi.export(name, value)
