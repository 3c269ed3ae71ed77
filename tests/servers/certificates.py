"""Certificates for private servers that speak TLS, and for those who ask them."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
Key = ec.EllipticCurvePrivateKey


def self_signed(folder: Path, host: str) -> tuple[Path, Path]:
    """A certificate for `host` that vouches for itself, and its key: their files."""
    key = new_key()
    builder = (
        _builder(host, key)
        .issuer_name(_name(host))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    files = folder / "certificate.pem", folder / "certificate.key"
    files[0].write_bytes(_pem(builder.sign(key, hashes.SHA256())))
    write_key(files[1], key)
    return files


@dataclass(frozen=True)
class Pair:
    """A certificate, and the key that it is for."""

    certificate: x509.Certificate
    certificate_file: Path
    key_file: Path


class Authority:
    """Issues certificates, and takes them back. `file` is what trusts it."""

    def __init__(self, folder: Path, name: str = "ca", *, expired: bool = False) -> None:
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.name = name
        self.key = new_key()
        self.certificate = (
            _builder(name, self.key, expired=expired)
            .issuer_name(_name(name))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
            .add_extension(SIGNS, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self.folder / "ca.pem"
        self.file.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return _pem(self.certificate)

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def server(self, name: str = "server", *, expired: bool = False) -> Pair:
        """A certificate for a server on loopback."""
        names = [x509.DNSName("localhost")]
        return self.issue(name, names, usage=SERVER, expired=expired, cn="localhost")

    def client(self, name: str, *sans: x509.GeneralName, expired: bool = False) -> Pair:
        """A certificate for a client with these names, or without any."""
        return self.issue(name, sans, usage=CLIENT, expired=expired, cn=name)

    def issue(
        self,
        name: str,
        sans: Sequence[x509.GeneralName],
        *,
        usage: x509.ObjectIdentifier,
        expired: bool,
        cn: str,
    ) -> Pair:
        key = new_key()
        builder = (
            _builder(cn, key, expired=expired)
            .issuer_name(_name(self.name))
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
            )
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(_pem(made))
        write_key(files[1], key)
        return Pair(made, *files)

    def revocations(self, *taken_back: Pair) -> bytes:
        """The list of those, in PEM."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name(self.name))
            .last_update(now - timedelta(minutes=5))
            .next_update(now + timedelta(days=1))
        )
        for pair in taken_back:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(pair.certificate.serial_number)
                .revocation_date(now)
                .build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def client_context(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    """For a client that trusts `authority` and shows `pair`."""
    context = ssl.create_default_context(cafile=authority.file)
    if pair is not None:
        context.load_cert_chain(pair.certificate_file, pair.key_file)
    return context


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def write_key(file: Path, key: Key, passphrase: bytes | None = None) -> None:
    sealing = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(*form, sealing))
    file.chmod(0o600)


def _builder(cn: str, key: Key, *, expired: bool = False) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(cn))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1) if expired else now + timedelta(days=1))
    )


def _name(cn: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
