"""Mutated bytes through every decoder: `python -m tests.fuzz --inputs 10000000 [--seed N] [--target NAME]`.

For every state type, alone, nested and in a composite, and for version vectors: whatever the bytes,
`DecodeError` and `RetiredError` are the only exceptions, nothing of them was applied then, and what is
accepted leaves a sound state whose bytes read back as themselves. A failure prints a line that repeats it; so does a
crash, since the input is noted in shared memory before it is tried.
"""

from __future__ import annotations

import argparse
import faulthandler
import mmap
import os
import random
import resource
import struct
import sys
import time
from typing import Any

import crdt
from crdt.repair import Sketch

from .mutate import damaged
from .seeds import KEY, Target, targets

BATCH = 1000
CORPUS_MAX = 60  # messages kept for a target: the first ones, and accepted damage as food for more
NOTE_BYTES = 1 << 16


class Failure(Exception):
    pass


class Note:
    """What is being tried right now, readable by the parent after a crash."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, NOTE_BYTES)

    def name(self, target: str) -> None:
        self.memory[:64] = target.encode().ljust(64)

    def bytes(self, data: bytes) -> None:
        end = 68 + min(len(data), NOTE_BYTES - 68)
        self.memory[64:end] = struct.pack("<I", end - 68) + data[: end - 68]

    def line(self, seed: int) -> str:
        size = struct.unpack("<I", self.memory[64:68])[0]
        name = self.memory[:64].decode().rstrip()
        return f"python -m tests.fuzz --seed {seed} --target {name} --hex {self.memory[68 : 68 + size].hex()}"


class Run:
    def __init__(self, seed: int, note: Note) -> None:
        self.seed, self.note = seed, note
        self.tried = self.refused = self.accepted = self.waited = 0

    def batch(self, target: Target, rng: random.Random, size: int) -> None:
        """`size` inputs into one receiver; a new one after each that was accepted."""
        self.note.name(target.name)
        self.tried += size
        if target.receiver is None:
            for _ in range(size):
                self.try_vector(damaged(rng.choice(target.messages), rng.choice(target.messages), rng.getrandbits(128)))
            return
        if target.is_compared:
            sketch = Sketch(target.receiver, KEY)
            for _ in range(size):
                self.try_symbols(
                    sketch, damaged(rng.choice(target.messages), rng.choice(target.messages), rng.getrandbits(128))
                )
            return
        messages, note, word = target.messages, self.note.bytes, rng.getrandbits
        receiver, land = target.receiver.fork("fuzzed"), target.land
        before = receiver.to_bytes()
        refused = 0
        for _ in range(size):
            r = word(160)
            data = damaged(messages[(r >> 128 & 0xFFFF) % len(messages)], messages[(r >> 144) % len(messages)], r)
            note(data)
            try:
                changed = land(receiver, data)
            except (crdt.DecodeError, crdt.RetiredError):
                refused += 1
                continue
            if changed:
                self.check_accepted(receiver, data)
                self.accepted += 1
                if len(messages) < CORPUS_MAX and len(data) < 1000:
                    messages.append(data)
                receiver = target.receiver.fork("fuzzed")
        self.refused += refused
        self.check_end(target, receiver, before)

    def check_accepted(self, receiver: Any, data: bytes) -> None:
        receiver.check_invariants()
        whole = receiver.to_bytes()
        if isinstance(receiver, crdt.ORMap):
            again = crdt.ORMap.from_bytes(whole, of=receiver.of)
        else:
            again = type(receiver).from_bytes(whole)
        if again.to_bytes() != whole or again != receiver:
            raise Failure("what was accepted does not read back as itself")
        if sys.getsizeof(receiver) > 1 << 20 and sys.getsizeof(receiver) > 256 * len(data):
            raise Failure(f"{len(data)} bytes made a state of {sys.getsizeof(receiver)}")
        receiver.value

    def check_end(self, target: Target, receiver: Any, before: bytes) -> None:
        """Nothing of what was refused is there; what was held back lands or is dropped."""
        waiting = receiver.pending
        self.waited += waiting
        if receiver.to_bytes() != before:
            raise Failure("something that was refused has left a trace in the state")
        if target.afterwards and waiting:
            receiver.merge(target.afterwards)
            self.check_accepted(receiver, target.afterwards)

    def try_symbols(self, sketch: Sketch, data: bytes) -> None:
        self.note.bytes(data)
        try:
            found = sketch.difference(data)
        except crdt.DecodeError:
            self.refused += 1
            return
        self.accepted += 1
        if found is not None and sum(map(len, found)) > len(data) / 8:
            raise Failure("symbols that tell more differences than there are symbols")

    def try_vector(self, data: bytes) -> None:
        self.note.bytes(data)
        try:
            vector = crdt.VersionVector.from_bytes(data)
        except crdt.DecodeError:
            self.refused += 1
            return
        self.accepted += 1
        if vector.to_bytes() != data:
            raise Failure("a version vector has two spellings")


def repeat(chosen: list[Target], run: Run, data: bytes) -> None:
    """One given input into the targets, as often as a batch would, then the checks of its end."""
    for target in chosen:
        if target.receiver is None:
            run.try_vector(data)
            continue
        if target.is_compared:
            run.try_symbols(Sketch(target.receiver, KEY), data)
            continue
        receiver = target.receiver.fork("fuzzed")
        before = receiver.to_bytes()
        try:
            if target.land(receiver, data):
                run.check_accepted(receiver, data)
                receiver = target.receiver.fork("fuzzed")
        except (crdt.DecodeError, crdt.RetiredError) as error:
            print(f"{target.name}: refused: {error}")
        run.check_end(target, receiver, before)


def work(chosen: list[Target], run: Run, inputs: int, shown: bool) -> None:
    began = time.monotonic()
    next_line = began + 5
    number = 0
    while run.tried < inputs:
        target = chosen[number % len(chosen)]
        run.batch(target, random.Random(f"{run.seed}/{number}"), min(BATCH, inputs - run.tried))
        number += 1
        if shown and time.monotonic() > next_line:
            report(run, began)
            next_line += 30
    report(run, began)


def report(run: Run, began: float) -> None:
    seconds = time.monotonic() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{run.tried:,} inputs in {seconds:.0f} s, {run.tried / seconds:,.0f} a second: {run.refused:,} refused, "
        f"{run.accepted:,} accepted, {run.waited:,} held back; peak memory {peak_mb:.0f} MB",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", default="", help="only targets whose name starts so, e.g. ORSet/ or Text/late")
    parser.add_argument("--hex", help="one input, to repeat a failure")
    options = parser.parse_args()
    note = Note()
    # The child does the work, so that a crash can be told from what it was trying.
    child = os.fork()
    if child == 0:
        faulthandler.enable()
        run = Run(options.seed, note)
        try:
            chosen = [t for t in targets(options.seed) if t.name.startswith(options.target)]
            if options.hex is not None:
                repeat(chosen, run, bytes.fromhex(options.hex))
            else:
                work(chosen, run, options.inputs, shown=True)
        except BaseException as error:
            print(f"FAILED: {type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        print(f"exit {status}; to repeat: {note.line(options.seed)}")
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
