"""Frames come out of a stream as they went in, however it is cut; anything else is found out early."""

import time
import tracemalloc
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.transport import FRAME_BYTES_MAX
from replication.transport.frames import HEADER, FrameError, FrameParser, header_of

FRAMES = st.lists(st.binary(min_size=1, max_size=300), max_size=12)


def stream_of(frames: list[bytes]) -> bytes:
    return b"".join(header_of(frame) + frame for frame in frames)


def parse(parser: FrameParser, pieces: list[bytes]) -> tuple[list[bytes], str | None]:
    """The frames that came, and the reason why no more did."""
    found: list[bytes] = []
    for piece in pieces:
        try:
            for frame in parser.feed(piece):
                found.append(frame)
        except FrameError as error:
            return found, error.reason
    return found, None


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


@given(frames=FRAMES, places=st.lists(st.integers(0, 10_000), max_size=20), tail=st.binary(max_size=7))
def test_any_split_of_a_stream_gives_its_frames(frames: list[bytes], places: list[int], tail: bytes) -> None:
    stream = stream_of(frames)
    parser = FrameParser(300)
    assert parse(parser, cut(stream, places)) == (frames, None)
    assert parser.waiting == 0
    assert parse(parser, [tail]) == ([], None)
    assert parser.waiting == len(tail)


@given(frames=FRAMES.filter(bool), places=st.lists(st.integers(0, 10_000), max_size=5), bit=st.integers(0, 10**6))
def test_a_flipped_bit_never_gives_another_frame(frames: list[bytes], places: list[int], bit: int) -> None:
    stream = bytearray(stream_of(frames))
    bit %= len(stream) * 8
    stream[bit // 8] ^= 1 << bit % 8
    parser = FrameParser(300)
    found, reason = parse(parser, cut(bytes(stream), places))
    assert found == frames[: len(found)] and len(found) < len(frames)
    assert reason in ("oversize", "empty", "checksum") or parser.waiting


@pytest.mark.parametrize("length", [1, 300, 4096, FRAME_BYTES_MAX])
def test_a_flipped_bit_of_a_length_is_found_before_the_frame_has_come(length: int) -> None:
    header = header_of(bytes(length))
    assert parse(FrameParser(FRAME_BYTES_MAX), [header]) == ([], None)
    for bit in range(32):
        spoiled = bytearray(header)
        spoiled[bit // 8] ^= 1 << bit % 8
        assert parse(FrameParser(FRAME_BYTES_MAX), [bytes(spoiled)])[1] in ("oversize", "empty", "checksum"), bit


@given(data=st.binary(max_size=400), places=st.lists(st.integers(0, 400), max_size=5))
def test_no_bytes_make_it_keep_more_than_a_frame_and_a_piece(data: bytes, places: list[int]) -> None:
    parser = FrameParser(64)
    parse(parser, cut(data, places))
    assert parser.waiting <= 64 + HEADER.size + len(data)


def test_a_length_above_the_limit_is_refused_before_anything_is_kept() -> None:
    parser = FrameParser(4096)
    tracemalloc.start()
    found, reason = parse(parser, [HEADER.pack(2**32 - 1, 0) + bytes(10)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found, reason) == ([], "oversize")
    assert peak < 20_000


def test_the_limit_may_rise_between_two_frames_of_one_piece() -> None:
    parser = FrameParser(10)
    small, large = b"a" * 10, b"b" * 5000
    frames = parser.feed(stream_of([small, large]))
    assert next(frames) == small
    parser.limit = 5000
    assert list(frames) == [large]


@pytest.mark.parametrize("size", [1, 4096, 4097, FRAME_BYTES_MAX])
def test_the_limit_is_the_largest_that_passes(size: int) -> None:
    data = stream_of([bytes(size)])
    assert parse(FrameParser(size), [data]) == ([bytes(size)], None)
    assert parse(FrameParser(size - 1), [data])[1] in ("oversize", "empty")


def test_a_frame_of_nothing_is_refused() -> None:
    assert parse(FrameParser(10), [HEADER.pack(0, crc32(b""))]) == ([], "empty")


def test_frames_before_a_fault_come_out() -> None:
    assert parse(FrameParser(10), [stream_of([b"one", b"two"]) + b"\xff" * 8]) == ([b"one", b"two"], "oversize")


def test_time_grows_with_the_bytes_and_not_faster() -> None:
    def seconds(size: int) -> float:
        data = stream_of([bytes(size)])
        pieces = [data[at : at + 500] for at in range(0, len(data), 500)]
        best = 1e9
        for _ in range(3):
            begin = time.process_time()
            assert parse(FrameParser(size), pieces) == ([bytes(size)], None)
            best = min(best, time.process_time() - begin)
        return best

    # Eight times the bytes; quadratic would be sixty-four times the time.
    assert seconds(FRAME_BYTES_MAX) < 30 * seconds(FRAME_BYTES_MAX // 8)
