"""The certificate by which one person logs in: read from the file that the settings name, and held to be theirs alone.

Refuses an authority's, by which whoever it signs for would log in, and one that names somebody else.
"""

from cryptography import x509
from cryptography.x509.oid import NameOID

from settings.layers import WHOLE
from settings.named_files import CERTIFICATE, public


def read(setting: str, file: str, person: str) -> str:
    """The PEM of a person's certificate. Raises ValueError where it isn't one, or not theirs."""
    pem = public(setting, file, CERTIFICATE)
    try:
        (certificate,) = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError(f"{WHOLE}.{setting} is {file!r}, which can't be parsed; expected one certificate") from None
    names = [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [person]:
        raise ValueError(f"{WHOLE}.{setting} is {file!r}, whose common name is another; expected {person!r}")
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if authority:
        raise ValueError(f"{WHOLE}.{setting} is {file!r}, which is an authority's; expected a person's own certificate")
    return pem
