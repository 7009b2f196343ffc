"""The exceptions an operator is meant to read.

Owns no wording: whoever raises one says what was wrong and what to do.
"""


class EstateError(Exception):
    """Something the operator can mend: bad input, a busy port, a server that is not ours.

    The message is complete in itself: which setting or argument, the bad value (never a secret), what was expected. The
    command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 2


class InterruptedRunError(EstateError):
    """The operator, or the system, asked the command to stop; what was under way was finished and recorded."""

    exit_code = 130
