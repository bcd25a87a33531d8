"""Bytes of sequences that nobody sent, or that ask for too much."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.engine.sequence_harness import SANITIZE, Replica, compile_program


def run_under_sanitizers(directory: Path, name: str, *arguments: str, flags: list[str]) -> str:
    program = compile_program(directory, name, [*SANITIZE, *flags])
    result = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.no_sanitizer
def test_hostile_bytes_are_refused(tmp_path: Path) -> None:
    said = run_under_sanitizers(tmp_path, "sequence_fuzz", "8000", "1", flags=[])
    assert "8000 mutated messages" in said


@pytest.mark.no_sanitizer
def test_memory_that_runs_out_changes_nothing(tmp_path: Path) -> None:
    wrap = ["-Wl,--wrap=block_resize"]
    said = run_under_sanitizers(tmp_path, "sequence_starved", "60", "1", flags=wrap)
    assert "edits and" in said


def number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def writers(*rows: tuple[bytes, int, int]) -> bytes:
    """Each: id, base, advance."""
    return number(len(rows)) + b"".join(
        number(len(name)) + name + number(base) + number(advance) for name, base, advance in rows
    )


def test_deleted_elements_cost_nothing(lib) -> None:
    """A message may name two thousand million deleted elements: they are one span, one term of the digest."""
    runs = b"".join(bytes([128 | (4 if i else 1)]) + number(2_000_000) + b"\0"[: i > 0] for i in range(1000))
    engine = Replica(lib, b"victim")
    engine.merge(writers((b"evil", 0, 2**48 - 1)) + number(1000) + runs + number(1))
    assert len(engine) == 0
    assert lib.doc_elements(engine.doc) == 2_000_000_000
    assert lib.doc_memory(engine.doc) < 2000
    assert len(engine.encode(canonical=True)) < 40
    with pytest.raises(ValueError, match="more than a sequence may have"):
        engine.merge(writers((b"more", 0, 2**48 - 1)) + number(1) + bytes([129]) + number(2**31 - 1) + number(1))


def test_runs_are_found_among_long_and_short_ones(lib) -> None:
    """What finds the run of an element takes no room for the elements, and is right when both come by turns."""
    rng = random.Random(1)
    lengths = [1] * 300 + [200_000] + [rng.choice((1, 1, 63, 64, 65, 900)) for _ in range(1500)] + [1_000_000, 1, 1]
    runs = b"".join(
        bytes([128 | 32 | (4 if i else 1)]) + number(1) + number(length) + b"\0"[: i > 0]
        for i, length in enumerate(lengths)
    )
    engine = Replica(lib, b"victim")
    engine.merge(writers((b"evil", 0, 2**48 - 1)) + number(len(lengths)) + runs + number(0))
    assert lib.doc_elements(engine.doc) == sum(lengths)
    assert lib.doc_memory(engine.doc) < 48 * len(lengths)
    for _ in range(300):
        engine.insert(rng.randint(0, len(engine)), [97])
    assert engine.broken() is None


def test_deleting_all_again_and_again_is_refused(lib) -> None:
    engine = Replica(lib, b"victim")
    engine.insert(0, [97] * 1000)
    for i in range(400):
        engine.delete(i, 1)
    deletion = b"\0" + number(1000) + b"\0"
    first = bytes([8 | 64]) + number(0) + number(1000) + number(1) + number(2 * 1000 - 1 + 2 * 399)
    message = writers((b"evil", 0, 10_000), (b"victim", 1400, 0)) + number(0)
    for times, refused in (16, False), (17, True):
        data = message + number(2 * times) + first + deletion * (times - 1)
        if refused:
            with pytest.raises(ValueError, match="over and over"):
                engine.merge(data)
        else:
            engine.merge(data)
    assert engine.broken() is None
