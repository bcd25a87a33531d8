"""Mutual TLS: who gets in, who does not, and what both are told."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from replication import certificates
from replication.transport import TLS, tls
from replication.transport.tls import Security, names_in, require_tls_beyond_loopback, tls_files, uri_of
from tests.transport.world import HURRY, World

pytest.importorskip("cryptography")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificates")
    certificates.make(path, ["a", "b"])
    return path


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign")
    certificates.make(path, ["b"])
    return path


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that was started with a certificate that would be refused at its start."""
    monkeypatch.setattr(tls, "_check_own", lambda security, name: None)


def files(directory: Path, name: str) -> TLS:
    return TLS(str(directory / f"{name}.pem"), str(directory / f"{name}.key"), str(directory / "ca.pem"))


def long_ago(days: int) -> Any:
    class Past(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(days=days)

    return Past


def test_both_ends_learn_the_certified_name_of_the_other(world: World, directory: Path) -> None:
    here = world.end(Security(files(directory, "a"), "a"))
    there = world.end(Security(files(directory, "b"), "b"))
    there.transport.dial(here.transport.listen("127.0.0.1:0"))
    world.until(lambda: here.links and there.links)
    assert here.links[0].certified == ("b",)
    assert there.links[0].certified == ("a",)
    payload = bytes(range(256)) * 4000
    assert here.links[0].send(payload) and there.links[0].send(b"hello")
    world.until(lambda: here.frames and there.frames)
    assert there.frames == [payload] and here.frames == [b"hello"]
    there.links[0].close("enough")
    world.until(lambda: here.ends)
    assert here.reasons == ["closed"]


def test_it_is_tls_1_3_with_both_certificates_and_nothing_less(directory: Path) -> None:
    security = Security(files(directory, "a"), "a")
    for context in (security.server, security.client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3
        assert context.verify_mode == ssl.CERT_REQUIRED


def end_of_dialling(world: World, here: Any, there: Any) -> tuple[str, str]:
    """What a dialling node is told that does not get in, at once or after it believed that it had."""
    there.transport.dial(here.transport.listen("127.0.0.1:0"))
    world.until(lambda: there.failures or there.ends)
    if there.failures:
        return there.failures[0][1:]
    found: tuple[str, str] = there.ends[0]
    return found


def test_another_authority_is_refused_on_both_sides(world: World, directory: Path, foreign: Path) -> None:
    here = world.end(Security(files(directory, "a"), "a"))
    there = world.end(Security(files(foreign, "b"), "b"))
    reason, detail = end_of_dialling(world, here, there)
    assert reason == "tls"
    assert "one authority" in detail
    world.until(lambda: here.refusals)
    assert here.refusals[0][0] == "tls"
    assert here.links == []


def test_a_node_that_trusts_more_is_still_refused_by_the_other(world: World, directory: Path, foreign: Path) -> None:
    here = world.end(Security(files(directory, "a"), "a"))
    mixed = files(foreign, "b")._replace(ca=files(directory, "a").ca)
    with pytest.raises(ValueError, match="would be refused by every node"):
        Security(mixed, "b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tls, "_check_own", lambda security, name: None)
        there = world.end(Security(mixed, "b"))
    reason, detail = end_of_dialling(world, here, there)
    assert reason == "tls"
    assert "this node's certificate" in detail
    world.until(lambda: here.refusals)
    assert here.links == []


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("expired_end", ["dials", "listens"])
def test_an_expired_certificate_is_refused(
    world: World, directory: Path, monkeypatch: pytest.MonkeyPatch, expired_end: str, tmp_path: Path
) -> None:
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    monkeypatch.setattr(certificates, "datetime", long_ago(30))
    certificates.make(tmp_path, ["old"], days=20)
    old, good = Security(files(tmp_path, "old"), "old"), Security(files(directory, "a"), "a")
    here, there = world.end(good), world.end(old)
    if expired_end == "listens":
        here, there = there, here
    reason, detail = end_of_dialling(world, here, there)
    assert reason == "tls"
    world.until(lambda: here.refusals)
    assert here.refusals[0][0] == "tls"
    # Whoever looks at the certificate knows; the other may only guess.
    assert "has expired" in (here.refusals[0][1] if expired_end == "dials" else detail)
    assert "expired" in detail and "expired" in here.refusals[0][1]


def test_a_node_without_tls_is_refused_and_told_why(world: World, directory: Path) -> None:
    here, there = world.end(Security(files(directory, "a"), "a")), world.end()
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        world.until(lambda: here.refusals)
    assert here.refusals[0][0] == "tls" and "HTTP" in here.refusals[0][1]
    secured = world.end(Security(files(directory, "b"), "b"), limits=HURRY._replace(link_handshake_timeout=0.3))
    reason, _ = end_of_dialling(world, there, secured)
    assert reason == "tls"
    assert here.links == []


def test_whoever_opens_a_connection_and_says_nothing_is_closed_in_time(world: World, directory: Path) -> None:
    limits = HURRY._replace(link_handshake_timeout=0.2, link_strangers_max=1)
    here = world.end(Security(files(directory, "a"), "a"), limits=limits)
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))):
        # One of them is turned away: a handshake that is under way counts.
        world.until(lambda: len(here.refusals) == 2)
    assert sorted(reason for reason, _ in here.refusals) == ["crowded", "tls"]


