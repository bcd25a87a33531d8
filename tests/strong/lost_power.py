"""What a power cut may leave of a disk that was watched: of data and of names, what was synced, and of the rest any."""

import os
import struct
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR = 512


class Call(NamedTuple):
    """`kind` is w(rite), t(runcate), s(ync), c(reate), r(ename), u(nlink) or m(ake a directory)."""

    kind: str
    path: str
    offset: int
    data: bytes


def calls(log: bytes) -> list[Call]:
    head, at, found = struct.Struct("=4q"), 0, []
    while at < len(log):
        kind, name_length, offset, size = head.unpack_from(log, at)
        at += head.size
        path, data = log[at : at + name_length].decode(), log[at + name_length : at + name_length + size]
        found.append(Call(chr(kind), path.removesuffix(" (deleted)"), offset, data))
        at += name_length + size
    return found


class File:
    def __init__(self) -> None:
        self.durable = bytearray()
        self.floating: list[Call] = []

    def sync(self) -> None:
        for call in self.floating:
            apply(self.durable, call)
        self.floating = []


def apply(data: bytearray, call: Call) -> None:
    if call.kind == "t":
        del data[call.offset :]
    data.extend(bytes(max(0, call.offset + len(call.data) - len(data))))
    data[call.offset : call.offset + len(call.data)] = call.data


class Disk:
    """All below a directory that is there for good: names and files as programs see them, and as the disk has them."""

    def __init__(self, top: str) -> None:
        self._files: dict[str, File] = {}
        self._directories = {top}
        self._names: dict[str, File | None] = {top: None}  # durable; None for a directory
        self._floating: dict[str, list[tuple[str, str, File | None]]] = {}  # by directory: old name, new name, file

    def do(self, call: Call) -> None:
        path = call.path
        if call.kind == "c":
            file = self._files[path] = File()
            self._change(path, "", path, file)
        elif call.kind == "m":
            self._directories.add(path)
            self._change(path, "", path, None)
        elif call.kind == "r":
            new = call.data.decode()
            file = self._files[new] = self._files.pop(path)
            self._change(path, path, new, file)
        elif call.kind == "u":
            self._change(path, path, "", self._files.pop(path))
        elif call.kind == "s" and path in self._directories:
            for change in self._floating.pop(path, []):
                self._rename(self._names, *change)
        elif path in self._files:  # else it was removed
            if call.kind == "s":
                self._files[path].sync()
            else:
                self._files[path].floating.append(call)

    def _change(self, place: str, old: str, new: str, file: File | None) -> None:
        self._floating.setdefault(os.path.dirname(place), []).append((old, new, file))

    @staticmethod
    def _rename(names: dict[str, File | None], old: str, new: str, file: File | None) -> None:
        names.pop(old, None)
        if new:
            names[new] = file

    def cut(self, random: Random, kept: float) -> dict[str, bytes]:
        """The files, by their paths, as they may be found; `kept` is the chance of what was not synced."""
        names = dict(self._names)
        for changes in self._floating.values():
            for change in changes:
                if random.random() < kept:
                    self._rename(names, *change)
        return {
            path: self._content(file, random, kept)
            for path, file in names.items()
            if file is not None and all(str(parent) in names for parent in Path(path).parents if self._is_ours(parent))
        }

    def _is_ours(self, path: Path) -> bool:
        return str(path) in self._directories

    @staticmethod
    def _content(file: File, random: Random, kept: float) -> bytes:
        data = bytearray(file.durable)
        for call in file.floating:
            if random.random() < kept:
                if call.kind == "w" and random.random() < 0.3:
                    call = call._replace(data=call.data[: random.randrange(0, len(call.data) + 1, SECTOR)])
                apply(data, call)
        return bytes(data)
