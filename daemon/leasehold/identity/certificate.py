"""The caller by its client certificate, which the TLS handshake has verified (rule I5).

Only subject alternative names count; the subject's common name is never looked at (RFC 9525). What
the peer proves is that it has the key; who it is, its authority vouches for.
"""

import re
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from leasehold.model import TlsPeer

MOST_NAMES = 32
_USABLE = re.compile(r"[!-+\--~]{1,512}")
"""Printable ASCII without blanks and commas, which separate names in records and questions."""


_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class BadCertificate(ValueError):
    """A certificate that OpenSSL takes and that cannot be read here."""


def attest(der: bytes | None, authorities: Sequence[x509.Certificate], address: str) -> TlsPeer:
    """Who is at `address`. `der` is the verified certificate, None when there is none.

    The first `MOST_NAMES` names count. An authority is told as issuer if its key signed the
    certificate itself, so that it must be one of `authorities`. Raises BadCertificate.
    """
    if der is None:
        return TlsPeer(address=address)
    try:
        certificate = x509.load_der_x509_certificate(der)
        return TlsPeer(
            names=tuple(dict.fromkeys(_names(certificate)))[:MOST_NAMES],
            issuers=tuple(
                authority.fingerprint(hashes.SHA256()).hex()
                for authority in authorities
                if _issued(authority, certificate)
            ),
            serial=f"{certificate.serial_number:x}",
            address=address,
        )
    except _UNREADABLE as error:
        raise BadCertificate(f"its certificate cannot be read ({type(error).__name__})") from error


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in found:
        match name:
            case x509.DNSName():
                text = f"dns:{name.value.lower()}"
            case x509.UniformResourceIdentifier():
                text = f"uri:{name.value}"
            case x509.RFC822Name():
                text = f"email:{name.value}"
            case _:
                continue
        if _USABLE.fullmatch(text):
            yield text


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
