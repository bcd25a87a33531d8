"""Mutual TLS 1.3: who may be at the other end of a link, and under which name.

Both ends show a certificate that the cluster's own authority signed, and a node's name stands in
its certificate. Host names are not looked at: a node may move to another host, and its name is what
its changes are known by. A name stands in the subject alternative names, either as the URI
`nexus-state:NAME`, with every byte but letters, digits and `-._~` percent-encoded, which can carry
any name; or as a DNS name that is the node's name to the letter, which any tool can make. A
wildcard is not a name.

Loopback and Unix sockets need no TLS; everything else is refused without.
"""

import ipaddress
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from replication.transport import TLS
from replication.transport.addresses import Tcp, Unix, parse

URI_SCHEME = "nexus-state:"


class Security:
    """Contexts for both ends of a link; ValueError that says which file is wrong, and how."""

    def __init__(self, files: TLS, name: str) -> None:
        self.files = files
        self.server = _context(ssl.PROTOCOL_TLS_SERVER, files)
        self.client = _context(ssl.PROTOCOL_TLS_CLIENT, files)
        _check_own(self, name)


def tls_files(given: Any) -> TLS:
    """What was given as `tls=`: a TLS, or a mapping with its keys."""
    if isinstance(given, TLS):
        files = given
    elif isinstance(given, Mapping) and set(given) == set(TLS._fields):
        files = TLS(**given)
    else:
        raise TypeError(
            f"tls={given!r:.100} must be replication.TLS(certificate=..., key=..., ca=...), "
            "the paths of three PEM files"
        )
    return TLS(*[str(path) for path in files])


def require_tls_beyond_loopback(address: str, tls: object | None) -> None:
    """ValueError if others than this machine could reach `address` and there is no TLS."""
    place = parse(address)
    if tls is not None or isinstance(place, Unix) or _is_loopback(place):
        return
    raise ValueError(
        f"listen={address!r} can be reached from other machines, and without tls= anybody there could read and write "
        "the state. Make certificates with `nexus-state certs DIRECTORY NAME ...` and give "
        "tls=replication.TLS(certificate=..., key=..., ca=...), or listen at 127.0.0.1"
    )


def _is_loopback(place: Tcp) -> bool:
    try:
        return ipaddress.ip_address(place.host.partition("%")[0]).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(place.sought, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def names_in(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """The node names in a certificate as `SSLSocket.getpeercert` gives it."""
    names = []
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "DNS" and "*" not in value:
            names.append(value)
        elif kind == "URI" and value.startswith(URI_SCHEME):
            try:
                names.append(unquote_to_bytes(value.removeprefix(URI_SCHEME)).decode())
            except UnicodeDecodeError:
                continue
    return tuple(names)


def uri_of(name: str) -> str:
    """How a node's name is written in a certificate."""
    return URI_SCHEME + quote(name, safe="")


def certified_names(connection: Any) -> tuple[str, ...]:
    """The node names in the certificate at the other end; none if it shows none."""
    return names_in(connection.getpeercert() or {})


def explain(error: BaseException) -> str:
    """What a failed TLS handshake means, and what to do about it."""
    text = f"{getattr(error, 'verify_message', '')} {getattr(error, 'reason', '')} {error}".lower().replace("_", " ")
    for word, meaning in _MEANINGS.items():
        if word in text:
            return f"{meaning} ({error})"
    return BROKEN_OFF if isinstance(error, ConnectionResetError) else str(error)


# An event loop may close a connection before the alert that says why has left.
BROKEN_OFF = (
    "the other end broke off before it said anything: it does not accept this node's certificate (of another "
    "authority, expired, not valid yet), or does not speak TLS; its own status says which"
)


# Words of OpenSSL, the telling ones first. "alert" is what the other end said of this end's certificate.
_MEANINGS = {
    "alert unknown ca": "the other end does not know the authority that signed this node's certificate: "
    "all nodes of a cluster need certificates of one authority, and its file as ca",
    "alert certificate expired": "the other end says that this node's certificate has expired: make a new one",
    "certificate required": "the other end asks for a certificate, and none was shown: give tls= on both",
    "alert": "the other end refused this node's certificate: compare the certificates and the ca file of both nodes",
    "certificate has expired": "the certificate at the other end has expired: make a new one for that node",
    "not yet valid": "the certificate at the other end is not valid yet: look at the clocks of both machines",
    "certificate verify failed": "the certificate at the other end was not signed by this node's ca file: "
    "all nodes of a cluster need certificates of one authority",
    "wrong version number": "the other end does not speak TLS: give tls= on both nodes, or on none",
    "unsupported protocol": "the other end does not speak TLS 1.3",
    "not return a certificate": "the other end shows no certificate: give tls= on both nodes",
    "http request": "the other end speaks HTTP, so it is not a node",
}


def _context(side: int, files: TLS) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if side == ssl.PROTOCOL_TLS_SERVER:
        # A resumed session could outlive the certificate it began with.
        context.num_tickets = 0
    _check_readable(files)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(
            f"tls: the key {files.key} does not belong to the certificate {files.certificate}, or one of them is not "
            f"an unencrypted PEM file ({error})"
        ) from error
    try:
        context.load_verify_locations(files.ca)
    except ssl.SSLError as error:
        raise ValueError(f"tls: {files.ca} is not the PEM file of an authority's certificate ({error})") from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, and a node starts without anybody who could give its password")


def _check_readable(files: TLS) -> None:
    for field, path in zip(TLS._fields, files, strict=True):
        try:
            with Path(path).open("rb") as file:
                file.read(1)
        except OSError as error:
            raise ValueError(f"tls: {field}={path!r} cannot be read: {error.strerror}") from error


def _check_own(security: Security, name: str) -> None:
    """ValueError if every peer would refuse this node's certificate; found by showing it to itself."""
    files = security.files
    try:
        names = names_in(_certificate_shown(security))
    except ssl.SSLCertVerificationError as error:
        raise ValueError(
            f"tls: {files.certificate} would be refused by every node that trusts {files.ca}: {error.verify_message}. "
            "Make a certificate for this node with the authority whose file is given as ca"
        ) from error
    if name not in names:
        has = ", ".join(map(repr, names)) or "no node's name"
        raise ValueError(
            f"tls: this node is {name!r}, and its certificate {files.certificate} is for {has}: "
            f"give the certificate of {name!r}, made by `nexus-state certs DIRECTORY {name}`"
        )


def _certificate_shown(security: Security) -> Mapping[str, Any]:
    """This node's certificate as a peer with the same files sees it, from a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = security.client.wrap_bio(to_client, to_server)
    server = security.server.wrap_bio(to_server, to_client, server_side=True)
    # Each round takes both as far as they come with what the other has said; TLS 1.3 needs two.
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return server.getpeercert() or {}
