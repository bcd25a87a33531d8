"""How addresses are written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.transport.addresses import Tcp, Unix, parse
from replication.transport.own_hosts import OwnHosts


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("127.0.0.1:7000", Tcp("127.0.0.1", 7000)),
        ("localhost:0", Tcp("localhost", 0)),
        ("[::1]:7000", Tcp("::1", 7000)),
        ("[fe80::1%eth0]:65535", Tcp("fe80::1%eth0", 65535)),
        ("unix:/run/node", Unix("/run/node")),
        ("unix:a:b", Unix("a:b")),
    ],
)
def test_an_address_means_a_place_and_is_written_back(text: str, meaning: Tcp | Unix) -> None:
    assert parse(text) == meaning
    assert str(meaning) == text


@pytest.mark.parametrize(
    "text",
    ["", ":", "host", ":7000", "host:", "host:http", "host:-1", "host:65536", "host:٣", "host:1 ", "::1:7000", "[]:1"],
)
def test_anything_else_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(ValueError, match="'") as caught:
        parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["unix:", "unix:/directory/", "unix:a\0b"])
def test_a_path_must_be_one_of_a_file(text: str) -> None:
    with pytest.raises(ValueError, match="names no socket"):
        parse(text)


@given(st.text(max_size=30))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(ValueError):
        assert parse(str(parse(text))) == parse(text)


def test_a_place_that_is_one_is_told_as_it_is() -> None:
    assert OwnHosts().reached_at(Tcp("node.example", 7000)) == "node.example:7000"
    assert OwnHosts().reached_at(Tcp("::1", 7000)) == "[::1]:7000"


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([], ""),
        (["10.0.0.5", "10.0.0.6"], "10.0.0.5:7000"),
        (["127.0.0.1", "127.0.0.2"], "127.0.0.1:7000"),
        (["127.0.0.1", "10.0.0.5", "127.0.0.1", "10.0.0.6"], "10.0.0.5:7000"),
        (["fd00::5"], ""),
        (["169.254.1.1"], ""),
    ],
)
def test_everywhere_is_told_as_the_first_address_that_others_can_reach(seen: list[str], told: str) -> None:
    hosts = OwnHosts()
    for host in seen:
        hosts.see(host)
    assert hosts.reached_at(Tcp("0.0.0.0", 7000)) == told


def test_each_family_has_its_own() -> None:
    hosts = OwnHosts()
    for host in ("10.0.0.5", "fe80::1", "::1", "fd00::5"):
        hosts.see(host)
    assert hosts.reached_at(Tcp("::", 7000)) == "[fd00::5]:7000"
    assert hosts.reached_at(Tcp("0.0.0.0", 7000)) == "10.0.0.5:7000"
