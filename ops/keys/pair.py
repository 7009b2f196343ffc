"""Making the administrator's pair, and the operator's words for one whose halves don't fit."""

import datetime

from composition import administrator_pair
from composition.administrator_pair import Pair
from ops.errors import EstateError
from ops.keys.certificates import new_administrator


def new_pair() -> Pair:
    """A new pair, on the curve P-256, self-signed: the server knows the certificate itself."""
    certificate, private_key = new_administrator(datetime.datetime.now(datetime.UTC))
    return Pair(certificate=certificate.decode(), private_key=private_key.decode())


def checked(certificate: str, private_key: str) -> Pair:
    """A pair of which both halves came from somewhere.

    Raises:
        EstateError: one half is no PEM of its kind, or they don't belong together.
    """
    try:
        return administrator_pair.checked(certificate, private_key)
    except ValueError as error:
        raise EstateError(str(error)) from None
