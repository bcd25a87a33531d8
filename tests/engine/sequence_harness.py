"""The engine's sequence behind ctypes: compiled with the test driver, wrapped as `Replica`."""

from __future__ import annotations

import ctypes
import subprocess
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

HERE = Path(__file__).parent
ENGINE = HERE.parent.parent / "crdt" / "engine"
SOURCES = ["base", "hash", "arena", "item", "wire", "clock", "sort"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def sources() -> list[str]:
    shared = [str(ENGINE / f"{name}.c") for name in SOURCES]
    return shared + sorted(str(path) for path in ENGINE.glob("sequence*.c"))


def compile_with(source: str, out: Path, flags: list[str]) -> Path:
    command = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *flags, f"-I{ENGINE}"]
    subprocess.run([*command, str(HERE / source), *sources(), "-o", str(out)], check=True)
    return out


def build(directory: Path, flags: list[str]) -> Path:
    """The driver as a library."""
    return compile_with("sequence_driver.c", directory / "sequence_driver.so", ["-fPIC", "-shared", *flags])


def compile_program(directory: Path, name: str, flags: list[str]) -> Path:
    """A test program that has its own main."""
    return compile_with(f"{name}.c", directory / name, flags)


def load(path: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(path))
    doc = c_void_p
    for name, result, *arguments in [
        ("doc_new", doc, c_int, c_char_p, c_uint8),
        ("doc_free", None, doc),
        ("doc_fork", doc, doc, c_char_p, c_uint8),
        ("doc_insert", c_int, doc, c_uint32, POINTER(c_uint32), c_uint32),
        ("doc_delete", c_int, doc, c_uint32, c_uint32),
        ("doc_delete_each", c_int, doc, c_uint32, c_uint32, c_int),
        ("doc_undo_deletions", c_int, doc, c_uint32),
        ("doc_undo", c_int, doc, c_uint32),
        ("doc_settle", None, doc),
        ("doc_skip", None, doc, c_uint64),
        ("doc_length", c_uint32, doc),
        ("doc_memory", c_uint64, doc),
        ("doc_elements", c_uint32, doc),
        ("doc_digest", None, doc, POINTER(c_uint64)),
        ("doc_broken", c_char_p, doc),
        ("doc_read", None, doc, c_uint32, c_uint32, POINTER(c_uint32)),
        ("doc_item", c_uint32, doc, c_uint32),
        ("doc_dot_at", c_int, doc, c_uint32, c_char_p, POINTER(c_uint64)),
        ("doc_position_of", c_int, doc, c_char_p, c_uint8, c_uint64, POINTER(c_uint32)),
        ("doc_seen", c_uint64, doc, c_char_p, c_uint8),
        ("doc_encode", c_int64, doc, doc, c_int, POINTER(c_void_p), POINTER(c_uint64)),
        ("message_free", None, c_void_p, c_uint64),
        ("doc_replay", c_int, doc, POINTER(c_uint32), c_uint64, doc, POINTER(c_uint64)),
        ("doc_merge", c_int, doc, c_char_p, c_uint64, POINTER(c_uint64), POINTER(c_char_p)),
    ]:
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    return lib


class Replica:
    """A document of one text or list."""

    def __init__(self, lib: ctypes.CDLL, name: bytes, is_text: bool = True, handle=None) -> None:
        self.lib = lib
        self.name = name
        self.is_text = is_text
        self.doc = handle or lib.doc_new(is_text, name, len(name))

    def __del__(self) -> None:
        self.lib.doc_free(self.doc)

    def fork(self, name: bytes) -> Replica:
        handle = self.lib.doc_fork(self.doc, name, len(name))
        return Replica(self.lib, name, self.is_text, handle)

    def __len__(self) -> int:
        return self.lib.doc_length(self.doc)

    def insert(self, position: int, units: list[int]) -> int:
        return self.lib.doc_insert(self.doc, position, (c_uint32 * len(units))(*units), len(units))

    def delete(self, position: int, n: int) -> int:
        return self.lib.doc_delete(self.doc, position, n)

    def delete_each(self, position: int, n: int, backward: bool) -> int:
        return self.lib.doc_delete_each(self.doc, position, n, backward)

    def read(self, position: int = 0, n: int | None = None) -> list[int]:
        n = len(self) - position if n is None else n
        out = (c_uint32 * (n + 1))()
        self.lib.doc_read(self.doc, position, n, out)
        return list(out[:n])

    def seen(self, name: bytes) -> int:
        return self.lib.doc_seen(self.doc, name, len(name))

    def digest(self) -> tuple[int, int]:
        out = (c_uint64 * 2)()
        self.lib.doc_digest(self.doc, out)
        return out[0], out[1]

    def broken(self) -> bytes | None:
        return self.lib.doc_broken(self.doc)

    def dot_at(self, position: int) -> tuple[bytes, int]:
        name = ctypes.create_string_buffer(80)
        sequence = c_uint64()
        assert self.lib.doc_dot_at(self.doc, position, name, byref(sequence)) == 0
        return name.value, sequence.value

    def position_of(self, name: bytes, sequence: int) -> tuple[int, bool] | None:
        position = c_uint32()
        status = self.lib.doc_position_of(self.doc, name, len(name), sequence, byref(position))
        return None if status < 0 else (position.value, bool(status))

    def encode(self, peer: Replica | None = None, canonical: bool = False) -> bytes:
        p, capacity = c_void_p(), c_uint64()
        doc = peer.doc if peer is not None else None
        n = self.lib.doc_encode(self.doc, doc, canonical, byref(p), byref(capacity))
        assert n >= 0, n
        data = ctypes.string_at(p, n)
        self.lib.message_free(p, capacity)
        return data

    def merge(self, data: bytes) -> bool:
        where, what = c_uint64(), c_char_p()
        status = self.lib.doc_merge(self.doc, data, len(data), byref(where), byref(what))
        if status < 0:
            raise ValueError(f"{status} at {where.value}: {what.value!r}")
        return bool(status)
