"""`nexus-state certs`: keys are never lost, files are private, and mistakes are explained."""

import stat
import sys
from pathlib import Path

import pytest

from replication import certificates, cli
from replication.certificates import CertificatesError, make
from replication.transport import TLS
from replication.transport.tls import Security

pytest.importorskip("cryptography")


def security(directory: Path, name: str, file: str | None = None) -> Security:
    """Made of what is in the directory; ValueError if it would not do."""
    file = file or name
    return Security(
        TLS(str(directory / f"{file}.pem"), str(directory / f"{file}.key"), str(directory / "ca.pem")), name
    )


def test_each_node_gets_what_tls_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "certs"
    assert cli.main(["certs", str(directory), "a", "b"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        f"name='a', tls=replication.TLS(certificate='{directory}/a.pem', key='{directory}/a.key', "
        f"ca='{directory}/ca.pem')"
    )
    assert len(said) == 2
    security(directory, "a")
    security(directory, "b")
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert len(list(directory.iterdir())) == 6


def test_later_nodes_come_under_the_same_authority(tmp_path: Path) -> None:
    make(tmp_path, ["a"])
    authority = (tmp_path / "ca.pem").read_bytes()
    make(tmp_path, ["b"])
    assert (tmp_path / "ca.pem").read_bytes() == authority
    security(tmp_path, "b")


def test_a_key_that_is_there_is_kept_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path, ["a"])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert cli.main(["certs", str(tmp_path), "new", "a"]) == 2
    assert "--renew" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_renewing_keeps_the_key(tmp_path: Path) -> None:
    make(tmp_path, ["a"], days=1)
    key, old = (tmp_path / "a.key").read_bytes(), (tmp_path / "a.pem").read_bytes()
    make(tmp_path, ["a"], renew=True)
    assert (tmp_path / "a.key").read_bytes() == key
    assert (tmp_path / "a.pem").read_bytes() != old
    security(tmp_path, "a")


@pytest.mark.parametrize("name", ["knoten ü", "../up", ".hidden", "x" * 44, "a/b", "100%", "A", "name~1"])
def test_any_node_name_gets_files_of_its_own_in_the_directory(tmp_path: Path, name: str) -> None:
    (made,) = make(tmp_path, [name])
    assert made.key.parent == made.certificate.parent == tmp_path
    assert not made.key.name.startswith(".")
    security(tmp_path, name, made.certificate.stem)


@pytest.mark.parametrize(
    ("names", "message"),
    [([""], "1 to"), (["x" * 45], "1 to"), (["a", "a"], "twice"), (["ca"], "taken"), (["\ud800"], "surrogate")],
)
def test_names_that_no_node_can_have_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(CertificatesError, match=message):
        make(tmp_path / "certs", names)
    assert not (tmp_path / "certs").exists()


def test_half_an_authority_is_not_replaced(tmp_path: Path) -> None:
    make(tmp_path, ["a"])
    (tmp_path / "ca.key").unlink()
    with pytest.raises(CertificatesError, match=r"ca\.key is missing"):
        make(tmp_path, ["b"])


def test_an_authority_of_two_halves_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "1", ["a"])
    make(tmp_path / "2", ["a"])
    (tmp_path / "1" / "ca.key").write_bytes((tmp_path / "2" / "ca.key").read_bytes())
    with pytest.raises(CertificatesError, match="two authorities"):
        make(tmp_path / "1", ["b"])


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(CertificatesError, match=r"pip install 'nexus-state\[tls\]'"):
        make(tmp_path / "certs", ["a"])


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificatesError, match="cannot write"):
        make(tmp_path / "file" / "certs", ["a"])


def test_no_days_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificatesError, match="0 days"):
        make(tmp_path, ["a"], days=0)
    assert certificates.NODE_DAYS >= 1
