"""Links over real sockets: few, because the protocol above is tested without."""

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.config import Config
from replication.transport import FRAME_BYTES_MAX
from replication.transport.frames import header_of
from tests.transport.world import HURRY, World, linked


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "localhost:0", "unix"])
def test_frames_go_both_ways_in_order(world: World, address: str, tmp_path: Path) -> None:
    here, there, inward, outward = linked(world, f"unix:{tmp_path}/socket" if address == "unix" else address)
    assert outward.dialled and not inward.dialled
    for number in range(300):
        assert outward.send(b"to %d" % number)
        assert inward.send(b"fro %d" % number)
    world.until(lambda: len(here.frames) == len(there.frames) == 300)
    assert here.frames == [b"to %d" % number for number in range(300)]
    assert there.frames == [b"fro %d" % number for number in range(300)]


def test_the_largest_frame_crosses(world: World) -> None:
    here, _, _, outward = linked(world)
    frame = os.urandom(FRAME_BYTES_MAX)
    assert outward.send(frame)
    world.until(lambda: here.frames)
    assert here.frames == [frame]


def test_what_was_sent_before_close_arrives(world: World) -> None:
    here, there, _, outward = linked(world)
    outward.send(b"last words")
    outward.close("enough")
    world.until(lambda: here.ends)
    assert here.frames == [b"last words"]
    assert here.reasons == ["closed"]
    assert there.ends == []
    assert not outward.send(b"too late")


def test_a_closed_port_is_unreachable(world: World) -> None:
    end = world.end()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for address in (f"127.0.0.1:{port}", "unix:/nowhere/socket", "no port", "a" * 70 + ".example:1"):
        end.transport.dial(address)
    world.until(lambda: len(end.failures) == 4)
    assert sorted(reason for _, reason, _ in end.failures) == ["address", "address", "unreachable", "unreachable"]


def test_a_taken_port_is_an_error(world: World) -> None:
    address = world.end().transport.listen("127.0.0.1:0")
    with pytest.raises(OSError, match=f"cannot listen at {address}"):
        world.end().transport.listen(address)


# ---- strangers

GARBAGE = {
    "an HTTP request": (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "oversize"),
    "all ones": (b"\xff" * 64, "oversize"),
    "zeros": (bytes(100_000), "empty"),
    "noise": (bytes(range(7, 200)), "oversize"),
    "a length that only nodes may use": ((5000).to_bytes(4, "big") + b"xxxx", "oversize"),
    "a wrong checksum": ((4).to_bytes(4, "big") + b"\0\0\0\0" + b"abcd", "checksum"),
    "half a frame and an end": (header_of(b"abcd") + b"ab", "truncated"),
}


def test_an_error_of_the_system_within_the_node_is_not_taken_for_the_connections(world: World) -> None:
    here, _, _, outward = linked(world)

    def fail(link: object, frame: bytes) -> None:
        raise OSError("the disk of this node")

    here.answer = fail
    outward.send(b"a frame")
    with pytest.raises(AssertionError):
        world.until(lambda: here.ends)
    assert [str(fault["exception"]) for fault in world.faults] == ["the disk of this node"]
    world.faults.clear()


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_closes_the_link_with_a_reason(world: World, kind: str) -> None:
    data, reason = GARBAGE[kind]
    here = world.end(welcome=False)
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(data)
        if reason == "truncated":
            stranger.shutdown(socket.SHUT_WR)
        world.until(lambda: here.ends)
        assert here.reasons == [reason]
        assert here.frames == []


def test_half_a_frame_and_silence_ends_after_the_handshake_timeout(world: World) -> None:
    here = world.end(welcome=False, limits=HURRY._replace(link_handshake_timeout=0.1))
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(header_of(b"abcd") + b"ab")
        world.until(lambda: here.ends)
        assert here.reasons == ["handshake"]