def test_sockets_of_the_file_system_need_none(world: World, directory: Path, tmp_path: Path) -> None:
    here = world.end(Security(files(directory, "a"), "a"))
    there = world.end()
    there.transport.dial(here.transport.listen(f"unix:{tmp_path}/socket"))
    world.until(lambda: here.links and there.links)
    assert here.links[0].certified is None


# ---- at the start


def test_the_nodes_own_name_must_be_in_its_certificate(directory: Path) -> None:
    with pytest.raises(ValueError, match=r"this node is 'a', and its certificate .*b\.pem is for 'b'"):
        Security(files(directory, "b"), "a")


def test_an_expired_certificate_is_an_error_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "datetime", long_ago(30))
    certificates.make(tmp_path, ["a"], days=20)
    with pytest.raises(ValueError, match="expired"):
        Security(files(tmp_path, "a"), "a")


@pytest.mark.parametrize("field", TLS._fields)
def test_a_file_that_is_missing_or_something_else_is_named(directory: Path, tmp_path: Path, field: str) -> None:
    good = files(directory, "a")
    with pytest.raises(ValueError, match=f"{field}='.*nowhere' cannot be read"):
        Security(good._replace(**{field: str(tmp_path / "nowhere")}), "a")
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(ValueError, match=r"tls: .*text"):
        Security(good._replace(**{field: str(tmp_path / "text")}), "a")


def test_a_key_of_another_certificate_is_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="does not belong to the certificate"):
        Security(files(directory, "a")._replace(key=files(directory, "b").key), "a")


def test_tls_is_given_as_a_tuple_or_a_mapping(directory: Path) -> None:
    given = files(directory, "a")
    assert tls_files(given) == tls_files(given._asdict()) == given
    assert tls_files(TLS(*[Path(path) for path in given])) == given  # type: ignore[arg-type]
    for wrong in (True, "a.pem", {"certificate": "a"}, {**given._asdict(), "more": 1}):
        with pytest.raises(TypeError, match="certificate="):
            tls_files(wrong)


def test_names_come_from_uris_and_dns_names_to_the_letter() -> None:
    entries = (
        ("DNS", "node-1"),
        ("DNS", "*.example"),
        ("URI", uri_of("knoten ü/~")),
        ("URI", "https://node-2"),
        ("URI", "nexus-state:%ff"),
        ("email", "node-3"),
        ("IP Address", "127.0.0.1"),
    )
    assert names_in({"subjectAltName": entries, "subject": ((("commonName", "node-4"),),)}) == ("node-1", "knoten ü/~")
    assert names_in({}) == ()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.8.8.8:1", "[::1]:0", "localhost:7000", "unix:/tmp/socket"])
def test_loopback_needs_no_tls(address: str) -> None:
    require_tls_beyond_loopback(address, None)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.168.1.7:7000", "10.0.0.1:1", "no.such.host.invalid:1"])
def test_every_other_address_does(address: str) -> None:
    with pytest.raises(ValueError, match="tls"):
        require_tls_beyond_loopback(address, None)
    require_tls_beyond_loopback(address, TLS("a", "b", "c"))
