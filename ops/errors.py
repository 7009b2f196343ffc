"""The one exception an operator is meant to read.

Owns no wording: whoever raises it says what was wrong and what to do.
"""


class EstateError(Exception):
    """Something the operator can mend: bad input, a busy port, a server that is not ours.

    The message is complete in itself: which setting or argument, the bad value (never a secret), what was expected. The
    command line prints it without a traceback and exits with 2.
    """