def test_strangers_above_the_limit_are_turned_away_and_places_come_free(world: World) -> None:
    here = world.end(welcome=False, limits=HURRY._replace(link_strangers_max=3))
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    strangers = [socket.create_connection((host, int(port))) for _ in range(5)]
    world.until(lambda: len(here.refusals) == 2 and len(here.links) == 3)
    assert [reason for reason, _ in here.refusals] == ["crowded", "crowded"]
    for stranger in strangers:
        stranger.close()
    world.until(lambda: len(here.ends) == 3)
    strangers = [socket.create_connection((host, int(port))) for _ in range(3)]
    world.until(lambda: len(here.links) == 6)
    for link in here.links[3:]:
        link.welcome()
    with socket.create_connection((host, int(port))):
        world.until(lambda: len(here.links) == 7)
    for stranger in strangers:
        stranger.close()


def test_links_above_the_limit_are_turned_away(world: World) -> None:
    here = world.end(limits=HURRY._replace(links_max=2))
    there = world.end()
    address = here.transport.listen("127.0.0.1:0")
    for _ in range(3):
        there.transport.dial(address)
    world.until(lambda: here.refusals and len(here.links) == 2)
    here.links[0].close("enough")
    world.until(lambda: len(there.ends) == 2)
    there.transport.dial(address)
    world.until(lambda: len(here.links) == 3)


# ---- a peer that does not read


def test_a_peer_that_never_reads_fills_its_queue_and_is_dropped(world: World) -> None:
    here = world.end(limits=HURRY._replace(link_queue_bytes_max=1 << 20))
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect((host, int(port)))
        world.until(lambda: here.links)
        link = here.links[0]

        async def fill() -> int:
            sent = 0
            while link.send(bytes(100_000)):
                sent += 100_000
                await asyncio.sleep(0)
            return sent

        assert world.run(fill()) < 50_000_000
        world.until(lambda: here.ends)
        assert here.reasons == ["stalled"]
        assert not link.send(b"gone")


def test_a_slow_reader_is_not_dropped(world: World) -> None:
    here = world.end(limits=HURRY._replace(link_stall_timeout=0.2))
    host, port = here.transport.listen("127.0.0.1:0").split(":")
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect((host, int(port)))
        peer.setblocking(False)
        world.until(lambda: here.links)

        async def read_slowly() -> None:
            link = here.links[0]
            while link.send(bytes(100_000)):
                await asyncio.sleep(0)
            for _ in range(30):
                await world.loop.sock_recv(peer, 500_000)
                await asyncio.sleep(0.02)

        world.run(read_slowly())
        assert here.ends == []


def test_a_frame_larger_than_the_queue_still_goes_when_nothing_waits(world: World) -> None:
    here, _, _, outward = linked(world, limits=HURRY._replace(link_queue_bytes_max=1000))
    assert outward.send(bytes(5000))
    assert not outward.send(b"x")
    world.until(lambda: here.frames)
    assert outward.send(b"x")


# ---- sockets of the file system


def test_only_this_user_may_open_the_socket_and_it_goes_with_the_node(world: World, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    end = world.end()
    assert end.transport.listen(f"unix:{path}") == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    end.transport.close()
    assert not path.exists()


def test_the_socket_of_a_dead_process_is_replaced(world: World, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    linked(world, f"unix:{path}")


def test_the_socket_of_a_living_process_is_not(world: World, tmp_path: Path) -> None:
    world.end().transport.listen(f"unix:{tmp_path}/socket")
    with pytest.raises(OSError, match="another process listens at"):
        world.end().transport.listen(f"unix:{tmp_path}/socket")


def test_a_file_that_is_no_socket_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "socket").write_text("precious")
    with pytest.raises(OSError, match="not a socket"):
        world.end().transport.listen(f"unix:{tmp_path}/socket")
    assert (tmp_path / "socket").read_text() == "precious"


def test_a_node_leaves_the_socket_of_its_successor(world: World, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = world.end()
    first.transport.listen(f"unix:{path}")
    path.unlink()
    second = world.end()
    second.transport.listen(f"unix:{path}")
    first.transport.close()
    assert path.exists()


def test_a_path_too_long_for_the_system_is_reached(world: World, tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)
    here, _, _, outward = linked(world, f"unix:{directory}/socket")
    assert outward.send(b"far down")
    world.until(lambda: here.frames)
    assert stat.S_IMODE((directory / "socket").stat().st_mode) == 0o600


def test_limits_have_sound_defaults() -> None:
    assert Config().link_strangers_max <= Config().links_max
    assert Config().link_queue_bytes_max >= FRAME_BYTES_MAX
