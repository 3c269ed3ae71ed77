"""The files of the TLS listener, made into what new connections are served with.

What could not be served is refused here, in one line, before anybody meets it: a key that others
can read, a certificate that is another key's or has expired, authorities that are none.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from leasehold.errors import ConfigError
from leasehold.policy.references import read_guarded
from leasehold.settings import TlsSettings

LONGEST = 4 << 20
"""The longest file of authorities, in bytes; revocation lists may be long."""
_REVOCATIONS = "-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class TlsContext:
    """What a handshake needs, and until when the certificate is valid."""

    ssl: ssl.SSLContext
    authorities: tuple[x509.Certificate, ...]
    expires: datetime


def load(spec: TlsSettings, now: datetime) -> TlsContext:
    """The files as they are now. Blocks. Raises ConfigError."""
    certificate = _certificate(spec, now)
    authorities, revocations = _authorities(spec, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # each connection verifies the client's certificate anew
    required = spec.client_certificates == "required"
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if revocations:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    path = spec.certificate_file
    try:
        # Never ask at a terminal; what has a passphrase was refused above.
        context.load_cert_chain(path, spec.key_file, password="")
        path = spec.client_ca_file
        context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise ConfigError(f"{path}: OpenSSL does not take it ({reason})") from error
    return TlsContext(context, authorities, certificate.not_valid_after_utc)


def _certificate(spec: TlsSettings, now: datetime) -> x509.Certificate:
    path = spec.certificate_file
    found = _certificates(path, read_guarded(f"{path}", path, public=True))[0]
    key_text = read_guarded(f"{spec.key_file}", spec.key_file)
    try:
        key = load_pem_private_key(key_text.encode(), None)
    except TypeError:
        raise ConfigError(
            f"{spec.key_file}: the key has a passphrase; write it without one, for the daemon alone"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{spec.key_file}: holds no private key in PEM, or of an unknown kind"
        ) from None
    if _public(key.public_key()) != _public_of(path, found):
        raise ConfigError(f"{path}: is not the certificate of the key {spec.key_file}")
    if found.not_valid_after_utc <= now:
        raise ConfigError(f"{path}: expired on {_day(found.not_valid_after_utc)}; renew it")
    if found.not_valid_before_utc > now:
        raise ConfigError(f"{path}: is not valid before {_day(found.not_valid_before_utc)}")
    return found


def _authorities(spec: TlsSettings, now: datetime) -> tuple[tuple[x509.Certificate, ...], bool]:
    path = spec.client_ca_file
    text = read_guarded(f"{path}", path, public=True, most=LONGEST)
    found = _certificates(path, text)
    for one in found:
        if not _is_authority(one):
            raise ConfigError(
                f"{path}: {one.subject.rfc4514_string()} is no authority; allowed are certificates"
                " with CA:TRUE"
            )
    if all(one.not_valid_after_utc <= now for one in found):
        raise ConfigError(f"{path}: every authority in it has expired")
    return tuple(found), _REVOCATIONS in text


def _certificates(path: Path, text: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except (ValueError, x509.InvalidVersion):
        raise ConfigError(f"{path}: holds no certificate in PEM") from None


def _public_of(path: Path, certificate: x509.Certificate) -> bytes:
    try:
        return _public(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"{path}: has a key of an unknown kind") from None


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def _day(at: datetime) -> str:
    return at.isoformat(timespec="minutes").replace("+00:00", "Z")
