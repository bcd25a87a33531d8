"""A certificate authority for one cluster, and a certificate for each node of it: what `tls=` needs.

For a first try, and for clusters without an authority of their own. Everything lies in one
directory: `ca.pem`, which every node needs and nobody need hide; `ca.key`, which signs more nodes
and belongs on no node; and for each node `NAME.pem` and `NAME.key`. A key is never overwritten.

Needs the package `cryptography`, which is imported when it is used.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from replication.identity import check_name
from replication.transport.tls import uri_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, Name

_DAYS_MAX = 36_500
NODE_DAYS = 90
CA_DAYS = 3650
# Clocks of a cluster differ: a certificate is valid a little before it was made.
_BEFORE = timedelta(minutes=10)


class CertificatesError(Exception):
    """The certificates were not made; the message says why, and what to do."""


class Made(NamedTuple):
    """What was written for one node."""

    name: str
    certificate: Path
    key: Path


def make(directory: Path, names: list[str], *, days: int = NODE_DAYS, renew: bool = False) -> list[Made]:
    """Keys and certificates for these nodes, by the directory's authority, which is made if there is none.

    A node that has a certificate keeps it and makes this a CertificatesError before anything is
    written, unless `renew`: then it gets a new certificate for the key that it has.
    """
    _check_names(names)
    if not 1 <= days <= _DAYS_MAX:
        raise CertificatesError(f"a certificate cannot be for {days} days: give 1 to {_DAYS_MAX}")
    _need_cryptography()
    places = [Made(name, directory / f"{_file_of(name)}.pem", directory / f"{_file_of(name)}.key") for name in names]
    for place in places:
        if not renew and (place.key.exists() or place.certificate.exists()):
            raise CertificatesError(
                f"{place.name!r} has a key or a certificate in {directory} already, and nothing was made: leave it "
                "out, or say --renew for a new certificate of the same key"
            )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, authority_key = _authority(directory)
        for place in places:
            key = _read_key(place.key) if place.key.exists() else _write_key(place.key)
            certificate = _sign(_node(place.name, key, days), authority, authority_key)
            _write(place.certificate, _pem(certificate), replace=True)
    except OSError as error:
        raise CertificatesError(f"cannot write in {directory}: {error}") from error
    return places


def _check_names(names: list[str]) -> None:
    for name in names:
        try:
            check_name(name)
        except ValueError as error:
            raise CertificatesError(str(error)) from error
    if len(set(names)) < len(names):
        raise CertificatesError("a name is given twice: each node of a cluster needs a name of its own")
    if "ca" in names:
        raise CertificatesError("the name 'ca' is taken by the authority's own files: give the node another")


def _need_cryptography() -> None:
    try:
        import cryptography.x509  # noqa: F401
    except ImportError as error:
        raise CertificatesError(
            "making certificates needs the package `cryptography`: pip install 'nexus-state[tls]'. "
            "Using them needs nothing, so this can be done on any one machine"
        ) from error


def _file_of(name: str) -> str:
    """A file name for any node name."""
    quoted = quote(name, safe=" ")
    return quoted.replace(".", "%2E", 1) if quoted.startswith(".") else quoted


def _authority(directory: Path) -> "tuple[Certificate, EllipticCurvePrivateKey]":
    """The directory's authority, made if nothing of it is there."""
    from cryptography import x509

    certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
    if certificate_path.exists() != key_path.exists():
        missing = key_path if certificate_path.exists() else certificate_path
        raise CertificatesError(
            f"{missing} is missing, and without it nothing can be signed: bring it back, or make all certificates "
            "anew in another directory"
        )
    if key_path.exists():
        try:
            certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        except ValueError as error:
            raise CertificatesError(f"{certificate_path} is not a certificate in PEM: {error}") from error
        key = _read_key(key_path)
        if certificate.public_key() != key.public_key():
            raise CertificatesError(f"{key_path} is not the key of {certificate_path}: they are of two authorities")
        return certificate, key
    key = _write_key(key_path)
    certificate = _sign_authority(key)
    _write(certificate_path, _pem(certificate), replace=False)
    return certificate, key


def _sign_authority(key: "EllipticCurvePrivateKey") -> "Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    subject = _subject("nexus-state cluster authority")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates only
    builder = (
        _builder(subject, key, CA_DAYS)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return builder.sign(key, SHA256())


def _node(name: str, key: "EllipticCurvePrivateKey", days: int) -> "CertificateBuilder":
    """A node is both ends of links, so its certificate is for servers and for clients."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)  # proves who it is
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(name))])
    return (
        _builder(_subject(name), key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(both, critical=False)
        .add_extension(names, critical=False)
    )


def _sign(
    builder: "CertificateBuilder", authority: "Certificate", authority_key: "EllipticCurvePrivateKey"
) -> "Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return builder.issuer_name(authority.subject).add_extension(issuer, critical=False).sign(authority_key, SHA256())


def _builder(subject: "Name", key: "EllipticCurvePrivateKey", days: int) -> "CertificateBuilder":
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(name: str) -> "Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _read_key(path: Path) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise CertificatesError(f"{path} is not an unencrypted key in PEM: {error}") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise CertificatesError(f"{path} is not an elliptic curve key, and was not made here")
    return key


def _write_key(path: Path) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), replace=False)
    return key


def _pem(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _write(path: Path, data: bytes, *, replace: bool) -> None:
    """Whole or not at all, for this user only; FileExistsError if it is there and may not be replaced."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        if replace:
            draft.replace(path)
        else:
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
