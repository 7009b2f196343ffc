"""The Pulumi program: load this stack's settings, build the estate, export what people and other stacks need."""

import gc

gc.disable()  # imports and registrations make hardly any garbage; looking for it takes a sixth of the start

import pulumi

import settings
from composition import administrator_files, estate

config = pulumi.Config()
wanted = settings.load(config)
administrator_files.place(wanted, pulumi.get_stack(), config.get)
for name, value in estate.build(wanted, config.require_secret).items():
    pulumi.export(name, value)
