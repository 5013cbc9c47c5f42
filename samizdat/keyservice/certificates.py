"""Certificates of the key service: an authority of its own, one for itself, one for each server and person it knows.

Each side also knows the other's certificate by its hash, so that a stolen authority makes nobody known.
"""

import datetime
import hashlib
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks that are a day or two off still meet, and nobody's certificate is over before the host is.
_BEFORE, _YEARS = datetime.timedelta(days=3), datetime.timedelta(days=3652)

type Key = ec.EllipticCurvePrivateKey


def authority(now: datetime.datetime) -> str:
    """PEM: certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Samizdat key service")
    built = _builder(name, name, key, key, now).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    return _pem(built.add_extension(_usage(signs=True), True).sign(key, hashes.SHA256())) + _key_pem(key)


def service(authority_pem: str, host: str, now: datetime.datetime) -> str:
    """PEM: certificate and key of the service itself. host: a name or an address, for browsers."""
    names: x509.GeneralName
    try:
        names = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        names = x509.DNSName(host)
    san = x509.SubjectAlternativeName([names])
    certificate, key = _issued(authority_pem, "key service", now, ExtendedKeyUsageOID.SERVER_AUTH, san)
    return _pem(certificate) + _key_pem(key)


def client(authority_pem: str, name: str, now: datetime.datetime) -> tuple[str, str]:
    """(PEM of certificate, key and the authority's certificate; SHA-256 of the certificate in hex)."""
    certificate, key = _issued(authority_pem, name, now, ExtendedKeyUsageOID.CLIENT_AUTH)
    return _pem(certificate) + _key_pem(key) + _pem(_signer(authority_pem)[0]), digest(certificate)


def person(authority_pem: str, name: str, password: str, now: datetime.datetime) -> tuple[bytes, str]:
    """(PKCS #12 for a browser, SHA-256 of the certificate in hex)."""
    certificate, key = _issued(authority_pem, name, now, ExtendedKeyUsageOID.CLIENT_AUTH)
    algorithm = serialization.BestAvailableEncryption(password.encode())
    bundle = pkcs12.serialize_key_and_certificates(
        f"Samizdat key service: {name}".encode(), key, certificate, [_signer(authority_pem)[0]], algorithm
    )
    return bundle, digest(certificate)


def digest(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def digest_of(pem: str) -> str:
    """Of the first certificate in it."""
    return digest(x509.load_pem_x509_certificate(pem.encode()))


def until(pem: str) -> datetime.datetime:
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def _signer(pem: str) -> tuple[x509.Certificate, Key]:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(pem.encode()), key


def _issued(
    authority_pem: str,
    name: str,
    now: datetime.datetime,
    use: x509.ObjectIdentifier,
    san: x509.SubjectAlternativeName | None = None,
) -> tuple[x509.Certificate, Key]:
    issuer, signs = _signer(authority_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(_name(name), issuer.subject, key, signs, now)
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    built = built.add_extension(_usage(signs=False), True).add_extension(x509.ExtendedKeyUsage([use]), False)
    if san is not None:
        built = built.add_extension(san, False)
    return built.sign(signs, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, signs: Key, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _YEARS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
