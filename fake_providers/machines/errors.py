"""The one error of this package, in a module of its own because all others raise it."""


class MachineError(ValueError):
    """What can't be done with a machine here, in one line for the operator. Never holds a secret."""
