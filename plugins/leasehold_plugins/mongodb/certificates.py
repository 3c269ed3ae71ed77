"""Client certificates for accounts that log in by X.509.

The account is the subject's name, as RFC 4514 writes it, in `$external`. A certificate ends with
the lease it was made for, a grace later; that is the second line. It begins when the authority's
own does, since nothing is gained by a later begin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from leasehold.plugin import EnginePermanent, ErrorClass, Secret

_HASHES = (Ed25519PrivateKey, Ed448PrivateKey)
"""Keys whose signature says itself how it hashes."""
_SIGNS = (RSAPrivateKey, ec.EllipticCurvePrivateKey, *_HASHES)
_FOR_LOGIN = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What its holder logs in with, both in PEM."""

    certificate: str
    private_key: Secret


def issue(connection: Mapping[str, Any], user: str, until: datetime) -> Certificate:
    """A certificate for the subject `user`, signed by the connection's authority; blocks.

    Raises EnginePermanent for an authority that cannot be used.
    """
    authority, key = _authority(connection)
    own = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name.from_rfc4514_string(user))
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(min(until, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_FOR_LOGIN, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(key, None if isinstance(key, _HASHES) else hashes.SHA256())
    )
    text = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificate(
        made.public_bytes(serialization.Encoding.PEM).decode(), Secret(text.decode())
    )


def _authority(connection: Mapping[str, Any]) -> tuple[x509.Certificate, Any]:
    if "x509_ca" not in connection or "x509_ca_key" not in connection:
        raise _invalid("connection has no x509_ca and x509_ca_key, which accounts by x509 need")
    try:
        authority = x509.load_pem_x509_certificate(Path(connection["x509_ca"]).read_bytes())
        text = connection["x509_ca_key"].reveal().encode()
        key = serialization.load_pem_private_key(text, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _invalid(
            f"connection.x509_ca or x509_ca_key cannot be used ({type(error).__name__}); write a"
            " certificate and its key in PEM, without a passphrase"
        ) from error
    if not isinstance(key, _SIGNS) or authority.public_key() != key.public_key():
        raise _invalid("connection.x509_ca_key is not the key of x509_ca")
    return authority, key


def _invalid(reason: str) -> EnginePermanent:
    return EnginePermanent(reason, error_class=ErrorClass.INVALID)
