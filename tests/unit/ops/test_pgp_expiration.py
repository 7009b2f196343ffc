"""When a public key ends, also where a part of it ends before the rest."""

import datetime

from pysequoia import Tsk

from ops.keys import pgp

_PARTS = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawhNaBYJKwYBBAHaRw8BAQdA+T5bbFmYCy7LfPrwwPYMaOBHJ0UlcRe54FxF
J9q7C7+0FWFkYSA8YWRhQGV4YW1wbGUuY29tPoiWBBMWCAA+FiEEmzHZlIkFr1K5
/qbOeJXejQsiVHAFAmsITWgCGwEFCYl9YNgFCwkIBwIGFQoJCAsCBBYCAwECHgEC
F4AACgkQeJXejQsiVHB3PgD+LZC32f9dDdb28/2ehXh85KNmRNsAb8sSmJQ0bPz3
FMUBAOkRRjEcAKkukaoRccPacjor5/cVqnY75VPgMqoSztAJuDgEawhNaBIKKwYB
BAGXVQEFAQEHQNhRCbUdKuWpwKvws9a1PP39ELwYWI9hbw4Q07ufJGNAAwEIB4h+
BBgWCAAmFiEEmzHZlIkFr1K5/qbOeJXejQsiVHAFAmsITWgCGwwFCXawDFcACgkQ
eJXejQsiVHCIqwD+KHwcBC3BiuArFGW6Kt6kUo21iWzz83BfsxnrMvWdUHQBAKS3
Bc4J/3x66s3ZKNEzFbJ4SX/wCN95WvxzOE18ilkH
=w+kw
-----END PGP PUBLIC KEY BLOCK-----
"""
"""Made by gpg: the key ends in 2099, the part that is encrypted to in 2090."""


def test_the_first_part_that_ends_counts() -> None:
    ends = pgp.expiration(_PARTS)
    assert ends is not None
    assert ends.date() == datetime.date(2090, 1, 1)


def test_a_key_that_never_ends_has_no_end() -> None:
    assert pgp.expiration(str(Tsk.generate("ada").extract_certificate())) is None
    assert pgp.expiration("no key") is None


def test_a_key_is_prolonged() -> None:
    pair = Tsk.generate("ada")
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    once = pair.extract_certificate().set_expiration(now + datetime.timedelta(days=5), pair.certifier())
    assert pgp.expiration(str(once)) == now + datetime.timedelta(days=5)
